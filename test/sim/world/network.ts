import { decodeBody } from '../../../bus/codec.ts';
import { encodeAnswer, encodeMessage } from '../../../bus/message.ts';
import {
  type Bus,
  BusError,
  type BusMessage,
  type SubscribeOptions,
  type Unsubscribe,
} from '../../../bus/ports.ts';
import type { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { type Direction, Mishaps, operationOf } from './mishaps.ts';
import type { SimProcess } from './process.ts';
import { Random } from './random.ts';
import { Servers } from './servers.ts';

export interface Link {
  /** One way, ms. */
  readonly latencyMinMs: number;
  readonly latencyMaxMs: number;
}
interface Subscription {
  readonly owner: SimBus;
  readonly subject: string;
  readonly pattern: readonly string[];
  readonly handler: (message: BusMessage) => void;
  readonly options: SubscribeOptions;
}

/**
 * The bus of the simulated cluster. Each connection is a first-in-first-out pipe to a server and one back, with
 * latencies drawn message by message. Bodies go through the real codec. Messages are lost when a connection or the way
 * between two servers is cut while they are on their way, and now and then for no reason (`lossRate`): plain ones, requests
 * and answers alike. A server does not notice that the way to another is cut: what goes there is lost, not refused.
 */
export class SimNetwork {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly link: Link;
  readonly servers: Servers;
  /** Probability that a message is lost. */
  lossRate = 0;
  /** What befalls those of operations besides. */
  readonly mishaps: Mishaps;
  readonly #buses = new Set<SimBus>();
  readonly #subscriptions = new Set<Subscription>();
  /** Those without wildcards by their subject, the others one and all. */
  readonly #exact = new Map<string, Set<Subscription>>();
  readonly #wild = new Set<Subscription>();

  constructor(
    clock: VirtualClock,
    random: Random,
    link: Link,
    servers: Servers = new Servers(['server']),
    mishaps = new Mishaps(new Random(0)),
  ) {
    this.mishaps = mishaps;
    this.clock = clock;
    this.random = random;
    this.link = link;
    this.servers = servers;
    servers.onChange(() => {
      for (const bus of this.#buses) bus.refresh();
    });
  }

  /** A connection that lives with its process, to one of these servers. */
  connect(process: SimProcess, servers: readonly string[] = this.servers.ids): SimBus {
    const bus = new SimBus(this, process, servers);
    this.#buses.add(bus);
    process.onDeath(() => {
      bus.setReachable(false);
      this.#buses.delete(bus);
      for (const subscription of this.#subscriptions)
        if (subscription.owner === bus) this.#remove(subscription);
    });
    return bus;
  }

  add(subscription: Subscription): Unsubscribe {
    this.#subscriptions.add(subscription);
    const { subject } = subscription;
    if (isWild(subject)) this.#wild.add(subscription);
    else {
      const here = this.#exact.get(subject);
      if (here === undefined) this.#exact.set(subject, new Set([subscription]));
      else here.add(subscription);
    }
    return () => this.#remove(subscription);
  }
  #remove(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    this.#wild.delete(subscription);
    this.#exact.get(subscription.subject)?.delete(subscription);
  }

  /** Sends to every subscriber that matches now; answers how many there are. */
  route(from: SimBus, subject: string, data: Uint8Array, reply?: BusMessage['reply']): number {
    const targets = this.#targets(subject);
    const arrivesAt = from.up.next();
    for (const target of targets)
      this.carry(from, target.owner, arrivesAt, () => {
        if (!this.#subscriptions.has(target)) return;
        const { admits, bytesMax } = target.options;
        if (admits?.(subject, data.length) === false || data.length > (bytesMax ?? data.length))
          return;
        const message = { subject, body: decodeBody(data, 'msgpack') };
        const { owner } = target;
        const answer = (answered: unknown): void => {
          if (owner.isConnected() && !owner.isMute && this.#linked(owner, from)) reply?.(answered);
        };
        target.handler(reply === undefined ? message : { ...message, reply: answer });
      });
    return targets.length;
  }

  /** Runs `arrive` at the other end of a connection, unless the message is lost on the way. */
  carry(from: SimBus, to: SimBus, fromMs: number, arrive: () => void): void {
    const connection = to.connection;
    const lost =
      this.random.chance(this.lossRate) || from.isMute || to.isDeaf || !this.#linked(from, to);
    const due = to.down.next(fromMs);
    if (lost) return;
    this.clock.setTimeout(() => {
      if (to.isConnected() && to.connection === connection && this.#linked(from, to))
        to.process.take(arrive);
    }, due - this.clock.now());
  }

  /** The sender may have lost its connection since. */
  #linked(from: SimBus, to: SimBus): boolean {
    return from.server === to.server || this.servers.linked(from.server, to.server);
  }

  #targets(subject: string): readonly Subscription[] {
    const queues = new Set<string>();
    const tokens = subject.split('.');
    const found = [
      ...(this.#exact.get(subject) ?? []),
      ...[...this.#wild].filter(({ pattern }) => matches(pattern, tokens)),
    ];
    return found.filter(({ owner, options: { queue } }) => {
      if (!owner.isConnected()) return false;
      if (queue === undefined) return true;
      const first = !queues.has(queue);
      queues.add(queue);
      return first;
    });
  }
}

const isWild = (subject: string): boolean => subject.includes('*') || subject.includes('>');

/** One direction of a connection: when the next message arrives. */
class Pipe {
  readonly #network: SimNetwork;
  #last = 0;

  constructor(network: SimNetwork) {
    this.#network = network;
  }

  next(fromMs = this.#network.clock.now()): number {
    const { random, link } = this.#network;
    const due = fromMs + random.between(link.latencyMinMs, link.latencyMaxMs);
    this.#last = Math.max(this.#last, due);
    return this.#last;
  }
}

export class SimBus implements Bus {
  readonly up: Pipe;
  readonly down: Pipe;
  readonly #network: SimNetwork;
  readonly process: SimProcess;
  readonly #servers: readonly string[];
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #waiting = new Set<(error: BusError) => void>();
  #reachable = true;
  #connected = false;
  #reconnecting = false;
  /** The server that it is connected to, or was last. */
  server = '';
  /** Half-open: what it sends, or what is sent to it, is lost, and nobody is told. */
  isMute = false;
  isDeaf = false;
  /** Messages come and go, as far as this end can help it. */
  get isOpen(): boolean {
    return this.isConnected() && !this.isMute && !this.isDeaf;
  }
  /** Counts connections: what was sent on an earlier one does not arrive on a later one. */
  connection = 0;

  constructor(network: SimNetwork, process: SimProcess, servers: readonly string[]) {
    this.#network = network;
    this.process = process;
    this.#servers = servers;
    this.up = new Pipe(network);
    this.down = new Pipe(network);
    const running = this.#running();
    this.#connected = running.length > 0;
    if (this.#connected) this.server = network.random.pick(running);
  }

  publish(subject: string, body: unknown): void {
    const data = encodeMessage(subject, body, 'msgpack');
    if (this.#connected) this.#network.route(this, subject, data);
  }

  request(subject: string, body: unknown, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const data = encodeMessage(subject, body, 'msgpack');
      if (!this.#connected) return reject(new BusError('disconnected', 'not connected'));
      const { clock } = this.process;
      const end = (): void => {
        clock.clearTimeout(timer);
        this.#waiting.delete(fail);
      };
      const fail = (error: BusError): void => {
        end();
        reject(error);
      };
      const timer = clock.setTimeout(() => fail(new BusError('timeout', subject)), timeoutMs);
      this.#waiting.add(fail);
      const answered = (arrive: () => void): void =>
        this.#network.carry(this, this, this.#network.clock.now(), () => {
          if (this.#waiting.has(fail)) arrive();
        });
      const { mishaps } = this.#network;
      const operation = mishaps.rate === 0 ? undefined : operationOf(subject, body);
      const pass = (direction: Direction, go: () => void): void => {
        const fate = mishaps.draw(operation, direction);
        if (fate === 'late') this.#network.clock.setTimeout(go, mishaps.lateMs(timeoutMs));
        else if (fate === undefined) go();
      };
      const reply = (answer: unknown): void => {
        const back = encodeAnswer(subject, answer, 'msgpack', () => undefined);
        pass('answer', () =>
          answered(() => {
            end();
            resolve(decodeBody(back, 'msgpack'));
          }),
        );
      };
      pass('request', () => {
        if (this.#connected && this.#network.route(this, subject, data, reply) === 0)
          answered(() => fail(new BusError('no-responder', subject)));
      });
    });
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: SubscribeOptions = {},
  ): Unsubscribe {
    const pattern = subject.split('.');
    return this.#network.add({ owner: this, subject, pattern, handler, options });
  }

  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#connected) return reject(new BusError('disconnected', 'not connected'));
      this.#waiting.add(reject);
      this.#network.carry(this, this, this.up.next(), () => {
        this.#waiting.delete(reject);
        resolve();
      });
    });
  }

  isConnected(): boolean {
    return this.#connected;
  }

  onConnection(listener: (connected: boolean) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Cuts this connection, or lets it be made again. */
  setReachable(reachable: boolean): void {
    this.#reachable = reachable;
    this.refresh();
  }

  /** Loses its connection, and of all servers it comes to this one. */
  moveTo(server: string): void {
    if (!this.#reachable || !this.#running().includes(server)) return;
    if (this.#connected) this.#set(false);
    this.server = server;
    this.#set(true);
  }

  /** The server closes the connection, and lets it in again after so long. */
  bounce(backMs: number): void {
    if (!this.#connected) return;
    this.#set(false);
    this.#network.clock.setTimeout(() => this.refresh(), backMs);
  }

  refresh(): void {
    const { servers } = this.#network;
    if (this.#connected && !(this.#reachable && servers.isUp(this.server))) this.#set(false);
    if (!this.#connected && this.#reachable && this.#running().length > 0) this.#reconnect();
  }

  #running(): readonly string[] {
    return this.#servers.filter((id) => this.#network.servers.isUp(id));
  }

  /** To its only server at once; another one takes a moment to be found. */
  #reconnect(): void {
    const { clock, random } = this.#network;
    const connect = (): void => {
      this.#reconnecting = false;
      const running = this.#running();
      if (this.#connected || !this.#reachable || running.length === 0) return;
      this.server = random.pick(running);
      this.#set(true);
    };
    if (this.#servers.length === 1) return connect();
    if (this.#reconnecting) return;
    this.#reconnecting = true;
    clock.setTimeout(connect, random.between(20, 500));
  }

  #set(connected: boolean): void {
    this.#connected = connected;
    this.connection++;
    this.process.take(() => {
      if (!connected)
        for (const fail of this.#waiting) fail(new BusError('disconnected', 'connection lost'));
      for (const listener of this.#listeners) listener(connected);
    });
  }
}

function matches(pattern: readonly string[], subject: readonly string[]): boolean {
  for (const [i, token] of pattern.entries()) {
    if (token === '>') return subject.length > i;
    if (subject[i] === undefined || (token !== '*' && token !== subject[i])) return false;
  }
  return pattern.length === subject.length;
}
