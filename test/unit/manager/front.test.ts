import { describe, expect, test } from '@jest/globals';
import { Heartbeats } from '../../../actors/manager/heartbeats.ts';
import { Front } from '../../../actors/manager/front.ts';
import { Inbox } from '../../../actors/manager/inbox.ts';
import { limits } from '../../../domain/limits.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the front for what agents say', () => {
  function build() {
    const clock = new VirtualClock();
    const floods: string[] = [];
    const front = new Front({
      clock,
      isKnown: (nodeId) => nodeId.startsWith('n'),
      onFlood: (nodeId) => void floods.push(nodeId),
    });
    const heartbeat = front.intake('beat').admits!;
    const send = (nodeId: string, count: number): number => {
      let read = 0;
      for (let i = 0; i < count; i++)
        if (heartbeat(`natswarm.v1.agent.${nodeId}.beat`, 100)) read += 1;
      return read;
    };
    return { clock, floods, front, send };
  }

  test('a node that floods is told of, once in a while, and costs no other node anything', () => {
    const { clock, floods, send } = build();
    expect(send('n1', 100_000)).toBe(limits.nodeMessagesBurst);
    expect(floods).toEqual(['n1']);
    expect(send('n2', 1_000)).toBe(1_000);
    clock.advance(5_000);
    send('n1', 100_000);
    expect(floods).toEqual(['n1', 'n1']);
  });

  test('kinds share the budget of their node, and a hello costs more', () => {
    const { front, send } = build();
    const hello = front.intake('hello').admits!;
    const hellos = limits.nodeMessagesBurst / limits.nodeHelloMessages;
    for (let i = 0; i < hellos; i++) expect(hello('natswarm.v1.agent.n1.hello', 100)).toBe(true);
    expect(hello('natswarm.v1.agent.n1.hello', 100)).toBe(false);
    expect(send('n1', 1)).toBe(0);
  });

  test('who is not of the cluster shares one budget with all such, and nobody is told', () => {
    const { floods, send } = build();
    expect(send('x1', limits.nodeMessagesBurst)).toBe(limits.nodeMessagesBurst);
    expect(send('x2', 100_000)).toBe(0);
    expect(floods).toEqual([]);
  });
});

describe('heartbeats', () => {
  test('of a node that come while one waits are one; a single one does not wait', () => {
    const clock = new VirtualClock();
    const heard: string[] = [];
    const heartbeats = new Heartbeats(
      clock,
      (nodeId, { seq }) => void heard.push(`${nodeId} ${seq}`),
    );
    for (let seq = 1; seq <= 1_000; seq++) heartbeats.hear('n1', { session: 's', seq });
    heartbeats.hear('n2', { session: 's', seq: 1 });
    expect(heard).toEqual(['n1 1', 'n2 1']);
    clock.advance(limits.heartbeatEveryMsMin);
    expect(heard.slice(2)).toEqual(['n1 1000']);
    clock.advance(limits.heartbeatEveryMsMin);
    heartbeats.hear('n1', { session: 's', seq: 1_001 });
    expect(heard.slice(3)).toEqual(['n1 1001']);
    heartbeats.hear('n1', { session: 's', seq: 1_002 });
    heartbeats.forget('n1');
    clock.advance(1_000);
    expect(heard).toHaveLength(4);
  });
});

describe('the inbox', () => {
  function build() {
    const clock = new VirtualClock();
    const told: string[] = [];
    const asked: { resolve: () => void; reject: (error: Error) => void }[] = [];
    const inbox = new Inbox({
      clock,
      bus: {
        flush: () => new Promise<void>((resolve, reject) => void asked.push({ resolve, reject })),
      },
      log: (event) => void told.push(event),
    });
    let caughtUp = 0;
    const wait = (scope = new AbortController().signal): void =>
      void inbox.caughtUp(scope).then(() => (caughtUp += 1));
    const go = async (ms: number): Promise<void> => {
      clock.advance(ms);
      // the answers of a race, and what follows from them
      await turn();
    };
    return { inbox, asked, told, wait, go, caughtUp: () => caughtUp };
  }

  test('who comes while a question is on its way waits for the next one, with all others', async () => {
    const { asked, told, wait, go, caughtUp } = build();
    for (let i = 0; i < 3; i++) wait();
    expect(asked).toHaveLength(1);
    await go(10);
    asked[0]?.resolve();
    await go(0);
    expect(caughtUp()).toBe(1);
    asked[1]?.resolve();
    await go(0);
    expect(caughtUp()).toBe(3);
    await go(60_000);
    expect(asked).toHaveLength(2);
    expect(told).toEqual([]);
  });

  test('an answer that comes late proves nothing; the log tells of it once in a while', async () => {
    const { asked, told, wait, go, caughtUp } = build();
    wait();
    for (let i = 0; i < 10; i++) {
      await go(600);
      asked[i]?.resolve();
      await go(0);
    }
    expect(caughtUp()).toBe(0);
    expect(told).toEqual(['leader_behind']);
    asked.at(-1)?.resolve();
    await go(0);
    expect(caughtUp()).toBe(1);
  });

  test('off the bus it waits for the next connection', async () => {
    const { asked, wait, go, caughtUp } = build();
    wait();
    asked[0]?.reject(new Error('disconnected'));
    await go(499);
    expect(asked).toHaveLength(1);
    await go(1);
    asked[1]?.resolve();
    await go(0);
    expect(caughtUp()).toBe(1);
  });

  test('nobody waits any more, nothing is asked any more', async () => {
    const { inbox, asked, wait, go } = build();
    const end = new AbortController();
    wait(end.signal);
    end.abort();
    await go(60_000);
    expect(asked).toHaveLength(1);
    wait();
    inbox.stop();
    await go(60_000);
    expect(asked.length).toBeLessThanOrEqual(2);
  });
});
