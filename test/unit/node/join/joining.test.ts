import { expect, test } from '@jest/globals';
import { firstOf, persist } from '../../../../actors/node/join/joining.ts';
import { daemonFault } from '../../../../domain/errors.ts';
import { VirtualClock } from '../../../../supervisors/virtual-clock.ts';
import { runUntil } from '../../../sim/world/drive.ts';

const unavailable = daemonFault('Unavailable', 'cannot reach manager a: nobody answers');

/** Tries against a manager that `answer` stands for; the client waits for 20 s. */
function tries(clock: VirtualClock, answer: (at: number) => Promise<string>) {
  const end = new AbortController();
  const at: number[] = [];
  const failures: string[] = [];
  let outcome: unknown;
  const ended = persist(
    () => {
      at.push(clock.now());
      return answer(clock.now());
    },
    () => clock.now() < 20_000,
    clock,
    end.signal,
    ({ message }) => failures.push(message),
  ).then(
    (value) => (outcome = value),
    (error: unknown) => (outcome = error),
  );
  return { at, failures, end, ended, outcome: () => outcome };
}

const after = (clock: VirtualClock, ms: number): Promise<never> =>
  new Promise((_, reject) => clock.setTimeout(() => reject(unavailable), ms));

test('who refuses the connection at once is given up after five tries, as by Docker’s daemon', async () => {
  const clock = new VirtualClock();
  const { at, outcome } = tries(clock, () => Promise.reject(unavailable));
  await runUntil(clock, 60_000);
  expect(at).toEqual([0, 2_000, 4_000, 6_000, 8_000]);
  expect(outcome()).toBe(unavailable);
});

test('who does not answer is asked for as long as the client waits, and on behind its back', async () => {
  const clock = new VirtualClock();
  const { at, failures, outcome } = tries(clock, (now) =>
    now < 100_000 ? after(clock, 3_000) : Promise.resolve('joined'),
  );
  await runUntil(clock, 99_000);
  expect(at.slice(0, 6)).toEqual([0, 5_000, 10_000, 15_000, 20_000, 25_000]);
  expect(failures[0]).toBe(unavailable.message);
  expect(outcome()).toBeUndefined();
  await runUntil(clock, 200_000);
  expect(outcome()).toBe('joined');
  // less and less often
  expect(at.length).toBeLessThan(12);
});

test('a refusal is final; so is the end of the join', async () => {
  const clock = new VirtualClock();
  const refusal = daemonFault('InvalidArgument', 'no');
  const refused = tries(clock, () => Promise.reject(refusal));
  await runUntil(clock, 1);
  expect(refused.outcome()).toBe(refusal);
  const left = tries(clock, () => Promise.reject(unavailable));
  await runUntil(clock, 3_000);
  left.end.abort();
  await left.ended;
  await runUntil(clock, 60_000);
  expect(left.at).toHaveLength(2);
});

test('managers are asked one after the other, at port 2377 where none is given; a refusal ends it', async () => {
  const asked: string[] = [];
  const answers: Record<string, () => Promise<string>> = {
    'a:2377': () => Promise.reject(unavailable),
    'b:99': () => Promise.resolve('granted'),
    'c:2377': () => Promise.reject(daemonFault('InvalidArgument', 'no')),
  };
  const ask = (addr: string): Promise<string> => {
    asked.push(addr);
    return answers[addr]?.() ?? Promise.reject(unavailable);
  };
  expect(await firstOf(['a', 'b:99', 'c'], ask)).toBe('granted');
  await expect(firstOf(['c', 'b:99'], ask)).rejects.toThrow('no');
  await expect(firstOf(['a', 'd'], ask)).rejects.toBe(unavailable);
  expect(asked).toEqual(['a:2377', 'b:99', 'c:2377', 'a:2377', 'd:2377']);
});
