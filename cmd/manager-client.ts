import type { LogOffer } from '../actors/node/log-place/log-offer.ts';
import { startAnswerFrom } from '../bus/bodies.ts';
import type { Checkpoint } from '../bus/ports.ts';
import type { StartAnswer, StartTold } from '../bus/protocol.ts';
import { daemonFault } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { ManagerTold } from '../domain/model/objects.ts';
import { exchange, exchangeBytes } from './join-cluster.ts';
import { unpackCheckpoint } from './checkpoint-body.ts';

/** A node's own certificate, key and roots, PEM. */
export interface Own {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

const patienceMs = { offer: 3_000, enroll: 20_000, checkpoint: 300_000 } as const;

/** Where the log goes on, as the manager at `addr` says. Rejects with its `Fault`. */
export async function askOffer(addr: string, own: Own, signal: AbortSignal): Promise<LogOffer> {
  return (await exchange(addr, {
    path: '/v1/manager',
    root: own.ca,
    identity: own,
    signal,
    limitMs: patienceMs.offer,
  })) as LogOffer;
}

/** Tells the managers, through the one at `addr`, where this one is. Rejects with the leader's `Fault`. */
export async function enrollAt(
  addr: string,
  own: Own,
  place: ManagerTold,
  signal: AbortSignal,
): Promise<void> {
  await exchange(addr, {
    path: '/v1/manager',
    root: own.ca,
    identity: own,
    body: JSON.stringify(place),
    signal,
    limitMs: patienceMs.enroll,
  });
}

/** Tells the manager at `addr` of a start of this one's server that is to come, and hears what speaks against it. */
export async function tellStart(
  addr: string,
  own: Own,
  told: StartTold,
  signal: AbortSignal,
): Promise<StartAnswer> {
  const answer = await exchange(addr, {
    path: '/v1/manager/start',
    root: own.ca,
    identity: own,
    body: JSON.stringify(told),
    signal,
    limitMs: patienceMs.offer,
  });
  const read = startAnswerFrom(answer);
  if (read === undefined) throw daemonFault('Unknown', `manager ${addr} sent a malformed answer`);
  return read;
}

/** The state of `generation`, from the manager at `addr`. Rejects with its `Fault`. */
export async function fetchCheckpoint(
  addr: string,
  own: Own,
  generation: number,
  signal: AbortSignal,
): Promise<Checkpoint> {
  return unpackCheckpoint(
    await exchangeBytes(addr, {
      path: `/v1/manager/checkpoint/${generation}`,
      root: own.ca,
      identity: own,
      signal,
      limitMs: patienceMs.checkpoint,
      bytesMax: limits.checkpointBytesMax,
    }),
  );
}
