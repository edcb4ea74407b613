import { decodeBody } from '../../bus/codec.ts';
import { encodeAnswer, encodeMessage } from '../../bus/message.ts';
import {
  type Bus,
  BusError,
  type BusMessage,
  type SubscribeOptions,
  type Unsubscribe,
} from '../../bus/ports.ts';
import type { Clock } from '../../supervisors/clock.ts';

interface Subscription {
  readonly owner: MemoryBus;
  readonly pattern: readonly string[];
  readonly handler: (message: BusMessage) => void;
  readonly queue: string | undefined;
  readonly admits: SubscribeOptions['admits'];
}
export interface Sent {
  readonly subject: string;
  readonly body: unknown;
}

/**
 * A bus in memory for tests: any number of connections, delivery in order after `latencyMs` of the given clock, bodies
 * copied as by a wire. Connections can be cut; what is under way to or from a cut one is lost.
 */
export class MemoryHub {
  readonly clock: Clock;
  readonly #latencyMs: number;
  readonly #subscriptions = new Set<Subscription>();
  /** Everything published or requested while connected, oldest first. */
  readonly sent: Sent[] = [];

  constructor(clock: Clock, latencyMs = 1) {
    this.clock = clock;
    this.#latencyMs = latencyMs;
  }

  connect(connected = true): MemoryBus {
    return new MemoryBus(this, connected);
  }

  bodies(subject: string): readonly unknown[] {
    return this.sent.filter((s) => s.subject === subject).map((s) => s.body);
  }

  /** Sends to all subscribers that match; answers how many there are now. */
  deliver(from: MemoryBus, message: BusMessage): number {
    const body: unknown = structuredClone(message.body);
    this.sent.push({ subject: message.subject, body });
    const bytes = encodeMessage(message.subject, body, 'msgpack').length;
    const targets = this.#targets(message.subject.split('.'));
    const epochs = targets.map((t) => t.owner.connections);
    this.later(() => {
      targets.forEach((target, i) => {
        if (!this.#subscriptions.has(target) || target.owner.connections !== epochs[i]) return;
        if (!target.owner.isConnected()) return;
        if (!from.isConnected() && message.reply !== undefined) return;
        if (target.admits?.(message.subject, bytes) !== false) target.handler({ ...message, body });
      });
    });
    return targets.length;
  }

  later(run: () => void): void {
    this.clock.setTimeout(run, this.#latencyMs);
  }

  add(subscription: Subscription): Unsubscribe {
    this.#subscriptions.add(subscription);
    return () => this.#subscriptions.delete(subscription);
  }

  #targets(subject: readonly string[]): readonly Subscription[] {
    const queues = new Set<string>();
    return [...this.#subscriptions].filter((s) => {
      if (!s.owner.isConnected() || !matches(s.pattern, subject)) return false;
      if (s.queue === undefined) return true;
      const first = !queues.has(s.queue);
      queues.add(s.queue);
      return first;
    });
  }
}

export class MemoryBus implements Bus {
  readonly #hub: MemoryHub;
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #waiting = new Set<(error: BusError) => void>();
  #connected: boolean;
  /** Counts connections, so that what an earlier one was sent does not reach a later one. */
  connections = 0;

  constructor(hub: MemoryHub, connected: boolean) {
    this.#hub = hub;
    this.#connected = connected;
  }

  publish(subject: string, body: unknown): void {
    encodeMessage(subject, body, 'msgpack');
    if (this.#connected) this.#hub.deliver(this, { subject, body });
  }

  request(subject: string, body: unknown, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      encodeMessage(subject, body, 'msgpack');
      if (!this.#connected) return reject(new BusError('disconnected', 'not connected'));
      const { clock } = this.#hub;
      const fail = (error: BusError): void => {
        clock.clearTimeout(timer);
        this.#waiting.delete(fail);
        reject(error);
      };
      const timer = clock.setTimeout(() => fail(new BusError('timeout', subject)), timeoutMs);
      this.#waiting.add(fail);
      const reply = (answer: unknown): void => {
        const copy = decodeBody(
          encodeAnswer(subject, answer, 'msgpack', () => undefined),
          'msgpack',
        );
        this.#hub.later(() => {
          if (!this.#waiting.delete(fail)) return;
          clock.clearTimeout(timer);
          resolve(copy);
        });
      };
      if (this.#hub.deliver(this, { subject, body, reply }) === 0)
        this.#hub.later(() => fail(new BusError('no-responder', subject)));
    });
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    { queue, admits }: SubscribeOptions = {},
  ): Unsubscribe {
    return this.#hub.add({ owner: this, pattern: subject.split('.'), handler, queue, admits });
  }

  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#hub.later(() =>
        this.#connected ? resolve() : reject(new BusError('disconnected', 'not connected')),
      );
    });
  }

  isConnected(): boolean {
    return this.#connected;
  }

  onConnection(listener: (connected: boolean) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Cuts the connection or makes it again. */
  setConnected(connected: boolean): void {
    if (connected === this.#connected) return;
    this.#connected = connected;
    this.connections++;
    if (!connected)
      for (const fail of this.#waiting) fail(new BusError('disconnected', 'connection lost'));
    for (const listener of this.#listeners) listener(connected);
  }
}

function matches(pattern: readonly string[], subject: readonly string[]): boolean {
  for (const [i, token] of pattern.entries()) {
    if (token === '>') return subject.length > i;
    if (subject[i] === undefined || (token !== '*' && token !== subject[i])) return false;
  }
  return pattern.length === subject.length;
}
