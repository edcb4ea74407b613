import { describe, expect, test } from '@jest/globals';
import {
  type ChildFacts,
  decide,
  emptyHistory,
  type Exit,
  type Flags,
  type Restart,
  type Strategy,
} from '../../../supervisors/restart-policy.ts';

const flags = (over: Partial<Flags> = {}): Flags => ({
  strategy: 'oneForOne',
  intensity: 3,
  periodMs: 10_000,
  backoffMinMs: 100,
  backoffMaxMs: 1_600,
  ...over,
});
const failed: Exit = { kind: 'error', error: new Error('x') };
const done: Exit = { kind: 'done' };
const children: readonly ChildFacts[] = [
  { id: 'a', restart: 'permanent' },
  { id: 'b', restart: 'permanent' },
  { id: 'c', restart: 'temporary' },
  { id: 'd', restart: 'permanent' },
];

describe('who is restarted', () => {
  const cases: readonly [Restart, Exit, boolean][] = [
    ['permanent', failed, true],
    ['permanent', done, true],
    ['transient', failed, true],
    ['transient', done, false],
    ['temporary', failed, false],
    ['temporary', done, false],
  ];
  test.each(cases)('%s, %j: %s', (restart, exit, wanted) => {
    const { decision } = decide(flags(), [{ id: 'x', restart }], 'x', exit, emptyHistory, 0, 0);
    expect(decision.kind).toBe(wanted ? 'restart' : 'forget');
  });

  const strategies: readonly [Strategy, string[], string[]][] = [
    ['oneForOne', [], ['b']],
    ['restForOne', ['d', 'c'], ['b', 'd']],
    ['oneForAll', ['d', 'c', 'a'], ['a', 'b', 'd']],
  ];
  test.each(strategies)('%s stops %j and starts %j', (strategy, stop, start) => {
    const { decision } = decide(flags({ strategy }), children, 'b', failed, emptyHistory, 0, 0);
    expect(decision).toEqual({ kind: 'restart', stop, start, delayMs: 100 });
  });
});

/** Failures of `a` at the given times: the delay of each restart, or what else was decided. */
function run(at: readonly number[], over: Partial<Flags> = {}, jitter = 0): (number | string)[] {
  let history = emptyHistory;
  return at.map((now) => {
    const result = decide(flags(over), children, 'a', failed, history, now, jitter);
    history = result.history;
    return result.decision.kind === 'restart' ? result.decision.delayMs : result.decision.kind;
  });
}

describe('how often and how soon', () => {
  const cases: readonly [string, number[], Partial<Flags>, (number | string)[]][] = [
    ['the backoff doubles', [0, 200, 600], {}, [100, 200, 400]],
    ['up to its cap', [0, 1, 2, 3, 4, 5], { intensity: 9 }, [100, 200, 400, 800, 1_600, 1_600]],
    ['and starts anew after a quiet time', [0, 1, 3_202], {}, [100, 200, 100]],
    ['but not a moment sooner', [0, 1, 3_201], {}, [100, 200, 400]],
    ['one more than the intensity escalates', [0, 1, 2, 3], {}, [100, 200, 400, 'escalate']],
    ['a failure older than the period is forgotten', [0, 1, 2, 10_001], {}, [100, 200, 400, 100]],
    ['one exactly as old is not', [0, 1, 2, 10_000], {}, [100, 200, 400, 'escalate']],
    ['intensity 0 never restarts', [0], { intensity: 0 }, ['escalate']],
  ];
  test.each(cases)('%s', (_, at, over, expected) => {
    expect(run(at, over)).toEqual(expected);
  });

  test('jitter adds up to a fifth', () => {
    expect(run([0, 1], {}, 1)).toEqual([120, 240]);
  });

  test('the history stays as short as the intensity', () => {
    let history = emptyHistory;
    for (let now = 0; now < 1_000_000; now += 5_000)
      ({ history } = decide(flags(), children, 'a', failed, history, now, 0));
    expect(history.restartsAt.length).toBeLessThanOrEqual(4);
  });
});

test('an unknown child is a bug', () => {
  expect(() => decide(flags(), children, 'x', failed, emptyHistory, 0, 0)).toThrow("child 'x'");
});
