import { type Agent, createAgent } from '../../../actors/agent/agent.ts';
import type { LeaderTermStore } from '../../../actors/agent/term-gate.ts';
import { Manager } from '../../../actors/manager/manager.ts';
import type { Executor } from '../../../actors/agent/ports.ts';
import { membershipFrom } from '../../../bus/bodies.ts';
import { type LeaderTerm, isNewer } from '../../../bus/protocol.ts';
import { subjects } from '../../../bus/subjects.ts';
import type { Outcome } from '../check/acknowledged.ts';
import { Violation } from '../check/violation.ts';
import type { Room } from '../../../domain/disk-room.ts';
import type { View } from '../../../domain/store/view.ts';
import { Registry } from '../../../supervisors/registry.ts';
import { runs } from '../../../supervisors/run.ts';
import { Supervisor } from '../../../supervisors/supervisor.ts';
import { grow, trees } from '../../../supervisors/trees.ts';
import { command, read } from '../workload/outcome.ts';
import { type Certificate, firstRoot, SimRenewal, simulatedCa, tlsOf } from './certificate.ts';
import type { Cluster } from './cluster.ts';
import type { SimulatedEngine } from './container-engine.ts';
import { simulatedExecutor } from './executor.ts';
import { guardExecutor, guardLog } from './guards.ts';
import { JournalDisk } from './journal.ts';
import type { SimLogClient } from './log.ts';
import type { SimBus } from './network.ts';
import { type Rate, SimProcess } from './process.ts';
import { Random } from './random.ts';

const stopLimitMs = 10_000;

const randomOf = (seed: number, index: number): Random => new Random(seed, `host ${index}`);
export const hostId = (seed: number, index: number): string => randomOf(seed, index).id();

/** One host: its engine and disk, which outlive the daemon, and the daemon's present incarnation, if it runs. */
export class SimHost {
  readonly id: string;
  readonly isManager: boolean;
  readonly engine: SimulatedEngine;
  readonly log: SimLogClient | undefined;
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly disk: JournalDisk;
  /** On the disk, as is the key of a renewal that has begun and has not ended. */
  certificate: Certificate;
  pendingKey: string | undefined;
  #renewal: SimRenewal | undefined;
  /** How far this host's wall clock is off. */
  skewMs: number;
  readonly #rate: Rate;
  /** The actors of the daemon that runs. */
  registry = new Registry();
  #supervisor: Supervisor | undefined;
  #epoch: LeaderTerm = { generation: 0, epoch: 0 };
  #process: SimProcess | undefined;
  agent: Agent | undefined;
  agentBus: SimBus | undefined;
  manager: Manager | undefined;
  managerBus: SimBus | undefined;
  /** Virtual time since which daemon, connection and engine have been well without a break. */
  wellSince = 0;

  constructor(cluster: Cluster, index: number, isManager: boolean) {
    const { seed, clockSkewMs, clockDrift } = cluster.options;
    this.#cluster = cluster;
    this.#random = randomOf(seed, index);
    this.id = this.#random.id();
    this.isManager = isManager;
    this.skewMs = this.#random.between(-clockSkewMs, clockSkewMs);
    this.#rate = {
      originMs: this.#random.between(0, 1e9),
      speed: 1 + this.#random.between(-clockDrift, clockDrift),
    };
    this.certificate = {
      issuer: firstRoot.certPem,
      key: `first of ${this.id}`,
      role: isManager ? 'manager' : 'worker',
    };
    this.disk = new JournalDisk(new Random(seed, `disk ${index}`));
    this.engine = cluster.makeEngine(this.id, new Random(seed, `engine ${index}`));
    this.log = isManager ? cluster.log.client(this.id) : undefined;
  }

  /** The daemon runs, and is not frozen. */
  get isUp(): boolean {
    return this.#process?.isFrozen === false;
  }
  get isLeading(): boolean {
    return this.isUp && this.manager?.isLeading() === true;
  }
  get isWell(): boolean {
    return this.isUp && this.engine.isUp && this.#reachesLeader();
  }
  /** What its agent says comes to the leader, and the other way. */
  get isHeard(): boolean {
    const buses = [this.agentBus, this.#cluster.leader?.managerBus];
    return this.isUp && this.#reachesLeader() && buses.every((bus) => bus?.isOpen === true);
  }
  #reachesLeader(): boolean {
    const { leader, servers } = this.#cluster;
    const bus = this.agentBus;
    return (
      leader !== undefined && bus?.isConnected() === true && servers.linked(bus.server, leader.id)
    );
  }

  /** What there is room for on its disk. */
  diskRoom: Room = 'enough';
  /** Managers begin when they have joined: the founder at once, the others when the log knows of them. */
  hasJoined = false;

  start(): void {
    if (this.#process !== undefined || (this.isManager && !this.hasJoined)) return;
    const process = new SimProcess(this.#cluster.clock, this.#rate);
    this.#process = process;
    this.registry = new Registry();
    // As every daemon with a server of its own, a manager's agent uses that one.
    const { network, servers } = this.#cluster;
    this.agentBus = network.connect(process, this.isManager ? [this.id] : servers.ids);
    if (this.isManager) this.managerBus = network.connect(process, [this.id]);
    this.#supervisor = this.#makeSupervisor(process);
    this.#supervisor.start();
  }

  #makeSupervisor(process: SimProcess): Supervisor {
    const cluster = this.#cluster;
    const parts = {
      'bus-server': undefined,
      'bus-auth': undefined,
      manager: this.isManager ? runs((scope) => this.#runManager(process, scope)) : undefined,
      'join-listener': undefined,
      renewal: runs((scope) => this.#runRenewal(process, scope)),
      agent: runs((scope) => this.#runAgent(process, scope)),
    };
    return new Supervisor(
      trees.daemon.flags,
      grow(trees.daemon, parts),
      {
        clock: process.clock,
        random: () => this.#random.next(),
        registry: this.registry,
        report: (event, fields) => cluster.report(process, `daemon ${this.id}`, event, fields),
      },
      (reason) => cluster.fail(reason),
    );
  }

  /** The node gets itself a new certificate now. */
  renew(): void {
    this.#renewal?.now();
  }

  async #runRenewal(process: SimProcess, scope: AbortSignal): Promise<void> {
    const renewal = new SimRenewal({
      cluster: this.#cluster,
      host: this,
      process,
      registry: this.registry,
      random: this.#random,
      onRenewed: () => {
        this.agent?.refresh();
        if (this.isManager) this.reloadServer();
      },
    });
    this.#renewal = renewal;
    await renewal.run(scope);
  }

  /** What the leader says of the cluster, as `heed` in `cmd/run-agent.ts`. */
  #heed(body: unknown): void {
    const notice = membershipFrom(body);
    if (notice === undefined || isNewer(this.#epoch, notice)) return;
    const { issuer, role } = this.certificate;
    if (notice.role !== role || (notice.renew && notice.issuer?.subject !== issuer)) this.renew();
  }

  /** kill -9 of the daemon. Containers run on. */
  kill(): void {
    const process = this.#process;
    this.#process = undefined;
    this.#supervisor = undefined;
    this.agent = undefined;
    this.agentBus = undefined;
    this.manager = undefined;
    this.managerBus = undefined;
    process?.kill();
  }

  /** SIGSTOP of the daemon, or its machine is suspended and its clock stands still; answers how to let it go on. */
  freeze(clockStands: boolean): () => void {
    const process = this.#process;
    process?.freeze(clockStands);
    return () => {
      process?.thaw();
      if (clockStands) this.#cluster.doubtLeases();
    };
  }

  /** SIGTERM: the daemon ends in good order, or is killed when it takes too long. */
  stop(): void {
    const process = this.#process;
    const end = (): void => {
      if (this.#process === process) this.kill();
    };
    void this.#supervisor?.stop().then(end);
    process?.clock.setTimeout(end, stopLimitMs);
  }

  /** This host's bus server takes other certificates: it closes nodes' connections, which come back at once. */
  reloadServer(backMs: readonly [min: number, max: number] = [50, 400]): void {
    this.manager?.excuseNodes();
    for (const { agentBus } of this.#cluster.hosts)
      if (agentBus?.server === this.id) agentBus.bounce(this.#random.between(...backMs));
    this.manager?.excuseNodes();
  }

  /** A command through this daemon's API. */
  command(name: string, body: unknown): Promise<Outcome> {
    if (this.manager === undefined || this.#process === undefined)
      return Promise.resolve({ kind: 'unknown', message: 'no daemon' });
    return command(this.manager, this.#process, name, body);
  }

  /** A question through this daemon's API. */
  read(): Promise<View | undefined> {
    return this.manager === undefined || this.#process === undefined
      ? Promise.resolve(undefined)
      : read(this.manager, this.#process);
  }

  #wallNow(): number {
    return this.#cluster.wallNow() + this.skewMs;
  }

  async #runAgent(process: SimProcess, scope: AbortSignal): Promise<void> {
    const cluster = this.#cluster;
    const bus = this.agentBus;
    if (bus === undefined) return;
    const epochStore: LeaderTermStore = {
      load: () => this.#epoch,
      save: (epoch) => {
        if (!process.alive) return;
        if (isNewer(this.#epoch, epoch))
          cluster.fail(new Violation('epoch', `${this.id} went back to ${epoch.epoch}`));
        this.#epoch = epoch;
      },
    };
    const end = ending(scope);
    const agent = createAgent({
      nodeId: this.id,
      bus,
      executor: cluster.wrapExecutor(this.#describing(process)),
      clock: process.clock,
      wallNow: () => this.#wallNow(),
      random: () => this.#random.next(),
      newId: () => this.#random.id(),
      epochStore,
      registry: this.registry,
      engineGraceMs: cluster.options.engineGraceMs,
      log: (event, fields) => cluster.report(process, `agent ${this.id}`, event, fields),
      onEscalate: end.fail,
    });
    this.agent = agent;
    const unheed = bus.subscribe(subjects.node(this.id, 'membership'), ({ body }) =>
      this.#heed(body),
    );
    agent.start();
    try {
      await end.reached;
    } finally {
      if (this.agent === agent) this.agent = undefined;
      unheed();
      await agent.stop();
    }
  }

  #describing(process: SimProcess): Executor {
    const executor = guardExecutor(simulatedExecutor(this.engine), process);
    const describe: Executor['describe'] = async (scope) => ({
      ...(await executor.describe(scope)),
      tls: tlsOf(this.certificate),
    });
    return { ...executor, describe };
  }

  async #runManager(process: SimProcess, scope: AbortSignal): Promise<void> {
    const cluster = this.#cluster;
    const bus = this.managerBus;
    if (this.log === undefined || bus === undefined) return;
    const end = ending(scope);
    const manager = await Manager.open({
      nodeId: this.id,
      generation: 1,
      form: cluster.options.managers > 1 ? 'several' : 'alone',
      bus,
      log: cluster.wrapLog(guardLog(this.log, process)),
      journal: this.disk.open(process),
      clock: process.clock,
      wallNow: () => this.#wallNow(),
      random: () => this.#random.next(),
      newId: () => this.#random.id(),
      newJoinToken: (role) => `SWMTKN-1-${role}-${this.#random.id()}`,
      newUnlockKey: () => `SWMKEY-1-${this.#random.id()}`,
      ca: { tools: simulatedCa(this.#random), ask: () => Promise.resolve(undefined) },
      checkpointEvery: cluster.options.checkpointEvery,
      registry: this.registry,
      diskRoom: () => this.diskRoom,
      report: (event, fields) => cluster.report(process, `manager ${this.id}`, event, fields),
      onCrash: end.fail,
    });
    if (!process.alive) return;
    this.manager = manager;
    manager.start();
    try {
      await end.reached;
    } finally {
      if (this.manager === manager) this.manager = undefined;
      await manager.stop();
    }
  }
}

/** The end of a part of the daemon: its scope's, or a failure of its own. */
function ending(scope: AbortSignal): {
  readonly reached: Promise<void>;
  readonly fail: (error: unknown) => void;
} {
  let fail: (error: unknown) => void = () => undefined;
  const reached = new Promise<void>((resolve, reject) => {
    fail = reject;
    if (scope.aborted) resolve();
    else scope.addEventListener('abort', () => resolve(), { once: true });
  });
  reached.catch(() => undefined);
  return { reached, fail };
}
