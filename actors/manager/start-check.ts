import type { StartAnswer, StartTold } from '../../bus/protocol.ts';
import { type DiskMark, type OwnDisk, whyOlder } from '../../domain/members/starts.ts';
import { type Clock, pause } from '../../supervisors/clock.ts';

/** What one manager answers another that is about to start its server. */
export interface HearingPorts {
  /** Of the teller; undefined for none, or while this manager's own state is in doubt. */
  readonly seen: DiskMark | undefined;
  readonly note: (mark: DiskMark) => Promise<void>;
  readonly own: OwnDisk;
  readonly managers: number;
  /** Since it started, this manager was part of a majority: what others remember of it may be of another history. */
  readonly hasGoneOn: () => boolean;
  readonly onOlder: (why: string, managers: number) => void;
  /** As `StartAnswer.log`. */
  readonly isOnLog: (kept: number, hash: string) => Promise<true | string | undefined>;
}

export async function hearStart(told: StartTold, ports: HearingPorts): Promise<StartAnswer> {
  const { seen, note, own, managers, hasGoneOn, onOlder, isOnLog } = ports;
  const mine = whyOlder(own, told.seen);
  const ending = mine !== undefined && !hasGoneOn();
  if (ending) onOlder(mine, Math.max(managers, told.managers));
  const before = { seen: seen?.number ?? 0, managers, ...(ending && { ending }) };
  const older = told.fresh ? undefined : whyOlder(told, seen);
  if (older !== undefined) return { ...before, older };
  const last = told.starts.at(-1);
  if (last !== undefined)
    await note({ ...last, kept: told.kept ?? 0, generation: told.generation });
  const log =
    ending || told.fresh || told.kept === undefined
      ? undefined
      : await isOnLog(told.kept, told.hash);
  return { ...before, ...(log !== undefined && { log }) };
}

export interface AskingPorts<T> {
  readonly others: () => readonly T[];
  readonly told: (other: T) => StartTold;
  /** Rejects when the other one does not answer, and when `scope` ends. */
  readonly ask: (other: T, told: StartTold, scope: AbortSignal) => Promise<StartAnswer>;
  /** This disk begins to count: it does not know what its last one was told of. */
  readonly isFresh: boolean;
  /** Nothing can be done here without the others: they are asked again until one answers, or the patience is over. */
  readonly isEmpty: boolean;
  /** The start gets a number above this one. */
  readonly renumber: (above: number) => Promise<void>;
  readonly clock: Clock;
}
export type StartVerdict =
  /** `sure`: somebody who knows the log's end says that the journal is on it. */
  | { readonly kind: 'go'; readonly sure: boolean }
  | { readonly kind: 'contradiction'; readonly why: string }
  /** `managers`: how many there are, as far as anybody knows. */
  | { readonly kind: 'older'; readonly why: string; readonly managers: number };

/** How long the others have for an answer; and how long is waited for those that end their servers, or for any at all; ms. */
const patienceMs = { answer: 2_000, whole: 15_000, again: 300 } as const;

/**
 * Asks the other managers whether the server of this one may be started on what its disk has. Those that do not answer
 * have no say: together with the ones that do they may be a majority, and the cluster is to go on.
 */
export async function askOthers<T>(
  ports: AskingPorts<T>,
  scope: AbortSignal,
): Promise<StartVerdict> {
  const { others, clock, renumber, isFresh, isEmpty } = ports;
  const patientUntil = clock.now() + patienceMs.whole;
  const ending = new Set<T>();
  let isNumbered = !isFresh;
  const asked = others();
  for (;;) {
    const answers = await askAll(ports, asked, scope);
    scope.throwIfAborted();
    for (const [other, answer] of answers)
      if (answer.ending === true) ending.add(other);
      else ending.delete(other);
    const verdict = verdictOf([...answers.values()]);
    if (verdict.kind !== 'go') return verdict;
    const above = Math.max(0, ...[...answers.values()].map(({ seen }) => seen));
    if (!isNumbered && answers.size > 0) {
      isNumbered = true;
      if (above > 0) {
        await renumber(above);
        continue;
      }
    }
    const isWaitedFor = ending.size > 0 || (isEmpty && answers.size === 0);
    if (!isWaitedFor || clock.now() >= patientUntil) return verdict;
    await pause(clock, patienceMs.again, scope);
  }
}

function verdictOf(answers: readonly StartAnswer[]): StartVerdict {
  const older = answers.find((answer) => answer.older !== undefined)?.older;
  const managers = Math.max(0, ...answers.map((answer) => answer.managers));
  if (older !== undefined) return { kind: 'older', why: older, managers };
  const contradiction = answers.find(({ log }) => typeof log === 'string')?.log;
  if (typeof contradiction === 'string') return { kind: 'contradiction', why: contradiction };
  return { kind: 'go', sure: answers.some(({ log }) => log === true) };
}

/** Whoever knows the log's end knows all that the others could have seen: then nobody else is waited for. */
async function askAll<T>(
  { told, ask, clock }: AskingPorts<T>,
  others: readonly T[],
  scope: AbortSignal,
): Promise<ReadonlyMap<T, StartAnswer>> {
  const answers = new Map<T, StartAnswer>();
  const end = new AbortController();
  const timer = clock.setTimeout(() => end.abort(), patienceMs.answer);
  const within = AbortSignal.any([scope, end.signal]);
  await Promise.all(
    others.map(async (other) => {
      // who does not answer is asked again in the next round
      const answer = await ask(other, told(other), within).catch(() => undefined);
      if (answer === undefined) return;
      answers.set(other, answer);
      if (answer.log === true) end.abort();
    }),
  );
  clock.clearTimeout(timer);
  return answers;
}
