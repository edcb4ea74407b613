import type { Cluster } from './world/cluster.ts';
import type { FaultKind } from './options.ts';
import { noFaults } from './world/log.ts';
import type { SimHost } from './world/daemon.ts';
import type { SimBus } from './world/network.ts';
import { Random } from './world/random.ts';

/** Breaks things at random times, several at once, and mends each after a while; `heal` mends everything for good. */
export class Nemesis {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #mends = new Set<() => void>();
  /** Faults of these kinds may overlap: the last to be mended ends the trouble. */
  readonly #logCuts = new Map<SimHost, number>();
  readonly #losses: number[] = [];
  #stopped = false;
  faults = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#random = new Random(cluster.options.seed, 'faults');
  }

  start(): void {
    const { options, log, network } = this.#cluster;
    const rate = options.logTroubleRate;
    log.faults = {
      delayMs: options.logDelayMs,
      lostRequests: rate,
      lostAnswers: rate,
      falseRefusals: rate,
      lostTails: rate,
    };
    network.lossRate = options.messageLossRate;
    this.#cluster.mishaps.rate = options.mishapRate;
    if (rate > 0 || network.lossRate > 0) this.#mends.add(this.#cluster.troubles.begin('host'));
    if (Object.values(options.faults).some((weight) => weight > 0)) this.#next();
  }

  heal(): void {
    this.#stopped = true;
    for (const mend of this.#mends) mend();
    this.#cluster.log.faults = { ...noFaults, delayMs: this.#cluster.options.logDelayMs };
    this.#cluster.network.lossRate = 0;
    this.#cluster.mishaps.rate = 0;
  }

  #next(): void {
    const { clock, options, hosts, managers } = this.#cluster;
    clock.setTimeout(() => {
      if (this.#stopped) return;
      const kind = this.#random.weighted<FaultKind>(options.faults);
      const host = this.#random.pick(onManagers.includes(kind) ? managers : hosts);
      this.#cluster.trace('fault', () => `${kind} ${host.id}`);
      const mend = this.#break(kind, host);
      if (mend !== undefined) this.#mendLater(kind, mend, this.#note(kind, host));
      this.#next();
    }, this.#random.spacing(options.faultEveryMs));
  }

  /** Undoes a fault once: after a time, or when everything is healed. */
  #mendLater(kind: FaultKind, done: () => void, isOver: () => void): void {
    this.faults++;
    const mend = (): void => {
      if (!this.#mends.delete(mend)) return;
      this.#cluster.trace('mend', () => kind);
      done();
      isOver();
    };
    this.#mends.add(mend);
    const ms = this.#random.pick([50, 500, 2_000, 5_000, 20_000]) * this.#random.between(0.2, 2);
    const graceMs = kind === 'engineLost' ? this.#cluster.options.engineGraceMs + lostMs : 0;
    this.#cluster.clock.setTimeout(mend, ms + graceMs);
  }

  /** What the fault is a reason for; answers how to note that it is mended. */
  #note(kind: FaultKind, { id, isManager }: SimHost): () => void {
    const { troubles } = this.#cluster;
    const ends = [
      ...(onContainers.includes(kind) ? [troubles.begin('engine', id)] : []),
      ...(harmless.includes(kind)
        ? []
        : [troubles.begin('host', onOneHost.includes(kind) && !isManager ? id : '')]),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  /** Answers how to mend it; undefined when there is nothing to break. */
  #break(kind: FaultKind, host: SimHost): (() => void) | undefined {
    switch (kind) {
      case 'daemonCrash':
      case 'anyDaemonCrash':
        return killDaemon(host);
      case 'daemonStop':
        return stopDaemon(host);
      case 'clockJump':
        host.skewMs += this.#random.pick([1_000, 20_000, 3_600_000]) * this.#random.between(-1, 1);
        return () => undefined;
      case 'journalTrouble':
        host.disk.failureRate = this.#random.pick([0.3, 1]);
        return () => {
          host.disk.failureRate = 0;
        };
      case 'containerCrash':
        return this.#crashOne(host) ? () => undefined : undefined;
      case 'engineAway':
        if (!host.engine.isUp) return undefined;
        host.engine.down();
        return () => host.engine.up();
      case 'engineCrash':
        return crashEngine(host);
      case 'engineHang':
      case 'engineLost':
        return this.#loseEngine(host, kind);
      case 'hostReboot': {
        const daemon = killDaemon(host);
        const engine = crashEngine(host);
        const server = host.isManager ? this.#cluster.servers.stop(host.id) : undefined;
        return () => {
          server?.();
          engine?.();
          daemon?.();
        };
      }
      case 'busDown':
        // A bus server and a replica of the log are one.
        return this.#cluster.servers.stop(host.id);
      case 'leaderKill':
        return this.#killLeader();
      case 'leaderStop':
        return stopDaemon(this.#cluster.leader);
      case 'freeze':
      case 'suspend':
        return host.isUp ? host.freeze(kind === 'suspend') : undefined;
      case 'staleLeader':
        return this.#outliveLease();
      case 'partition':
        return this.#partition();
      case 'linkCut':
        return this.#cutServers([this.#random.pick(this.#cluster.servers.ids)]);
      case 'busCut':
        return this.#cut(host);
      case 'halfOpen':
        return this.#halfOpen(host);
      case 'logCut':
        return this.#cutLog();
      case 'messageLoss': {
        const rate = this.#random.pick([0.05, 0.3]);
        this.#losses.push(rate);
        this.#lose();
        return () => {
          this.#losses.splice(this.#losses.indexOf(rate), 1);
          this.#lose();
        };
      }
    }
  }

  /** It hangs, or, where it is to be given up for lost, it may have died or lost its containers as well. */
  #loseEngine({ engine }: SimHost, kind: 'engineHang' | 'engineLost'): (() => void) | undefined {
    if (!engine.isUp) return undefined;
    const how =
      kind === 'engineHang' ? 'hang' : this.#random.pick(['hang', 'down', 'powerOff'] as const);
    engine[how]();
    return () => (how === 'hang' ? engine.resume() : engine.up());
  }

  #crashOne({ engine }: SimHost): boolean {
    const running = [...engine.states()].filter(([, state]) => state === 'running');
    if (running.length === 0) return false;
    engine.crash(this.#random.pick(running)[0], this.#random.int(0, 2));
    return true;
  }

  #lose(): void {
    const { network, options } = this.#cluster;
    network.lossRate = Math.max(options.messageLossRate, ...this.#losses);
  }

  /** All managers, or some. */
  #cutLog(): () => void {
    const all = this.#random.chance(0.5);
    const cut = this.#cluster.managers.filter(() => all || this.#random.chance(0.5));
    const count = (by: 1 | -1): void => {
      for (const host of cut) {
        const cuts = (this.#logCuts.get(host) ?? 0) + by;
        this.#logCuts.set(host, cuts);
        host.log?.setReachable(cuts === 0);
      }
    };
    count(1);
    return () => count(-1);
  }

  /** The leader's process, its host's server, or both at once. */
  #killLeader(): (() => void) | undefined {
    const { leader, servers } = this.#cluster;
    if (leader === undefined) return undefined;
    const what = this.#random.pick(['daemon', 'server', 'both'] as const);
    const daemon = what === 'server' ? undefined : killDaemon(leader);
    const server = what === 'daemon' ? undefined : servers.stop(leader.id);
    return () => {
      server?.();
      daemon?.();
    };
  }

  /** The leader's host stands still until another leads; then nodes come to its server before it has noticed. */
  #outliveLease(): (() => void) | undefined {
    const { leader, servers, hosts, clock } = this.#cluster;
    if (leader === undefined || servers.ids.length === 1) return undefined;
    const thaw = leader.freeze(true);
    const bring = servers.stop(leader.id);
    return () => {
      const cuts = servers.ids
        .filter((id) => id !== leader.id)
        .map((id) => servers.cut(leader.id, id));
      bring();
      thaw();
      for (const { isManager, agentBus } of hosts) if (!isManager) agentBus?.moveTo(leader.id);
      clock.setTimeout(() => {
        for (const open of cuts) open();
      }, staleMs);
    };
  }

  /** Two groups that do not reach each other. */
  #partition(): () => void {
    return this.#cutServers(this.#cluster.servers.ids.filter(() => this.#random.chance(0.5)));
  }

  /** Cuts these servers off the others; a single one only from some of them, now and then. */
  #cutServers(group: readonly string[]): () => void {
    const { servers } = this.#cluster;
    const partial = group.length === 1 && this.#random.chance(0.7);
    const mends = group.flatMap((one) =>
      servers.ids
        .filter((other) => !group.includes(other) && !(partial && this.#random.chance(0.5)))
        .map((other) => servers.cut(one, other)),
    );
    return () => {
      for (const mend of mends) mend();
    };
  }

  /** A connection of the host: its agent's, or its manager's. */
  #busOf(host: SimHost): SimBus | undefined {
    return this.#random.chance(0.5) ? (host.managerBus ?? host.agentBus) : host.agentBus;
  }

  #halfOpen(host: SimHost): (() => void) | undefined {
    const bus = this.#busOf(host);
    if (bus === undefined) return undefined;
    bus.isMute = this.#random.chance(0.7);
    bus.isDeaf = !bus.isMute || this.#random.chance(0.5);
    return () => {
      bus.isMute = false;
      bus.isDeaf = false;
    };
  }

  #cut(host: SimHost): (() => void) | undefined {
    const bus = this.#busOf(host);
    if (bus === undefined) return undefined;
    bus.setReachable(false);
    return () => bus.setReachable(true);
  }
}

/** How long a node's engine has been away at least when its node has been given up, beside the grace, ms. */
const lostMs = 10_000;
/** How long a leader with an old lease is left to itself, ms. */
const staleMs = 2_000;
/** Befall managers only. */
const onManagers: readonly FaultKind[] = ['daemonCrash', 'busDown'];
/** End containers, or hide their ends. */
const onContainers: readonly FaultKind[] = [
  'containerCrash',
  'engineAway',
  'engineCrash',
  'engineHang',
  'engineLost',
  'hostReboot',
];
/** Take no node off the cluster. */
const harmless: readonly FaultKind[] = ['clockJump', 'containerCrash'];
/** On a worker, they take off no other node. */
const onOneHost: readonly FaultKind[] = [
  'anyDaemonCrash',
  'daemonStop',
  'journalTrouble',
  'engineAway',
  'engineCrash',
  'engineHang',
  'engineLost',
  'hostReboot',
  'freeze',
  'suspend',
  'busCut',
  'halfOpen',
];

function stopDaemon(host: SimHost | undefined): (() => void) | undefined {
  if (host?.isUp !== true) return undefined;
  host.stop();
  return () => {
    host.kill(); // it has had its time, or has ended
    host.start();
  };
}

function killDaemon(host: SimHost): (() => void) | undefined {
  if (!host.isUp) return undefined;
  host.kill();
  return () => host.start();
}

/** Containers end with it; it comes back with what it has on disk. */
function crashEngine(host: SimHost): (() => void) | undefined {
  if (!host.engine.isUp) return undefined;
  host.engine.powerOff();
  return () => host.engine.up();
}
