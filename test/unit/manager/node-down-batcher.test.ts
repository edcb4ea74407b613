import { expect, test } from '@jest/globals';
import { NodeDownBatcher } from '../../../actors/manager/node-down-batcher.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function buildLosses(answer: () => Promise<void> = () => Promise.resolve()) {
  const clock = new VirtualClock();
  const declared: { at: number; nodes: number }[] = [];
  const start = clock.now();
  const batcher = new NodeDownBatcher(clock, (nodeIds) => {
    declared.push({ at: clock.now() - start, nodes: nodeIds.length });
    return answer();
  });
  const go = async (ms: number): Promise<void> => {
    for (let i = 0; i < ms; i++) {
      clock.advance(1);
      await settle();
    }
  };
  const lose = (count: number, scope = new AbortController().signal) =>
    Array.from({ length: count }, (_, i) => batcher.declare(`n${i}`, scope));
  return { declared, go, lose };
}

test('a single loss does not wait; those that follow soon are declared together', async () => {
  const { declared, go, lose } = buildLosses();
  void lose(1);
  await go(1);
  expect(declared).toEqual([{ at: 1, nodes: 1 }]);
  for (let i = 0; i < 50; i++) {
    void lose(1);
    await go(1);
  }
  await go(200);
  expect(declared.slice(1)).toEqual([{ at: 101, nodes: 50 }]);
  const done = lose(2);
  await go(1);
  await Promise.all(done);
  expect(declared.slice(2)).toEqual([{ at: 252, nodes: 2 }]);
});

test('a node that is heard again before its turn stays up', async () => {
  const { declared, go, lose } = buildLosses();
  const heard = new AbortController();
  void lose(1);
  await go(1);
  void lose(3);
  void lose(4, heard.signal);
  await go(50);
  heard.abort();
  await go(50);
  expect(declared.slice(1)).toEqual([{ at: 101, nodes: 3 }]);
});

test('thousands at once are a few transactions', async () => {
  const { declared, go, lose } = buildLosses();
  const done = lose(2_500);
  await go(1);
  await Promise.all(done);
  expect(declared.map(({ nodes }) => nodes)).toEqual([1_000, 1_000, 500]);
});

test('what could not be committed fails all that waited for it, and no other', async () => {
  let broken = true;
  const { go, lose } = buildLosses(() =>
    broken ? Promise.reject(new Error('no leader')) : Promise.resolve(),
  );
  const failed = Promise.allSettled(lose(3));
  await go(1);
  expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  broken = false;
  const done = lose(1);
  await go(100);
  await expect(done[0]).resolves.toBeUndefined();
});
