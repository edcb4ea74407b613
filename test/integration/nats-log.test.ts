import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { NatsLog, logNames, streamConfig } from '../../bus/nats/log.ts';
import type { LogRecord } from '../../bus/ports.ts';
import { commit, logContract } from '../contract/log.ts';
import { until } from '../support/engine.ts';
import { TestBus } from '../support/nats.ts';
import { soon } from '../support/patience.ts';

const pause = (ms: number): Promise<void> => sleep(ms);

logContract('JetStream', async () => {
  const bus = await TestBus.start();
  return {
    open: () => bus.log(),
    settle: (promise) => promise,
    pause,
    interrupt: async () => {
      const log = await bus.log();
      const goesOn = async (): Promise<void> => {
        const { last } = await log.bounds();
        await until(async () => (await log.bounds()).last > last + 10, 5_000, 'more records');
      };
      await goesOn();
      await bus.kill();
      await bus.restart();
      await goesOn();
    },
    close: () => bus.stop(),
  };
});

describe('JetStream', () => {
  let bus: TestBus;
  beforeAll(async () => {
    bus = await TestBus.start();
  });
  afterAll(() => bus.stop());

  test('kill -9 in the middle of appends, 20 times: nothing acknowledged is lost, the order stays', async () => {
    const log = await bus.log();
    const tailed: LogRecord[] = [];
    const stopTail = log.tail((record) => tailed.push(record));
    const acknowledged: string[] = [];
    let unknown = 0;
    let done = false;
    const writing = (async () => {
      for (let i = 0; !done; i++) {
        const text = `record ${i} ${'x'.repeat(i % 2_000)}`;
        const outcome = await log.append(i, Buffer.from(text));
        if (outcome.kind === 'unknown') {
          unknown += 1;
          expect(await commit(log, pause, i, Buffer.from(text))).toBe('mine');
        }
        acknowledged.push(text);
      }
    })();
    for (let round = 0; round < 20; round++) {
      const enough = acknowledged.length + 20 + round * 7;
      await until(() => acknowledged.length >= enough, 30_000, 'records');
      await bus.kill();
      await bus.restart();
    }
    done = true;
    await writing;
    stopTail();
    expect(unknown).toBeGreaterThan(10);
    expect(await log.bounds()).toEqual({ first: 1, last: acknowledged.length });
    const found: string[] = [];
    while (found.length < acknowledged.length)
      for (const { seq, data } of await log.read(found.length + 1, 500)) {
        expect(seq).toBe(found.length + 1);
        found.push(Buffer.from(data).toString());
      }
    expect(found).toEqual(acknowledged);
    for (const { seq, data } of tailed)
      expect(Buffer.from(data).toString()).toBe(acknowledged[seq - 1]);
  });

  test('the stream is made once, with the settings of the design', async () => {
    const log = await bus.log();
    expect(await log.createIfMissing()).toBe(false);
    const link = await bus.link('log');
    const answer = await link.request('$JS.API.STREAM.INFO.log', new Uint8Array(), 2_000);
    const { config } = answer.json<{ config: Record<string, unknown> }>();
    for (const [name, value] of Object.entries(streamConfig(1)))
      expect({ [name]: config[name] }).toEqual({ [name]: value });
  });

  test('a stream with other settings is refused', async () => {
    const other = await TestBus.start();
    try {
      const link = await other.link('log');
      const config = { ...streamConfig(1), deny_delete: false };
      await link.request('$JS.API.STREAM.CREATE.log', Buffer.from(JSON.stringify(config)), 2_000);
      const log = new NatsLog({ link, onError: () => {} });
      await expect(log.createIfMissing()).rejects.toThrow('deny_delete false');
    } finally {
      await other.stop();
    }
  });

  test('a new generation goes on with the numbers of the old one', async () => {
    const other = await TestBus.start();
    try {
      const log = new NatsLog({ link: await other.link('log'), onError: () => {} });
      expect(await log.createIfMissing(1_001)).toBe(true);
      expect(await log.bounds()).toEqual({ first: 1_001, last: 1_000 });
      expect((await log.append(0, Buffer.from('x'))).kind).toBe('unknown');
      expect(await log.append(1_000, Buffer.from('x'))).toEqual({ kind: 'committed', seq: 1_001 });
      await other.kill();
      await other.restart();
      expect(await log.bounds()).toEqual({ first: 1_001, last: 1_001 });
    } finally {
      await other.stop();
    }
  });

  test('without a server everything says so at once', async () => {
    const other = await TestBus.start();
    try {
      const log = await other.log();
      const appending = log.append(0, new Uint8Array(1_000_000));
      await other.kill();
      expect(['unknown', 'committed']).toContain((await appending).kind);
      const start = performance.now();
      const refused = async () => (await log.append(0, Buffer.from('x'))).kind === 'unknown';
      await until(refused, 3_000, 'an append to fail');
      await expect(log.read(1, 1)).rejects.toMatchObject({ code: 'disconnected' });
      await expect(log.bounds()).rejects.toMatchObject({ code: 'disconnected' });
      expect(performance.now() - start).toBeLessThan(soon(1_000));
    } finally {
      await other.stop();
    }
  });

  test('a hole in the stream is noticed', async () => {
    const other = await TestBus.start();
    try {
      const link = await other.link('log');
      const config = { ...streamConfig(1), deny_delete: false };
      await link.request('$JS.API.STREAM.CREATE.log', Buffer.from(JSON.stringify(config)), 2_000);
      const log = new NatsLog({ link, onError: () => {} });
      for (let i = 0; i < 5; i++) await log.append(i, Buffer.from(`${i}`));
      const hole = Buffer.from(JSON.stringify({ seq: 3 }));
      await link.request(`$JS.API.STREAM.MSG.DELETE.${logNames.stream}`, hole, 2_000);
      await expect(log.bounds()).rejects.toThrow('damaged: 4 records between 1 and 5');
      expect((await log.read(1, 10)).map(({ seq }) => seq)).toEqual([1, 2]);
    } finally {
      await other.stop();
    }
  });
});
