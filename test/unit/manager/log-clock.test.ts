import { expect, test } from '@jest/globals';
import { LogClock } from '../../../actors/manager/log-clock.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';

function buildClock(wallMs: number, at: number) {
  const clock = new VirtualClock();
  const wall = { ms: wallMs };
  const time = new LogClock(clock, () => wall.ms, at);
  const pass = (ms: number): number => {
    clock.advance(ms);
    wall.ms += ms;
    return time.now();
  };
  return { wall, pass };
}

test('follows the wall clock, forward jumps included', () => {
  const { wall, pass } = buildClock(10_000, 0);
  expect(pass(10)).toBe(10_010);
  wall.ms += 3_600_000;
  expect(pass(10)).toBe(3_610_020);
});

test('goes on at half speed while the wall clock is behind what was written', () => {
  const { pass } = buildClock(10_000, 11_000);
  expect(pass(100)).toBe(11_050);
  expect(pass(1)).toBe(11_050);
  expect(pass(1)).toBe(11_051);
  expect(pass(1_900)).toBe(12_002);
});
