import { pack, unpack } from '../bus/codec.ts';
import type { Checkpoint } from '../bus/ports.ts';
import { Fault } from '../domain/errors.ts';

export const packCheckpoint = ({ seq, hash, data }: Checkpoint): Uint8Array =>
  pack({ seq, hash, data });

/** Throws `Fault` for what is no checkpoint. */
export function unpackCheckpoint(bytes: Uint8Array): Checkpoint {
  const { seq, hash, data } = unpack(bytes) as Partial<Checkpoint>;
  if (
    typeof seq !== 'number' ||
    !Number.isSafeInteger(seq) ||
    typeof hash !== 'string' ||
    !(data instanceof Uint8Array)
  )
    throw new Fault('Unknown', 'the manager sent no checkpoint');
  return { seq, hash, data };
}
