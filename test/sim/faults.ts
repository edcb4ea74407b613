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
  #logCuts = 0;
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
    if (Object.values(options.faults).some((weight) => weight > 0)) this.#next();
  }

  heal(): void {
    this.#stopped = true;
    for (const mend of this.#mends) mend();
    this.#cluster.log.faults = { ...noFaults, delayMs: this.#cluster.options.logDelayMs };
    this.#cluster.network.lossRate = 0;
  }

  #next(): void {
    const { clock, options } = this.#cluster;
    clock.setTimeout(() => {
      if (this.#stopped) return;
      const kind = this.#random.weighted<FaultKind>(options.faults);
      const done = this.#break(kind);
      if (done !== undefined) this.#mendLater(kind, done);
      this.#next();
    }, this.#random.spacing(options.faultEveryMs));
  }

  /** Undoes a fault once: after a time, or when everything is healed. */
  #mendLater(kind: FaultKind, done: () => void): void {
    this.faults++;
    const mend = (): void => {
      if (!this.#mends.delete(mend)) return;
      this.#cluster.trace('mend', () => kind);
      done();
    };
    this.#mends.add(mend);
    const ms = this.#random.pick([50, 500, 2_000, 5_000, 20_000]) * this.#random.between(0.2, 2);
    this.#cluster.clock.setTimeout(mend, ms);
  }

  /** Answers how to mend it; undefined when there is nothing to break. */
  #break(kind: FaultKind): (() => void) | undefined {
    const { hosts, network } = this.#cluster;
    const host = this.#random.pick(kind === 'daemonCrash' ? this.#cluster.managers : hosts);
    this.#cluster.trace('fault', () => `${kind} ${host.id}`);
    switch (kind) {
      case 'daemonCrash':
      case 'anyDaemonCrash':
        return killDaemon(host);
      case 'daemonStop':
        if (!host.isUp) return undefined;
        host.stop();
        return () => {
          host.kill(); // it has had its time, or has ended
          host.start();
        };
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
      case 'hostReboot': {
        const daemon = killDaemon(host);
        const engine = crashEngine(host);
        return () => {
          engine?.();
          daemon?.();
        };
      }
      case 'busDown':
        // The bus and the log are one server.
        if (network.isDown) return undefined;
        network.setDown(true);
        this.#cutLog(1);
        return () => {
          network.setDown(false);
          this.#cutLog(-1);
        };
      case 'busCut':
        return this.#cut(host);
      case 'halfOpen':
        return this.#halfOpen(host);
      case 'logCut':
        this.#cutLog(1);
        return () => this.#cutLog(-1);
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

  #cutLog(by: 1 | -1): void {
    this.#logCuts += by;
    for (const { log } of this.#cluster.managers) log?.setReachable(this.#logCuts === 0);
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
