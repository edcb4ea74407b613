import { expect, test } from '@jest/globals';
import { JoinPace } from '../../../cmd/join-pace.ts';
import { limits } from '../../../domain/limits.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settle } from '../../support/settle.ts';

const perS = limits.joinsPerS;
const atOnce = (perS * limits.joinBurstMs) / 1_000;
const waiting = (perS * limits.joinWaitMsMax) / 1_000;

/** Joins as they come; what became of each is counted. */
function world() {
  const clock = new VirtualClock();
  const end = new AbortController();
  const pace = new JoinPace(clock, end.signal);
  const counts = { in: 0, refused: 0 };
  const come = async (many: number): Promise<void> => {
    for (let n = 0; n < many; n++)
      pace.turn(perS).then(
        () => (counts.in += 1),
        () => (counts.refused += 1),
      );
    await settle();
  };
  /** Until the clock is so much further. */
  const go = async (ms: number): Promise<void> => {
    const until = clock.now() + ms;
    let isOver = false;
    clock.setTimeout(() => (isOver = true), ms);
    while (!isOver && clock.now() <= until && clock.step()) await settle();
  };
  return { clock, come, counts, end, go, pace };
}

test('many at once are let in at once, the next ones one after the other, and the rest is to come again', async () => {
  const { come, counts, go } = world();
  await come(atOnce + waiting + 100);
  expect(counts).toEqual({ in: atOnce, refused: 100 });
  await go(1_000);
  expect(counts.in).toBe(atOnce + perS);
  await come(100);
  expect(counts.refused).toBe(100 + 100 - perS);
  await go(limits.joinWaitMsMax);
  expect(counts.in).toBe(atOnce + waiting + perS);
});

test('after a while there is room for as many again', async () => {
  const { come, counts, go } = world();
  await come(atOnce);
  await go(limits.joinBurstMs);
  await come(atOnce);
  expect(counts).toEqual({ in: 2 * atOnce, refused: 0 });
});

test('a rate that is set is the rate', async () => {
  const { pace } = world();
  for (let n = 0; n < 10_000; n++) await pace.turn(1_000);
});

test('who is refused hears why, and what to do', async () => {
  const { come, pace } = world();
  await come(atOnce + waiting);
  await expect(pace.turn(perS)).rejects.toMatchObject({
    code: 'Unavailable',
    message: 'too many nodes join at once: this manager lets 25 in a second; try again in a moment',
  });
});

test('a manager that stops lets nobody wait', async () => {
  const { come, counts, end } = world();
  await come(atOnce + 10);
  end.abort();
  await settle();
  expect(counts).toEqual({ in: atOnce, refused: 10 });
});
