import * as v from 'valibot';
import { limits } from '../domain/limits.ts';
import type { NodeDescription } from '../domain/model/objects.ts';
import { count, labels, line, list, name, readAs, whole } from './wire.ts';

const short = name(limits.descriptionNameMax);

const resource = v.object({
  NamedResourceSpec: v.exactOptional(v.object({ Kind: short, Value: short })),
  DiscreteResourceSpec: v.exactOptional(
    v.object({ Kind: short, Value: v.pipe(v.number(), v.safeInteger()) }),
  ),
});

const description = v.object({
  hostname: line(limits.descriptionNameMax),
  addr: v.exactOptional(short),
  platform: v.object({ architecture: short, os: short }),
  resources: v.object({
    nanoCpus: count,
    memoryBytes: count,
    generic: v.exactOptional(list(resource, limits.descriptionListMax)),
  }),
  engine: v.object({
    version: short,
    labels: labels(limits.joinLabelsTextMax),
    plugins: list(v.object({ type: short, name: short }), limits.descriptionListMax),
  }),
  tls: v.exactOptional(
    v.object({
      trustRoot: whole(limits.rootsTextMax),
      issuerSubject: name(limits.statusTextLengthMax),
      issuerPublicKey: name(limits.statusTextLengthMax),
      // a state of before has it; see `helloFrom`
      publicKey: v.exactOptional(name(limits.statusTextLengthMax)),
    }),
  ),
});

/**
 * A node's description as a node has sent it, built anew. Undefined for one that is malformed or too large: it goes into
 * the state of every manager, which reads it without a further look.
 */
export function descriptionFrom(value: unknown): NodeDescription | undefined {
  const read: NodeDescription | undefined = readAs(description, value);
  const isSmall = read !== undefined && JSON.stringify(read).length <= limits.descriptionLengthMax;
  return isSmall ? read : undefined;
}
