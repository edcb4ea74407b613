import { describe, expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import {
  hearHeartbeat,
  isSilent,
  lookForHeartbeats,
  nodeMachine,
} from '../../../actors/manager/node.machine.ts';
import type { Assign, HelloReply } from '../../../bus/protocol.ts';
import { heartbeatPeriodOf } from '../../../domain/assign/heartbeat.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';

/** What makes an agent say hello again: it fits into no session. */
const prompt = { session: '', seq: 0, full: false };

const sayDown = (downs: string[]): Promise<void> => Promise.resolve(void downs.push('silent'));

/** @param silent how the loss is committed */
function buildNode(
  silent: (downs: string[], scope: AbortSignal) => Promise<void> = sayDown,
  partBytes = 100,
  caughtUp = Promise.resolve(),
) {
  const clock = new VirtualClock();
  const sent: Assign[] = [];
  const downs: string[] = [];
  const replies: HelloReply[] = [];
  const news: string[] = [];
  let isFirst = true;
  /** The full set, then a part for each task of which there is news. */
  const parts = {
    add: (ids: Iterable<string>) => void news.push(...ids),
    next: () => {
      const id = news.shift();
      if (!isFirst && id === undefined) return undefined;
      const full = isFirst;
      isFirst = false;
      const remove = id === undefined ? [] : [id];
      return {
        part: { full, more: false, templates: [], put: [], ended: [], remove },
        bytes: partBytes,
      };
    },
  };
  const heard: string[] = [];
  const at = { heartbeat: heartbeatPeriodOf(5e9, 3), renewals: 1 };
  const actor = createActor(nodeMachine, {
    clock,
    input: {
      nodeId: 'n1',
      epoch: { generation: 1, epoch: 1 },
      clock,
      heartbeatPeriod: () => at.heartbeat,
      mayRenew: () => at.renewals-- > 0,
      hearsNodes: () => true,
      ready: () => Promise.resolve(),
      engine: (trouble) => void heard.push(trouble?.error ?? 'well'),
      caughtUp: () => caughtUp,
      silent: (scope) => silent(downs, scope),
      left: () => Promise.resolve(void downs.push('left')),
      parts: () => {
        isFirst = true;
        return parts;
      },
      send: (assign) => void sent.push(assign),
    },
  });
  actor.start();
  const look = (): void => {
    lookForHeartbeats(actor);
    clock.setTimeout(look, at.heartbeat.everyMs / 2);
  };
  look();
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const go = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await settle();
  };
  const hello = async (session: string): Promise<void> => {
    const description = {} as never;
    actor.send({
      type: 'hello',
      hello: { session, description },
      reply: (reply) => void replies.push(reply),
    });
    await settle();
  };
  const heartbeat = (session: string, seq: number): void => hearHeartbeat(actor, { session, seq });
  return { at, actor, sent, downs, replies, heard, go, hello, heartbeat };
}

test('what a heartbeat says of the engine is heard while the session lasts, and of no other session', async () => {
  const n = buildNode();
  const engine = { error: 'the engine is away', graceMs: 1_000 };
  n.actor.send({ type: 'heartbeat', session: 'a', engine });
  await n.hello('a');
  n.actor.send({ type: 'heartbeat', session: 'before', engine });
  expect(n.heard).toEqual([]);
  n.heartbeat('a', 1);
  n.actor.send({ type: 'heartbeat', session: 'a', engine });
  await n.go(2_500);
  n.actor.send({ type: 'heartbeat', session: 'a', engine });
  expect(n.heard).toEqual(['well', engine.error, engine.error]);
});

describe('while the leader has yet to handle what has come', () => {
  test('a node is not taken for lost, and its heartbeat ends the silence', async () => {
    const n = buildNode(sayDown, 100, new Promise(() => undefined));
    await n.hello('a');
    await n.go(60_000);
    expect(n.downs).toEqual([]);
    expect(isSilent(n.actor)).toBe(true);
    n.heartbeat('a', 1);
    expect(n.actor.getSnapshot().value).toBe('active');
  });

  test('nor is one that has yet to say hello', async () => {
    const n = buildNode(sayDown, 100, new Promise(() => undefined));
    await n.go(60_000);
    expect(n.downs).toEqual([]);
    await n.hello('a');
    expect(n.actor.getSnapshot().value).toBe('active');
  });
});

test('a node that was taken for silent and sends heartbeats again is asked for a new session', async () => {
  const n = buildNode();
  await n.hello('a');
  await n.go(1_999);
  expect(isSilent(n.actor)).toBe(false);
  await n.go(1);
  expect(isSilent(n.actor)).toBe(true);
  await n.go(1_000);
  await n.go(499);
  expect(n.downs).toEqual([]);
  await n.go(1);
  expect(n.downs).toEqual(['silent']);
  n.heartbeat('a', 1);
  expect(n.sent.at(-1)).toMatchObject(prompt);
  await n.hello('b');
  expect(n.sent.at(-1)).toMatchObject({ session: 'b', seq: 1, full: true });
  expect(n.actor.getSnapshot().value).toBe('active');
});

test('a node that sends heartbeats and has not heard of this leader is asked for a session', () => {
  const n = buildNode();
  n.heartbeat('of another leader', 7);
  expect(n.sent).toHaveLength(1);
  expect(n.sent[0]).toMatchObject(prompt);
});

test('a node that leaves is down at once, and asked for nothing', async () => {
  const n = buildNode();
  await n.hello('a');
  n.actor.send({ type: 'leave' });
  await n.go(0);
  expect(n.downs).toEqual(['left']);
  await n.go(60_000);
  expect(n.downs).toHaveLength(1);
  expect(n.sent.filter(({ session }) => session === '')).toEqual([]);
  await n.hello('b');
  expect(n.actor.getSnapshot().value).toBe('active');
});

test('that a node leaves is answered when it is written down, not before', async () => {
  const n = buildNode();
  const answered: string[] = [];
  await n.hello('a');
  n.actor.send({ type: 'leave', reply: () => answered.push(n.downs.join()) });
  expect(answered).toEqual([]);
  await n.go(0);
  expect(answered).toEqual(['left']);
});

test('a node that leaves while its hello is committed is down all the same', async () => {
  const n = buildNode();
  const greeted = n.hello('a');
  n.actor.send({ type: 'leave' });
  await greeted;
  await n.go(0);
  expect(n.downs).toEqual(['left']);
  expect(n.actor.getSnapshot().value).toBe('down');
});

test('a node that says hello while its loss is not proposed yet was not lost', async () => {
  let loss: AbortSignal | undefined;
  const n = buildNode((_, scope) => {
    loss = scope;
    return new Promise(() => undefined);
  });
  await n.go(6_000);
  expect(loss?.aborted).toBe(false);
  await n.hello('a');
  expect(loss?.aborted).toBe(true);
  expect(n.replies).toMatchObject([{ ok: true }]);
});

test('an excused node has longer to come back, keeps its session and is not asked for another', async () => {
  const n = buildNode();
  await n.hello('a');
  await n.go(2_500);
  n.actor.send({ type: 'excuse' });
  expect(isSilent(n.actor)).toBe(false);
  await n.go(5_999);
  expect(n.downs).toEqual([]);
  n.heartbeat('a', 1);
  n.actor.send({ type: 'changed', ids: ['t1'] });
  expect(n.actor.getSnapshot().value).toBe('active');
  expect(n.sent.at(-1)).toMatchObject({ session: 'a', seq: 2 });
  expect(n.sent.filter(({ session }) => session === '')).toEqual([]);
});

test.each(['active', 'late', 'suspect'])(
  'a node that is gone is found out, excused again and again from %s on',
  async (state) => {
    const n = buildNode();
    await n.hello('a');
    await n.go({ active: 0, late: 2_000, suspect: 3_000 }[state] ?? 0);
    expect(n.actor.getSnapshot().value).toBe(state);
    for (let ms = 0; ms < 6_000; ms += 500) {
      expect(n.downs).toEqual([]);
      n.actor.send({ type: 'excuse' });
      await n.go(500);
    }
    expect(n.downs).toEqual(['silent']);
  },
);

test('a heartbeat that was sent before the connection was closed does not end the excuse', async () => {
  const n = buildNode();
  await n.hello('a');
  n.actor.send({ type: 'excuse' });
  n.heartbeat('a', 1);
  await n.go(5_999);
  expect(n.downs).toEqual([]);
  await n.go(1);
  expect(n.downs).toEqual(['silent']);
});

test('a node whose connection stayed is heard as before', async () => {
  const n = buildNode();
  await n.hello('a');
  n.actor.send({ type: 'excuse' });
  for (let heartbeats = 0; heartbeats < 3; heartbeats++) {
    await n.go(1_000);
    n.heartbeat('a', 1);
  }
  expect(n.actor.getSnapshot().value).toBe('active');
});

test('a loss that is not proposed yet is taken back by an excuse', async () => {
  const losses: AbortSignal[] = [];
  const n = buildNode((_, scope) => {
    losses.push(scope);
    return new Promise(() => undefined);
  });
  await n.hello('a');
  await n.go(2_000);
  await n.go(1_000);
  await n.go(500);
  expect(losses).toHaveLength(1);
  n.actor.send({ type: 'excuse' });
  expect(losses[0]?.aborted).toBe(true);
  expect(n.actor.getSnapshot().value).toEqual({ excused: 'closing' });
});

test('who has not said hello yet is asked for it after an excuse as before', async () => {
  const n = buildNode(() => new Promise(() => undefined));
  n.actor.send({ type: 'excuse' });
  expect(n.actor.getSnapshot().value).toBe('unseen');
  await n.go(6_000);
  n.actor.send({ type: 'excuse' });
  n.heartbeat('of another leader', 1);
  expect(n.sent.at(-1)).toMatchObject(prompt);
});

test('an assignment that got lost is noticed at the second heartbeat without it', async () => {
  const n = buildNode();
  await n.hello('a');
  n.heartbeat('a', 1);
  n.actor.send({ type: 'changed', ids: ['t1'] });
  n.heartbeat('a', 1);
  expect(n.sent.at(-1)).toMatchObject({ session: 'a', seq: 2, remove: ['t1'] });
  n.heartbeat('a', 1);
  expect(n.sent.at(-1)).toMatchObject(prompt);
});

test('a large one has longer: a heartbeat for each 128 KiB', async () => {
  const n = buildNode(sayDown, 512 * 1_024);
  await n.hello('a');
  for (let heartbeats = 0; heartbeats < 5; heartbeats++) n.heartbeat('a', 0);
  expect(n.sent).toHaveLength(1);
  n.heartbeat('a', 0);
  expect(n.sent.at(-1)).toMatchObject(prompt);
});

test('the next assignment is sent when the node has taken the last, with all that came meanwhile', async () => {
  const n = buildNode();
  await n.hello('a');
  for (let i = 1; i <= 3; i++) n.actor.send({ type: 'changed', ids: [`t${i}`] });
  expect(n.sent).toHaveLength(1);
  n.heartbeat('a', 0);
  for (const seq of [1, 2, 3, 3, 4, 4]) n.heartbeat('a', seq);
  expect(n.sent.map(({ seq, remove }) => [seq, ...remove])).toEqual([
    [1],
    [2, 't1'],
    [3, 't2'],
    [4, 't3'],
  ]);
});

test('what is changed while a node has no session comes with its next full set, not by itself', async () => {
  const n = buildNode();
  n.actor.send({ type: 'changed', ids: ['t1'] });
  expect(n.sent).toEqual([]);
});

describe('heartbeats', () => {
  test('of a session that goes well are no transitions, and count', async () => {
    const n = buildNode();
    await n.hello('a');
    n.heartbeat('a', 1);
    let transitions = 0;
    n.actor.subscribe(() => transitions++);
    for (let second = 0; second < 5; second++) {
      await n.go(1_000);
      for (let i = 0; i < 10; i++) n.heartbeat('a', 1);
    }
    expect(transitions).toBe(0);
    await n.go(1_999);
    expect(isSilent(n.actor)).toBe(false);
    await n.go(501);
    expect(isSilent(n.actor)).toBe(true);
    await n.go(999);
    expect(n.downs).toEqual([]);
    await n.go(1);
    expect(n.downs).toEqual(['silent']);
  });

  test('of a session that are to have another pace end it', async () => {
    const n = buildNode();
    await n.hello('a');
    n.heartbeat('a', 1);
    n.sent.length = 0;
    n.at.heartbeat = heartbeatPeriodOf(10e9, 3);
    n.at.renewals = 0;
    n.heartbeat('a', 1);
    expect(n.sent).toEqual([]);
    n.at.renewals = 1;
    n.heartbeat('a', 1);
    n.heartbeat('a', 1);
    expect(n.sent).toEqual([expect.objectContaining(prompt)]);
    await n.hello('b');
    expect(n.replies.at(-1)).toMatchObject({ ok: true, heartbeatMs: 2_000 });
    n.heartbeat('b', 1);
    expect(n.sent.filter(({ session }) => session === '')).toHaveLength(1);
    await n.go(6_999);
    expect(n.downs).toEqual([]);
    await n.go(1);
    expect(n.downs).toEqual(['silent']);
  });
});
