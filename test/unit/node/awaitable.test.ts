// Whoever asks for a part of the node waits for it, for as long as what the node does just now may take.

import { expect, test } from '@jest/globals';
import { Awaitable } from '../../../actors/node/awaitable.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settleOn } from '../../support/virtual-time.ts';

test('what runs is had at once, what comes up later as soon as it does', async () => {
  const clock = new VirtualClock();
  const running = new Awaitable<string>(clock);
  const later = running.up(() => 5_000);
  clock.setTimeout(() => running.set('manager'), 4_999);
  expect(await settleOn(clock, later)).toBe('manager');
  expect(await running.up(() => 5_000)).toBe('manager');
  expect(clock.now()).toBe(4_999);
});

test('what does not come up is refused with Docker’s text when patience ends', async () => {
  const clock = new VirtualClock();
  const waiting = new Awaitable<string>(clock).up(() => 5_000);
  await expect(settleOn(clock, waiting)).rejects.toThrow('Manager is being prepared');
  expect(clock.now()).toBe(5_000);
});

test('a change that begins while somebody waits makes the wait as long as the change may take', async () => {
  const clock = new VirtualClock();
  const running = new Awaitable<string>(clock);
  let patienceMs = 5_000;
  const waiting = running.up(() => patienceMs);
  clock.setTimeout(() => (patienceMs = 30_000), 100);
  clock.setTimeout(() => running.set('manager of the next generation'), 12_000);
  expect(await settleOn(clock, waiting)).toBe('manager of the next generation');
});
