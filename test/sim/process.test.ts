import { expect, test } from '@jest/globals';
import { VirtualClock } from '../../supervisors/virtual-clock.ts';
import { SimProcess } from './world/process.ts';

test('what comes from outside keeps its order over a freeze', () => {
  const clock = new VirtualClock();
  const process = new SimProcess(clock);
  const seen: string[] = [];
  const come = (what: string): void => process.take(() => seen.push(what));
  come('before');
  process.freeze(false);
  come('first');
  come('second');
  expect(seen).toEqual(['before']);
  process.thaw();
  come('third');
  process.freeze(false);
  clock.advance(1);
  process.thaw();
  come('fourth');
  clock.advance(1);
  come('after');
  expect(seen).toEqual(['before', 'first', 'second', 'third', 'fourth', 'after']);
});

test('one that is killed in its freeze takes nothing any more', () => {
  const clock = new VirtualClock();
  const process = new SimProcess(clock);
  const seen: string[] = [];
  process.freeze(false);
  process.take(() => seen.push('held'));
  process.kill();
  process.thaw();
  clock.advance(1);
  expect(seen).toEqual([]);
});
