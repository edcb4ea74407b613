import { expect, test } from '@jest/globals';
import { heartbeatPeriodOf } from '../../../domain/assign/heartbeat.ts';

const everyMs = (
  period: number,
  nodes: number,
  before?: ReturnType<typeof heartbeatPeriodOf>,
): number => heartbeatPeriodOf(period, nodes, before).everyMs;

test('a fifth of the period that the API shows; 0 stands for Swarm’s default', () => {
  expect(heartbeatPeriodOf(5e9, 3)).toEqual({ everyMs: 1_000, silenceMs: 3_000, graceMs: 6_000 });
  expect(heartbeatPeriodOf(0, 3)).toEqual(heartbeatPeriodOf(5e9, 3));
  expect(everyMs(30e9, 3)).toBe(6_000);
  expect(everyMs(1, 3)).toBe(100);
});

test.each([
  [400, 1_000],
  [401, 2_000],
  [800, 2_000],
  [801, 4_000],
  [100_000, 4_000],
])('%i nodes send one every %i ms', (nodes, ms) => {
  expect(everyMs(5e9, nodes)).toBe(ms);
});

test('a longer period has room for more nodes', () => {
  expect(everyMs(20e9, 1_600)).toBe(4_000);
});

test('a node more or less at the bound changes nothing', () => {
  const slow = heartbeatPeriodOf(5e9, 401);
  expect(everyMs(5e9, 400, slow)).toBe(2_000);
  expect(everyMs(5e9, 321, slow)).toBe(2_000);
  expect(everyMs(5e9, 320, slow)).toBe(1_000);
  const quick = heartbeatPeriodOf(5e9, 320, slow);
  expect(heartbeatPeriodOf(5e9, 400, quick)).toBe(quick);
});

test('another period counts at once', () => {
  expect(everyMs(10e9, 3, heartbeatPeriodOf(5e9, 3))).toBe(2_000);
  expect(everyMs(5e9, 3, heartbeatPeriodOf(10e9, 3))).toBe(1_000);
});

test('a node that has to come back has no less time than one that is merely silent', () => {
  expect(heartbeatPeriodOf(5e9, 1_000)).toEqual({
    everyMs: 4_000,
    silenceMs: 12_000,
    graceMs: 12_000,
  });
});
