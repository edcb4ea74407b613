import type { Checkpoint } from '../bus/ports.ts';
import { limits } from '../domain/limits.ts';
import type { ManagerPlace } from '../domain/model/objects.ts';
import { exchange, exchangeBytes } from './join-cluster.ts';
import { type Seat, unpackCheckpoint } from './seat-desk.ts';

/** A node's own certificate, key and roots, PEM. */
export interface Own {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

const patienceMs = { seat: 3_000, enroll: 20_000, checkpoint: 300_000 } as const;

/** Where the log goes on, as the manager at `addr` says. Rejects with its `Fault`. */
export async function askSeat(addr: string, own: Own, signal: AbortSignal): Promise<Seat> {
  return (await exchange(addr, {
    path: '/v1/manager',
    root: own.ca,
    identity: own,
    signal,
    limitMs: patienceMs.seat,
  })) as Seat;
}

/** Tells the managers, through the one at `addr`, where this one is. Rejects with the leader's `Fault`. */
export async function enrollAt(
  addr: string,
  own: Own,
  place: Pick<ManagerPlace, 'addr' | 'bus' | 'route'>,
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
