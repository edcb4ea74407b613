import { expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import { engineMachine } from '../../../actors/agent/engine.machine.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settle } from '../../support/settle.ts';

/**
 * An engine that answers, refuses or hangs as the test says.
 * @param before what an earlier incarnation of the actor has said last
 */
function harness(before?: string) {
  const clock = new VirtualClock();
  const told: string[] = [];
  let engine: 'well' | 'dead' | 'hung' = 'well';
  let said = before;
  let open = 0;
  let asked = 0;
  const actor = createActor(engineMachine, {
    clock,
    input: {
      scope: new AbortController().signal,
      onState: (error) => {
        if (error !== said) told.push(`${clock.now()} ${error ?? 'back'}`);
        said = error;
      },
      check: (scope) => {
        asked += 1;
        if (engine === 'dead') return Promise.reject(new Error('connect ECONNREFUSED'));
        if (engine === 'well') return Promise.resolve();
        open += 1;
        return new Promise((_, reject) =>
          scope.addEventListener('abort', () => {
            open -= 1;
            reject(new Error('aborted'));
          }),
        );
      },
    },
  }).start();
  return {
    told,
    become: (next: typeof engine) => (engine = next),
    open: () => open,
    asked: () => asked,
    state: () => actor.getSnapshot().value,
    go: async (ms: number): Promise<void> => {
      await settle();
      for (let left = ms; left > 0; left -= 100) {
        clock.advance(Math.min(100, left));
        await settle();
      }
    },
  };
}

test('an engine that answers is asked every two seconds, and nothing is told', async () => {
  const h = harness();
  await h.go(60_000);
  expect(h.asked()).toBe(31);
  expect(h.told).toEqual([]);
});

test.each([
  ['dead', 'connect ECONNREFUSED'],
  ['hung', 'the engine is away: no answer to a ping in 2 s'],
] as const)('one that is %s is told within 7 s, with its error, once', async (how, error) => {
  for (const offsetMs of [0, 500, 1_900]) {
    const h = harness();
    await h.go(10_000 + offsetMs);
    h.become(how);
    await h.go(7_000);
    expect(h.told).toEqual([expect.stringContaining(error)]);
    await h.go(120_000);
    expect(h.told).toHaveLength(1);
  }
});

test.each(['dead', 'hung'] as const)('one that was %s and is back is told at once', async (how) => {
  const h = harness();
  h.become(how);
  await h.go(60_000);
  h.become('well');
  await h.go(2_500);
  expect(h.told).toEqual([expect.anything(), expect.stringContaining('back')]);
  expect(h.state()).toBe('resting');
  h.become(how);
  await h.go(7_000);
  expect(h.told).toHaveLength(3);
});

test.each(['dead', 'hung'] as const)(
  'one that is %s for less than 5 s is not told',
  async (how) => {
    const h = harness();
    await h.go(10_000);
    h.become(how);
    await h.go(2_500);
    h.become('well');
    await h.go(60_000);
    expect(h.told).toEqual([]);
  },
);

test('after a crash of the actor what it said before is taken back as soon as the engine answers', async () => {
  const h = harness('away');
  await h.go(100);
  expect(h.told).toEqual([expect.stringContaining('back')]);
});

test('a hung engine has one question open at a time, and is asked again and again', async () => {
  const h = harness();
  h.become('hung');
  for (let i = 0; i < 600; i += 1) {
    await h.go(100);
    expect(h.open()).toBeLessThanOrEqual(1);
  }
  expect(h.asked()).toBeGreaterThan(20);
});

test('of an engine that first hangs and then dies the last error is told', async () => {
  const h = harness();
  h.become('hung');
  await h.go(3_000);
  h.become('dead');
  await h.go(4_000);
  expect(h.told).toEqual([expect.stringContaining('ECONNREFUSED')]);
});
