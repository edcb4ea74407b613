import { expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import { holdsLease, leaseMachine } from '../../../actors/manager/lease.machine.ts';
import type { HeartbeatReply } from '../../../bus/protocol.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';

function buildLease(managers: readonly string[], ownFrom = 0) {
  const clock = new VirtualClock();
  const scope = new AbortController();
  const replies = new Map<string, HeartbeatReply>();
  const ids = { now: managers };
  const held: boolean[] = [];
  const ends: string[] = [];
  const heartbeatOf: string[] = [];
  const actor = createActor(leaseMachine, {
    clock,
    input: {
      scope: scope.signal,
      clock,
      nodeId: 'a',
      epoch: 3,
      managers: () => ids.now,
      listeners: () => ids.now,
      ownFrom,
      heartbeat: (manager) => {
        heartbeatOf.push(manager);
        return Promise.resolve(replies.get(manager));
      },
      onLease: (is) => void held.push(is),
      onEnd: (why) => void ends.push(why),
    },
  });
  actor.start();
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const go = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 50) {
      clock.advance(Math.min(50, left));
      await settle();
    }
  };
  const answer = (manager: string, reply: Partial<HeartbeatReply> = {}): void =>
    void replies.set(manager, { ok: true, epoch: 3, kept: 0, ...reply });
  const holds = (): boolean => holdsLease(actor.getSnapshot().context);
  return { actor, scope, replies, ids, held, ends, heartbeatOf, go, answer, holds };
}

test('a manager that is alone has the lease at once and for good', async () => {
  const lease = buildLease(['a']);
  expect(lease.held).toEqual([true]);
  await lease.go(60_000);
  expect(lease.held).toEqual([true]);
  expect(lease.heartbeatOf).toEqual([]);
});

test('the lease is there with a majority’s answers and gone a second after the last heartbeat that was answered', async () => {
  const lease = buildLease(['a', 'b', 'c']);
  expect(lease.holds()).toBe(false);
  lease.answer('b');
  await lease.go(300);
  expect(lease.held).toEqual([true]);
  lease.replies.clear();
  await lease.go(900);
  expect(lease.holds()).toBe(true);
  await lease.go(300);
  expect(lease.holds()).toBe(false);
  expect(lease.held).toEqual([true, false]);
  expect(lease.ends).toEqual([]);
});

test('who does not support the leader does not count', async () => {
  const lease = buildLease(['a', 'b', 'c']);
  lease.answer('b', { ok: false });
  lease.answer('c', { ok: false });
  await lease.go(2_000);
  expect(lease.held).toEqual([]);
});

test('one that joins counts from then on', async () => {
  const lease = buildLease(['a']);
  lease.ids.now = ['a', 'b'];
  expect(lease.holds()).toBe(false);
  await lease.go(300);
  expect(lease.held).toEqual([true, false]);
  lease.answer('b');
  await lease.go(300);
  expect(lease.held).toEqual([true, false, true]);
});

test('a leader that has just supported another has no lease yet', async () => {
  const lease = buildLease(['a', 'b', 'c'], 700);
  lease.answer('b');
  await lease.go(650);
  expect(lease.held).toEqual([]);
  await lease.go(350);
  expect(lease.held).toEqual([true]);
});

test('a higher epoch ends the term', async () => {
  const lease = buildLease(['a', 'b', 'c']);
  lease.answer('b');
  await lease.go(300);
  lease.answer('c', { ok: false, epoch: 4 });
  await lease.go(300);
  expect(lease.held).toEqual([true, false]);
  expect(lease.ends).toEqual(['newer epoch']);
});

test('without a majority for fifteen seconds the leader lets go', async () => {
  const lease = buildLease(['a', 'b', 'c']);
  await lease.go(14_900);
  expect(lease.ends).toEqual([]);
  await lease.go(200);
  expect(lease.ends).toEqual(['no majority']);
});

test('after the end of its scope no manager gets a heartbeat any more', async () => {
  const lease = buildLease(['a', 'b', 'c']);
  await lease.go(300);
  lease.scope.abort();
  const before = lease.heartbeatOf.length;
  await lease.go(1_000);
  expect(lease.heartbeatOf).toHaveLength(before);
});

test('what the others have on their disks is remembered', async () => {
  const lease = buildLease(['a', 'b', 'c']);
  lease.answer('b', { kept: 17 });
  await lease.go(300);
  expect([...lease.actor.getSnapshot().context.kept]).toEqual([['b', 17]]);
});
