import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Bus, BusMessage } from '../../bus/ports.ts';
import { limits } from '../../domain/limits.ts';

/** One bus for a whole suite, and the means to trouble it. */
export interface BusHarness {
  /** A connection that may do everything under `natswarm.`. */
  connect(name: string): Promise<Bus>;
  /** Waits for a promise; simulated time passes meanwhile. */
  settle<T>(promise: Promise<T>): Promise<T>;
  /** Cuts every connection. */
  cut(): Promise<void>;
  /** Connections come back; resolves when all are. */
  heal(): Promise<void>;
  close(): Promise<void>;
}

export function busContract(name: string, create: () => Promise<BusHarness>): void {
  describe(`bus: ${name}`, () => {
    let harness: BusHarness;
    let one: Bus;
    let two: Bus;
    beforeAll(async () => {
      harness = await create();
      one = await harness.connect('one');
      two = await harness.connect('two');
    });
    afterAll(() => harness.close());

    const settle = <T>(promise: Promise<T>): Promise<T> => harness.settle(promise);

    /** What was sent before has arrived, at every subscriber, when this resolves. */
    const arrived = async (): Promise<void> => {
      const stop = [one, two].map((bus, i) =>
        bus.subscribe(`natswarm.test.arrived${i}`, (message) => message.reply?.(null)),
      );
      for (const from of [one, two, one, two])
        for (const i of [0, 1])
          for (let tries = 0; tries < 50; tries++) {
            const answer = from.request(`natswarm.test.arrived${i}`, null, 1_000);
            // A subscription takes a moment to become known.
            if ((await settle(answer.catch(() => 'again'))) !== 'again') break;
          }
      for (const unsubscribe of stop) unsubscribe();
    };

    test('messages reach every subscriber of the subject, and wildcards, in order', async () => {
      const heard: string[] = [];
      const hear = (as: string) => (message: BusMessage) =>
        heard.push(`${as} ${message.subject.slice(14)} ${JSON.stringify(message.body)}`);
      const stop = [
        two.subscribe('natswarm.test.a.b', hear('exact')),
        two.subscribe('natswarm.test.*.b', hear('star')),
        two.subscribe('natswarm.test.a.>', hear('tail')),
        two.subscribe('natswarm.test.a', hear('other')),
      ];
      await arrived();
      one.publish('natswarm.test.a.b', { n: 1, list: [1, 'two', null] });
      one.publish('natswarm.test.a.c', 2);
      await arrived();
      expect(heard.filter((line) => line.startsWith('exact'))).toEqual([
        'exact a.b {"n":1,"list":[1,"two",null]}',
      ]);
      expect(heard.filter((line) => line.startsWith('star'))).toHaveLength(1);
      expect(heard.filter((line) => line.startsWith('tail'))).toEqual([
        'tail a.b {"n":1,"list":[1,"two",null]}',
        'tail a.c 2',
      ]);
      expect(heard.filter((line) => line.startsWith('other'))).toEqual([]);
      for (const unsubscribe of stop) unsubscribe();
      one.publish('natswarm.test.a.b', 3);
      await arrived();
      expect(heard).toHaveLength(4);
    });

    test('a plain message has no way to answer, a request has', async () => {
      const replies: boolean[] = [];
      const stop = two.subscribe('natswarm.test.kind', (message) => {
        replies.push(message.reply !== undefined);
        message.reply?.({ got: message.body });
      });
      await arrived();
      one.publish('natswarm.test.kind', 1);
      const answer = await settle(one.request('natswarm.test.kind', { a: 1 }, 1_000));
      expect(answer).toEqual({ got: { a: 1 } });
      expect(replies).toEqual([false, true]);
      stop();
    });

    test('many requests at once each get their own answer', async () => {
      const stop = two.subscribe('natswarm.test.echo', ({ body, reply }) => reply?.(body));
      await arrived();
      const numbers = Array.from({ length: 200 }, (_, i) => i);
      const answers = await settle(
        Promise.all(numbers.map((n) => one.request('natswarm.test.echo', n, 2_000))),
      );
      expect(answers).toEqual(numbers);
      stop();
    });

    test('a flush ends when what was sent before has been handled', async () => {
      await arrived();
      const heard: unknown[] = [];
      const stop = two.subscribe('natswarm.test.flush', ({ body }) => heard.push(body));
      await arrived();
      for (let i = 0; i < 20; i++) two.publish('natswarm.test.flush', i);
      await settle(two.flush());
      expect(heard).toHaveLength(20);
      stop();
    });

    test('what is not admitted is not heard', async () => {
      const heard: unknown[] = [];
      const asked: string[] = [];
      const admits = (subject: string, bytes: number): boolean => {
        expect(bytes).toBeGreaterThan(100);
        return asked.push(subject) > 1;
      };
      const hear = ({ body }: BusMessage) => heard.push(body);
      const stop = two.subscribe('natswarm.test.admit.*', hear, { admits });
      await arrived();
      one.publish('natswarm.test.admit.a', 'a'.repeat(100));
      one.publish('natswarm.test.admit.b', 'b'.repeat(100));
      await arrived();
      expect(asked).toEqual(['natswarm.test.admit.a', 'natswarm.test.admit.b']);
      expect(heard).toEqual(['b'.repeat(100)]);
      stop();
    });

    test('a queue group gets each message once', async () => {
      const heard: number[] = [];
      const hear = ({ body }: BusMessage): number => heard.push(Number(body));
      const stop = [one, two].map((bus) =>
        bus.subscribe('natswarm.test.queue', hear, { queue: 'group' }),
      );
      await arrived();
      for (let i = 0; i < 20; i++) one.publish('natswarm.test.queue', i);
      await arrived();
      expect(heard.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
      for (const unsubscribe of stop) unsubscribe();
    });

    test('a request that nobody serves, or that is not answered, says so', async () => {
      await expect(settle(one.request('natswarm.test.nobody', 1, 1_000))).rejects.toMatchObject({
        name: 'BusError',
        code: 'no-responder',
      });
      const stop = two.subscribe('natswarm.test.silent', () => {});
      await arrived();
      await expect(settle(one.request('natswarm.test.silent', 1, 100))).rejects.toMatchObject({
        name: 'BusError',
        code: 'timeout',
      });
      stop();
    });

    test('a message goes up to the limit; a larger one is refused where it is sent', async () => {
      const lengths: number[] = [];
      const stop = two.subscribe('natswarm.test.large', ({ body, reply }) => {
        lengths.push((body as string).length);
        reply?.(body);
      });
      await arrived();
      const most = 'x'.repeat(limits.serverPayloadBytesMax - 5);
      const refusal = { name: 'BusError', code: 'too-large' };
      expect(await settle(one.request('natswarm.test.large', most, 5_000))).toBe(most);
      one.publish('natswarm.test.large', most);
      for (const body of [`${most}x`, most.repeat(3)]) {
        const asked = settle(one.request('natswarm.test.large', body, 5_000));
        await expect(asked).rejects.toMatchObject(refusal);
        expect(() => one.publish('natswarm.test.large', body)).toThrow(
          expect.objectContaining(refusal),
        );
      }
      await arrived();
      expect(lengths).toEqual([most.length, most.length]);
      stop();
    });

    test('an answer that is too large becomes a refusal that says so', async () => {
      const stop = two.subscribe('natswarm.test.vast', ({ reply }) =>
        reply?.('x'.repeat(limits.serverPayloadBytesMax)),
      );
      await arrived();
      expect(await settle(one.request('natswarm.test.vast', 1, 5_000))).toMatchObject({
        ok: false,
        error: { code: 'ResourceExhausted', message: expect.stringContaining('bytes; at most') },
      });
      stop();
    });

    test('subscriptions outlive a lost connection; what is sent meanwhile is dropped', async () => {
      const heard: unknown[] = [];
      const events: boolean[] = [];
      const stop = [
        two.subscribe('natswarm.test.outlive', ({ body }) => heard.push(body)),
        two.subscribe('natswarm.test.silent', () => {}),
        one.onConnection((connected) => events.push(connected)),
      ];
      await arrived();
      const waiting = one.request('natswarm.test.silent', 1, 60_000).catch((error) => error);
      await settle(harness.cut());
      expect(await settle(waiting)).toMatchObject({ name: 'BusError', code: 'disconnected' });
      expect([one.isConnected(), two.isConnected()]).toEqual([false, false]);
      one.publish('natswarm.test.outlive', 'lost');
      await expect(settle(one.request('natswarm.test.silent', 1, 1_000))).rejects.toMatchObject({
        code: 'disconnected',
      });
      await settle(harness.heal());
      expect([one.isConnected(), two.isConnected()]).toEqual([true, true]);
      expect(events).toEqual([false, true]);
      await arrived();
      one.publish('natswarm.test.outlive', 'heard');
      await arrived();
      expect(heard).toEqual(['heard']);
      for (const unsubscribe of stop) unsubscribe();
    });
  });
}
