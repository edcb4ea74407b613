import type { StateLog } from '../../../bus/ports.ts';
import { clusterSpecForInit } from '../../../domain/spec/cluster.ts';
import type { Change } from '../../../domain/store/changes.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { epochMs, simulatedCluster } from '../world/cluster.ts';
import { runUntil } from '../world/drive.ts';
import { noFaults, SimLog, type SimLogClient } from '../world/log.ts';
import { Mishaps } from '../world/mishaps.ts';
import { SimNetwork } from '../world/network.ts';
import { Violation } from '../check/violation.ts';
import { Random } from '../world/random.ts';
import { Servers } from '../world/servers.ts';
import { HandoverHost } from './host.ts';
import { pinOf, toldOf } from './log-place.ts';

export interface HandoverOptions {
  readonly seed: number;
  readonly hosts: number;
  /** Step before which (even) or behind which (odd) its machine loses its power; none when absent. */
  readonly powerOffAt?: number;
  /** Mean time between power cuts of machines at random, virtual ms; none when absent. */
  readonly powerOffEveryMs?: number;
  /** Share of the messages of seats, starts and the log's servers that are lost or late; none when absent. */
  readonly mishapRate?: number;
  /** A planted bug: a generation's journal is not synced before it is gone over to. */
  readonly unsynced?: boolean;
  /** A planted bug: servers start on whatever their disks have. */
  readonly unguarded?: boolean;
}

/** The servers that keep one generation's log. */
interface Members {
  readonly ids: Set<string>;
  /** When the last one came, virtual ms. */
  grownAt: number;
  /** Copies that there are to be, and since when each server has one, virtual ms. */
  replicas: number;
  readonly copies: Map<string, number>;
  /** Servers that were taken out: they are none of the group any more, up or not. */
  readonly removed: Set<string>;
  leader: string;
}

/** A server that is taken out of the group while it runs starts again under another name after this time, ms. */
const renameMs = 3_000;
const settledEveryMs = 20;

/** Managers that come and go, each generation of the log with the servers that keep it, and machines that lose their power. */
export class HandoverWorld {
  readonly options: HandoverOptions;
  readonly clock = new VirtualClock();
  readonly hosts: readonly HandoverHost[];
  readonly servers: Servers;
  readonly network: SimNetwork;
  readonly mishaps: Mishaps;
  readonly random: Random;
  readonly lines: string[] = [];
  /** Writes to disks so far, each of which may be cut off before it or behind it. */
  steps = 0;
  powerCuts = 0;
  #isCalm = false;
  readonly #logs = new Map<number, SimLog>();
  readonly #members = new Map<number, Members>();
  readonly #clients: { host: HandoverHost; generation: number; client: SimLogClient }[] = [];
  readonly #parted = new Map<string, () => void>();
  /** Hosts whose network is cut. */
  readonly #cutOff = new Set<string>();
  #failure: unknown;

  constructor(options: HandoverOptions) {
    this.options = options;
    this.random = new Random(options.seed, 'passage');
    this.hosts = Array.from({ length: options.hosts }, (_, i) => new HandoverHost(this, i));
    this.servers = new Servers(this.hosts.map(({ id }) => id));
    const link = { latencyMinMs: 0.5, latencyMaxMs: 5 };
    this.mishaps = new Mishaps(new Random(options.seed, 'passage mishaps'));
    this.network = new SimNetwork(this.clock, this.random, link, this.servers, this.mishaps);
  }

  wallNow(): number {
    return epochMs + this.clock.now();
  }
  host(id: string): HandoverHost | undefined {
    return this.hosts.find((host) => host.id === id);
  }
  /** Those that a host reaches. */
  others(host: HandoverHost): readonly HandoverHost[] {
    if (this.isCutOff(host.id)) return [];
    return this.hosts.filter((other) => other !== host && !this.isCutOff(other.id));
  }

  isCutOff(id: string): boolean {
    return this.#cutOff.has(id);
  }
  cutOff(id: string, forMs: number): void {
    this.#cutOff.add(id);
    this.changed();
    this.clock.setTimeout(() => {
      this.#cutOff.delete(id);
      this.changed();
    }, forMs);
  }

  say(who: string, event: string, fields: object): void {
    const at = (this.clock.now() / 1_000).toFixed(3);
    this.lines.push(`${at} ${who.slice(0, 4)} ${event} ${JSON.stringify(fields)}`);
  }
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
  }

  /** A write to a host's disk. */
  step(host: HandoverHost, what: string, write: () => void): void {
    const number = this.steps++;
    this.say(host.id, `${number} ${what}`, {});
    const isCutAt = (at: number): boolean => !this.#isCalm && at === this.options.powerOffAt;
    if (isCutAt(2 * number)) return host.powerOff(this.#offMs());
    write();
    if (isCutAt(2 * number + 1)) host.powerOff(this.#offMs());
  }
  #offMs(): number {
    return this.random.between(500, 50_000);
  }

  /** Until `calm`, machines lose their power now and then, and messages are lost and late. */
  disturb(): void {
    const { powerOffEveryMs, mishapRate = 0 } = this.options;
    this.mishaps.rate = this.#isCalm ? 0 : mishapRate;
    if (powerOffEveryMs === undefined || this.#isCalm) return;
    this.clock.setTimeout(() => {
      const host = this.random.pick(this.hosts);
      if (!this.#isCalm && host.isUp) host.powerOff(this.random.between(500, 20_000));
      this.disturb();
    }, this.random.spacing(powerOffEveryMs));
  }
  calm(): void {
    this.#isCalm = true;
    this.mishaps.rate = 0;
  }

  /** Lets virtual time pass. Rejects when something is wrong. */
  async run(ms: number, stop: () => boolean = () => false): Promise<void> {
    const until = this.clock.now() + ms;
    await runUntil(this.clock, until, () => this.#failure !== undefined || stop());
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Lets virtual time pass until nothing is wrong, as far as `wrong` says, which looks at all hosts. */
  async settle(rule: string, ms: number, wrong: () => string): Promise<void> {
    let text = '';
    let askAt = 0;
    await this.run(ms, () => {
      if (this.clock.now() < askAt) return false;
      askAt = this.clock.now() + settledEveryMs;
      text = wrong();
      return text === '';
    });
    if (text !== '') throw new Violation(rule, text);
  }

  members(generation: number): Members {
    const found = this.#members.get(generation) ?? {
      ids: new Set<string>(),
      grownAt: 0,
      replicas: 1,
      copies: new Map<string, number>(),
      removed: new Set<string>(),
      leader: '',
    };
    this.#members.set(generation, found);
    return found;
  }

  /** A copy more, or one less. */
  setReplicas(group: Members, generation: number, count: number): void {
    group.replicas = count;
    this.#fill(group, generation);
    for (const peer of group.copies.keys())
      if (group.copies.size > count && peer.split('#')[0] !== group.leader)
        group.copies.delete(peer);
  }

  /** As JetStream, which gives a server the copy that is missing: to one that is up first, but to one that is away, too. */
  #fill({ ids, copies, replicas }: Members, generation: number): void {
    const up = this.#servers(generation).map((host) => host.serverOf(generation));
    for (const peer of new Set([...up, ...ids]))
      if (copies.size < replicas && ids.has(peer) && !copies.has(peer))
        copies.set(peer, this.clock.now());
  }

  /**
   * As nats-server (`test/integration/nats-cluster.test.ts`): a server that runs is told, one that is away is not; and by
   * that name it is not let in again, which there lasts for five minutes.
   */
  forget(generation: number, peer: string): void {
    const group = this.members(generation);
    group.ids.delete(peer);
    group.copies.delete(peer);
    group.removed.add(peer);
    const runs = (host: HandoverHost): boolean => host.serverOf(generation) === peer;
    const told = this.#servers(generation).find(runs);
    const process = told?.process;
    this.#fill(group, generation);
    this.changed();
    if (told === undefined) return;
    // one that is to be a manager all the same begins anew
    this.clock.setTimeout(() => {
      if (told.process === process && told.generation === generation && runs(told))
        told.rename(generation);
      this.changed();
    }, renameMs);
  }

  /** Servers that run and reach each other; one that stands alone has nobody to reach. */
  #servers(generation: number): readonly HandoverHost[] {
    return this.hosts.filter(
      (host) =>
        host.generation === generation &&
        (host.place?.form !== 'several' || !this.isCutOff(host.id)),
    );
  }

  /** Servers that run and whose copies of the log count; before it has copies, those of the group. */
  #voters(generation: number): readonly HandoverHost[] {
    const { ids, copies } = this.members(generation);
    const counting = copies.size > 0 ? copies : ids;
    return this.#servers(generation).filter((host) => counting.has(host.serverOf(generation)));
  }

  /**
   * Whether a generation's log can be written: by a manager that stands alone, or by the majority of the copies. Two
   * servers at least found it.
   */
  hasQuorum(generation: number): boolean {
    const up = this.#voters(generation);
    const { ids, copies } = this.members(generation);
    const needed = Math.floor(Math.max(2, copies.size || ids.size) / 2) + 1;
    const isAlone = this.hosts.some(
      (host) => host.generation === generation && host.place?.form !== 'several',
    );
    return generation > 0 && (isAlone || up.length >= needed);
  }

  /** The log is where a disk has its store; behind a power cut the servers find it there again. */
  createLog(generation: number, first = 1): void {
    const random = (): number => this.random.next();
    const log = (): SimLog =>
      new SimLog(this.clock, random, { ...noFaults, delayMs: [1, 20] }, first);
    if (!this.#logs.has(generation)) {
      const made = log();
      made.onWrite = (seq) => {
        for (const host of this.#voters(generation)) host.disk.storeOf(generation).end = seq;
      };
      this.#logs.set(generation, made);
    }
    const group = this.members(generation);
    if (group.copies.size === 0) this.setReplicas(group, generation, Math.min(2, group.ids.size));
  }

  logFor(host: HandoverHost, generation: number): StateLog {
    const log = this.#logs.get(generation);
    if (log === undefined) throw new Error(`stream not found: generation ${generation}`);
    const client = log.client();
    this.#clients.push({ host, generation, client });
    this.changed();
    return client;
  }

  /** A host's server has come, gone or changed its generation. */
  changed(): void {
    for (const host of this.hosts) if (host.place?.founding !== undefined) this.#admit(host);
    for (const host of this.hosts) this.#admit(host);
    for (const generation of this.#logs.keys()) {
      if (!this.hosts.some(({ disk }) => disk.stores.has(generation)))
        this.#logs.delete(generation);
      const group = this.members(generation);
      if (this.host(group.leader)?.generation !== generation)
        group.leader = this.#voters(generation)[0]?.id ?? '';
      this.#replicate(generation);
    }
    for (const { host, generation, client } of this.#clients)
      client.setReachable(
        host.generation === generation &&
          this.hasQuorum(generation) &&
          (host.place?.form !== 'several' || !this.isCutOff(host.id)),
      );
    for (const a of this.hosts) for (const b of this.hosts) if (a.id < b.id) this.#link(a, b);
  }

  /** A server that is new to a group which has a log is let in by a majority of it. */
  #admit(host: HandoverHost): void {
    const { generation } = host;
    if (generation === 0) return;
    const isAlone = host.place?.form !== 'several';
    const group = this.members(generation);
    const peer = host.serverOf(generation);
    if (group.removed.has(peer) || group.ids.has(peer)) return;
    const isKept = this.#logs.has(generation) && !this.hasQuorum(generation);
    if (!isAlone && (isKept || this.isCutOff(host.id) || !this.isLetIn(host))) return;
    group.ids.add(peer);
    group.grownAt = this.clock.now();
    if (group.copies.size > 0) this.#fill(group, generation);
  }

  /** Servers let in only those of managers that theirs know, and most of them have to. */
  isLetIn(host: HandoverHost): boolean {
    const { ids } = this.members(host.generation);
    const others = this.#servers(host.generation).filter(
      (other) => other !== host && ids.has(other.serverOf(host.generation)),
    );
    const knows = (one: HandoverHost, other: HandoverHost): boolean =>
      one.disk.peers.includes(other.id);
    const open = others.filter((other) => knows(other, host) && knows(host, other));
    // its founder begins the group
    if (others.length === 0) return host.place?.founding !== undefined;
    return 2 * open.length > others.length;
  }

  /** A majority goes on from the longest copy of the log among its own; whoever has more than that loses it. */
  #replicate(generation: number): void {
    const log = this.#logs.get(generation);
    if (log === undefined || !this.hasQuorum(generation)) return;
    const stores = this.#voters(generation).map((host) => host.disk.storeOf(generation));
    // a store of before the first record has none
    log.truncate(Math.max(log.first - 1, ...stores.map(({ end }) => Math.min(end, log.last))));
    for (const store of stores) store.end = log.last;
  }

  /** Servers of different generations have nothing to do with each other. */
  #link(a: HandoverHost, b: HandoverHost): void {
    const key = `${a.id} ${b.id}`;
    const isCut = this.isCutOff(a.id) || this.isCutOff(b.id);
    const isOpen = a.generation > 0 && a.generation === b.generation && !isCut;
    const heal = this.#parted.get(key);
    if (isOpen && heal !== undefined) {
      this.#parted.delete(key);
      heal();
    }
    if (!isOpen && heal === undefined) this.#parted.set(key, this.servers.cut(a.id, b.id));
  }

  /** What the first daemon writes at `swarm init`; the others have joined with a manager's token. */
  firstObjects(): readonly Change[] {
    const nodes: readonly Change[] = this.hosts.map(({ id }, index) => ({
      op: 'put',
      kind: 'node',
      object: {
        id,
        spec: { Labels: {}, Role: 'manager', Availability: 'active' },
        role: 'manager',
        status: { state: 'unknown', message: '', addr: '' },
        ...(index === 0 && {
          pins: [pinOf(id)],
          manager: { ...toldOf(id), reachability: 'reachable' },
        }),
      },
    }));
    return [
      { op: 'put', kind: 'cluster', object: simulatedCluster(clusterSpecForInit({})) },
      ...nodes,
    ];
  }
}
