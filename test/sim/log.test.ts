import { describe, expect, test } from '@jest/globals';
import { VirtualClock } from '../../supervisors/virtual-clock.ts';
import { commit, logContract } from '../contract/log.ts';
import { pauseOn, settleOn } from '../support/virtual-time.ts';
import { type LogFaults, noFaults, SimLog } from './world/log.ts';
import { Random } from './world/random.ts';

const randomOf = (seed: number): (() => number) => {
  const random = new Random(seed);
  return () => random.next();
};

logContract('simulated', async () => {
  const clock = new VirtualClock();
  const log = new SimLog(clock, randomOf(1));
  const clients = [log.client()];
  const wait = (ms: number): Promise<void> => pauseOn(clock, ms);
  return {
    open: async () => {
      const client = log.client();
      clients.push(client);
      return client;
    },
    settle: (promise) => settleOn(clock, promise),
    pause: wait,
    interrupt: async () => {
      log.faults = { ...noFaults, delayMs: [1, 30] };
      await wait(200);
      for (const client of clients) client.setReachable(false);
      clock.setTimeout(() => clients.forEach((client) => client.setReachable(true)), 500);
      await wait(400);
      log.faults = noFaults;
      await wait(2_000);
    },
    close: async () => {},
  };
});

describe('faults', () => {
  const faulty: LogFaults = {
    delayMs: [0, 1_200],
    lostRequests: 0.1,
    lostAnswers: 0.1,
    falseRefusals: 0.1,
    lostTails: 0.3,
  };

  test.each([1, 2, 3, 4, 5])(
    'no acknowledged record is lost or doubled (seed %i)',
    async (seed) => {
      const clock = new VirtualClock();
      const log = new SimLog(clock, randomOf(seed), faulty);
      const pause = (ms: number): Promise<void> =>
        new Promise((resolve) => {
          clock.setTimeout(resolve, ms);
        });
      const acknowledged = new Map<number, string>();
      const writers = ['a', 'b', 'c'].map(async (name) => {
        const client = log.client();
        let last = 0;
        for (let i = 0; i < 40; i++) {
          const text = `${name}${i}`;
          while ((await commit(client, pause, last, Buffer.from(text))) === 'other') last += 1;
          last += 1;
          acknowledged.set(last, text);
        }
      });
      await settleOn(clock, Promise.all(writers));
      const found = log.slice(1, 1_000).map(({ data }) => Buffer.from(data).toString());
      expect(found).toHaveLength(120);
      expect(found).toEqual(found.map((_, index) => acknowledged.get(index + 1)));
    },
  );

  test('each fault does what it says', async () => {
    const clock = new VirtualClock();
    const log = new SimLog(clock, randomOf(1));
    const client = log.client();
    const heard: number[] = [];
    client.tail(({ seq }) => heard.push(seq));
    const append = async (faults: Partial<LogFaults>) => {
      log.faults = { ...noFaults, ...faults };
      return (await settleOn(clock, client.append(log.last, Uint8Array.of(1)))).kind;
    };
    expect(await append({ lostRequests: 1 })).toBe('unknown');
    expect(log.last).toBe(0);
    expect(await append({ lostAnswers: 1 })).toBe('unknown');
    expect(log.last).toBe(1);
    expect(await append({ falseRefusals: 1 })).toBe('unknown');
    expect(log.last).toBe(2);
    expect(await append({ delayMs: [5_000, 5_000] })).toBe('unknown');
    expect(log.last).toBe(2);
    clock.advance(5_000);
    expect(log.last).toBe(3);
    expect(await append({ lostTails: 1 })).toBe('committed');
    clock.advance(10_000);
    expect(heard).toEqual([1, 2, 3]);
    client.setReachable(false);
    expect(await append({})).toBe('unknown');
    await expect(client.read(1, 1)).rejects.toThrow('no connection');
    client.setReachable(true);
    expect(await append({})).toBe('committed');
  });
});
