import { askOthers, type StartVerdict } from '../actors/manager/start-check.ts';
import { hashOf } from '../bus/log-entry.ts';
import { JournalError } from '../bus/ports.ts';
import type { StartTold } from '../bus/protocol.ts';
import { pause, systemClock } from '../supervisors/clock.ts';
import { journalOf, setStateAside } from './generation.ts';
import type { LogEvent } from './log.ts';
import type { Identity } from '../actors/node/identity.ts';
import { newLogFollower, otherManagers } from './log-follower.ts';
import { tellStart } from './manager-client.ts';
import type { Aside, Hold } from './start-files.ts';
import { type CurrentManager, type ManagerWiring, tlsOf } from './wiring.ts';

/** Pauses between two questions of a manager that is not let in, ms. */
const againMs = 3_000;

/** For people. */
export const contradicted = (why: string): string =>
  `This manager's state and the log of the other managers contradict each other: ${why}. ` +
  'It serves and counts for nothing until you decide: either it follows the others, and what it knows is set aside ' +
  '("natswarm follow" on its host), or what it knows becomes the cluster\'s state ("docker swarm init --force-new-cluster" there).';
export const rolledBack = ({ why, dir }: Aside): string =>
  `The state on this manager's disk was not used: ${why}. It is in ${dir} of the state directory now.`;
export const beingMadeAnew =
  'The manager gets the state from the others; that needs more than half of all managers.';

/**
 * Before the server of one of several managers starts: counts the start, and asks the others whether this disk may be
 * used. False when this manager is to begin anew: it is restarted. Waits while its state and the log contradict each other.
 */
export async function admitServer(
  wiring: ManagerWiring,
  current: CurrentManager,
  report: LogEvent,
  scope: AbortSignal,
): Promise<boolean> {
  const follower = newLogFollower(wiring, report);
  const { starts, identity } = wiring;
  const { hold } = starts;
  if (hold?.kind === 'older') return notUsed(wiring, hold, report);
  const begun = await starts.begin(identity.generation);
  if ('older' in begun) return notUsed(wiring, { why: begun.older }, report);
  const start = starts.starts.at(-1);
  report('server_start', { start: start?.number, id: start?.id });
  const told = await tellingOf(wiring, begun.fresh);
  current.kept = told.kept;
  for (; ; await pause(systemClock, againMs, scope)) {
    scope.throwIfAborted();
    const verdict = await ask(wiring, told, scope);
    if (verdict.kind === 'older') return notUsed(wiring, verdict, report);
    if (verdict.kind === 'contradiction' && starts.hold?.why !== verdict.why) {
      report('log_contradicted', { why: contradicted(verdict.why) }, 'warn');
      await starts.setHold(verdict);
    }
    if (verdict.kind === 'go' && verdict.sure) await starts.setHold(undefined);
    if (starts.hold === undefined) return true;
    if (await follower.leave(scope)) return false;
  }
}

function ask(wiring: ManagerWiring, told: Told, scope: AbortSignal): Promise<StartVerdict> {
  const { starts, seen, identity } = wiring;
  return askOthers(
    {
      others: () => otherManagers(wiring),
      told: ({ nodeId }) => {
        const mark = seen.of(nodeId);
        return { ...told, starts: starts.starts, ...(mark !== undefined && { seen: mark }) };
      },
      ask: ({ addr }, what, within) => tellStart(addr, tlsOf(wiring.files), what, within),
      isFresh: told.fresh,
      isEmpty: told.fresh && identity.joining === true,
      renumber: async (above) => {
        await starts.begin(identity.generation, above);
      },
      clock: systemClock,
    },
    scope,
  );
}

type Told = Omit<StartTold, 'starts' | 'seen'>;

/** What this disk has of the present generation. */
async function tellingOf(
  { files, starts, identity }: ManagerWiring,
  isFirst: boolean,
): Promise<Told> {
  const { generation } = identity;
  const fresh = isFirst || !starts.hasStore(generation);
  const told = { generation, fresh, managers: files.peers().length, hash: '' };
  try {
    const { checkpoint, records } = await journalOf(files, generation).load();
    const last = records.at(-1);
    if (last !== undefined) return { ...told, kept: last.seq, hash: hashOf(last.data) };
    return { ...told, kept: checkpoint?.seq ?? 0, hash: checkpoint?.hash ?? '' };
  } catch (error) {
    // damaged: it tells nothing, and is got anew
    if (error instanceof JournalError) return told;
    throw error;
  }
}

/**
 * The state on this disk is kept where nothing uses it, and the manager gets the cluster's from the others. Of two managers
 * neither writes anything without the other, who thus has all of it: there the store stays and is brought up to date, for
 * without its server the other one could not let a new one in.
 */
async function notUsed(
  wiring: ManagerWiring,
  { why, managers = 0 }: Omit<Hold, 'kind'>,
  report: LogEvent,
): Promise<false> {
  const { files, starts, seen, identity } = wiring;
  const known = Math.max(managers, files.peers().length);
  // whatever a crash leaves of what follows, the next start goes on with it
  await starts.setHold({ kind: 'older', why, managers: known });
  const { founding: _, ...rest } = identity;
  const next: Identity = { ...rest, joining: true };
  const parts = known > 2 ? (['store', 'journal'] as const) : (['journal'] as const);
  const dir = setStateAside(files, identity.generation, Date.now(), parts);
  await seen.forget();
  await starts.setAside({ why, dir });
  report('rolled_back_disk_set_aside', { why, dir, todo: beingMadeAnew }, 'warn');
  wiring.onRestart(next);
  return false;
}
