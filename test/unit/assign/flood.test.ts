import { describe, expect, test } from '@jest/globals';
import { Budget, type Verdict } from '../../../domain/assign/budget.ts';
import { nodeHello } from '../../../domain/assign/engine-status.ts';
import { nodeFloods } from '../../../domain/assign/flood.ts';
import { limits } from '../../../domain/limits.ts';
import type { NodeDescription } from '../../../domain/model/objects.ts';
import { World } from '../orchestrate/world.ts';

/** What becomes of messages that come at a pace, one after the other. */
function verdicts(count: number, everyMs: number, bytes = 100): readonly Verdict[] {
  const budget = new Budget(0);
  return Array.from({ length: count }, (_, i) => budget.spend(1, bytes, i * everyMs));
}

describe('what a node may send', () => {
  test('as fast as it may for ever, and so much at once', () => {
    const paced = verdicts(60_000, 1_000 / limits.nodeMessagesPerS);
    expect(new Set(paced)).toEqual(new Set(['read']));
    expect(new Set(verdicts(limits.nodeMessagesBurst, 0))).toEqual(new Set(['read']));
  });

  test('more is dropped, and a node that goes on is to be cut off', () => {
    const flood = verdicts(100_000, 0.01);
    expect(flood.filter((verdict) => verdict === 'read').length).toBeLessThan(2 * 4_000);
    const first = flood.indexOf('cut');
    expect(first).toBeGreaterThan(limits.nodeMessagesBurst);
    expect(first).toBeLessThan(3 * limits.nodeMessagesBurst);
    expect(flood.slice(first).every((verdict) => verdict !== 'read')).toBe(true);
  });

  test('few large messages count by their bytes', () => {
    const large = verdicts(20, 10, 4 * 2 ** 20);
    expect(large.slice(0, 4)).toEqual(['read', 'read', 'read', 'read']);
    expect(large.slice(4, 7)).toEqual(['drop', 'drop', 'drop']);
    expect(large.at(-1)).toBe('cut');
  });

  test('a node that has stopped is heard again', () => {
    const budget = new Budget(0);
    for (let i = 0; i < 1_000_000; i++) budget.spend(1, 1_000, i / 1_000);
    expect(budget.spend(1, 100, 1_000 + limits.nodeBarredMs)).toBe('read');
  });
});

describe('a node that floods', () => {
  test('is down and has no way in for a while; its next hello brings it back', () => {
    const world = new World(2);
    const node = () => world.store.node('n1');
    const description = node()?.description as NodeDescription;
    world.apply(nodeFloods(world.store, 'n1', world.now));
    const message = 'sends more than 1000 messages or 2 MiB a second: cut off for 60 s';
    expect(node()?.status).toMatchObject({ state: 'down', message });
    expect(node()?.barredUntil).toBe(world.now + limits.nodeBarredMs);
    expect(nodeFloods(world.store, 'n1', world.now + 1_000)).toEqual([]);
    const hello = () => nodeHello(world.store, 'n1', description, undefined, world.now);
    expect(hello).toThrow('this node sends more than');
    world.now += limits.nodeBarredMs;
    world.apply(hello());
    expect(node()?.status).toMatchObject({ state: 'ready', message: '' });
    expect(node()?.barredUntil).toBeUndefined();
  });

  test('a manager is not cut off', () => {
    const world = new World(1);
    world.apply([{ op: 'patch', kind: 'node', id: 'n1', fields: { role: 'manager' } }]);
    expect(nodeFloods(world.store, 'n1', world.now)).toEqual([]);
  });
});
