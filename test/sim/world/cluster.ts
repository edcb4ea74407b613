import { EngineError, type Executor } from '../../../actors/agent/ports.ts';
import { termMs } from '../../../actors/manager/quorum.ts';
import type { StateLog } from '../../../bus/ports.ts';
import type { Cluster as ClusterObject, Node } from '../../../domain/model/objects.ts';
import { clusterSpecForInit } from '../../../domain/spec/cluster.ts';
import type { Applied, Change } from '../../../domain/store/changes.ts';
import type { View } from '../../../domain/store/view.ts';
import { InvariantError } from '../../../domain/assert.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import type { Outcome } from '../check/acknowledged.ts';
import { Audit, type RecordCheck, type Seen } from '../check/audit.ts';
import { digest } from '../check/digest.ts';
import { Violation } from '../check/violation.ts';
import type { SimOptions } from '../options.ts';
import { isMissing, programOf } from '../workload/programs.ts';
import { firstRoot, keyText, pinOf } from './certificate.ts';
import { hostId, SimHost } from './daemon.ts';
import { SimulatedEngine } from './container-engine.ts';
import { runUntil } from './drive.ts';
import { noFaults, SimLog } from './log.ts';
import { Mishaps } from './mishaps.ts';
import { SimNetwork } from './network.ts';
import type { SimProcess } from './process.ts';
import { Random } from './random.ts';
import { Servers } from './servers.ts';
import { Troubles } from './troubles.ts';

/** Unix time at which every simulation begins, ms. */
export const epochMs = 1_800_000_000_000;
const traceKept = 400;
/** Comparing whole states is dear. */
const compareEveryMs = 30_000;

/** The one cluster of a simulation; nobody checks its certificates. */
export const simulatedCluster = (spec: ClusterObject['spec']): Omit<ClusterObject, 'meta'> => ({
  id: 'simulatedcluster',
  spec,
  rootCa: { ...firstRoot, tokens: { worker: '', manager: '' } },
  busIssuerSeed: '',
  defaultAddrPool: ['10.0.0.0/8'],
  subnetSize: 24,
  dataPathPort: 4789,
});

export interface ClusterPorts {
  readonly checks: readonly RecordCheck[];
  readonly wrapLog?: (log: StateLog) => StateLog;
  readonly wrapExecutor?: (executor: Executor) => Executor;
  readonly onTrace?: (line: string) => void;
  /** A failure that a test has brought about: the daemon has to get over it. */
  readonly tolerates?: (error: unknown) => boolean;
}

/** A whole cluster in one process: hosts with daemons and engines, the bus, the log, and what watches them. */
export class Cluster {
  readonly options: SimOptions;
  readonly clock = new VirtualClock();
  readonly servers: Servers;
  readonly mishaps: Mishaps;
  readonly troubles = new Troubles(() => this.clock.now());
  readonly network: SimNetwork;
  readonly log: SimLog;
  readonly audit: Audit;
  readonly hosts: readonly SimHost[];
  readonly #ports: ClusterPorts;
  readonly #trace: (() => string)[] = [];
  #managers: readonly SimHost[] | undefined;
  #failure: unknown;
  /** Virtual time since which one manager has led. */
  leadingSince = 0;
  #ledBy: SimHost | undefined;
  #lastLeader: SimHost | undefined;
  #comparedAt = 0;
  #doubtUntil = 0;

  constructor(options: SimOptions, ports: ClusterPorts) {
    const { seed, busLatencyMs, logDelayMs } = options;
    this.options = options;
    this.#ports = ports;
    const [latencyMinMs, latencyMaxMs] = busLatencyMs;
    const isManager = (i: number): boolean => i < options.managers;
    const ids = Array.from({ length: options.nodes }, (_, i) => hostId(seed, i));
    this.servers = new Servers(ids.filter((_, i) => isManager(i)));
    this.mishaps = new Mishaps(new Random(seed, 'mishaps'));
    this.network = new SimNetwork(
      this.clock,
      new Random(seed, 'network'),
      { latencyMinMs, latencyMaxMs },
      this.servers,
      this.mishaps,
    );
    const logRandom = new Random(seed, 'log');
    const faults = { ...noFaults, delayMs: logDelayMs };
    this.log = new SimLog(this.clock, () => logRandom.next(), faults, 1, this.servers);
    this.audit = new Audit(this.log, [(seen) => this.#traceRecord(seen), ...ports.checks]);
    this.hosts = ids.map((_, i) => new SimHost(this, i, isManager(i)));
  }

  get managers(): readonly SimHost[] {
    return (this.#managers ??= this.hosts.filter((host) => host.isManager));
  }
  /** The manager that may speak for the cluster. */
  get leader(): SimHost | undefined {
    return this.#leaders()[0];
  }
  #leaders(): readonly SimHost[] {
    return this.managers.filter((host) => host.isLeading);
  }
  /** A leader whose clock has stood still takes its lease for good a moment longer: others may see old state. */
  doubtLeases(): void {
    this.#doubtUntil = this.clock.now() + 2 * termMs.lease;
  }
  get inDoubt(): boolean {
    return this.clock.now() < this.#doubtUntil;
  }
  host(id: string): SimHost | undefined {
    return this.hosts.find((host) => host.id === id);
  }
  wallNow(): number {
    return epochMs + this.clock.now();
  }

  /** What a user of the first manager that runs sees; the state from the log where none runs. */
  view(): View {
    return (
      this.managers.find((host) => host.manager !== undefined)?.manager?.view() ?? this.audit.store
    );
  }

  command(name: string, body: unknown): Promise<Outcome> {
    const host = this.managers.find(({ manager }) => manager !== undefined);
    return host === undefined
      ? Promise.resolve({ kind: 'unknown', message: 'no manager' })
      : host.command(name, body);
  }

  makeEngine(nodeId: string, random: Random): SimulatedEngine {
    const callMs = this.options.engineCallMs;
    const latency = [callMs / 4, callMs * 2] as const;
    const engine = new SimulatedEngine({
      clock: this.clock,
      random: () => random.next(),
      program: (task) => programOf(task, random),
      description: {
        hostname: nodeId,
        resources: { nanoCpus: 4e9, memoryBytes: 4 * 2 ** 30 },
      },
      latencyMs: { look: latency, create: latency, start: latency, stop: latency, remove: latency },
    });
    engine.interfere = (operation, taskId) =>
      operation === 'create' && isMissing(this.audit.store.task(taskId))
        ? new EngineError('No such image', false)
        : undefined;
    return engine;
  }
  wrapLog(log: StateLog): StateLog {
    return this.#ports.wrapLog?.(log) ?? log;
  }
  wrapExecutor(executor: Executor): Executor {
    return this.#ports.wrapExecutor?.(executor) ?? executor;
  }

  /** What the first daemon writes at `swarm init`, with all workers joined. */
  firstObjects(): readonly Change[] {
    const { heartbeatPeriodMs, historyLimit } = this.options;
    const spec = clusterSpecForInit({
      Dispatcher: { HeartbeatPeriod: heartbeatPeriodMs * 1e6 },
      Orchestration: { TaskHistoryRetentionLimit: historyLimit },
    });
    const object = simulatedCluster(spec);
    const nodes = this.hosts
      .filter((host) => !host.isManager || host === this.managers[0])
      .map((host) => this.nodeObject(host));
    return [{ op: 'put', kind: 'cluster', object }, ...nodes];
  }

  nodeObject({ id, isManager, certificate }: SimHost): Change {
    const role = isManager ? 'manager' : 'worker';
    const node: Omit<Node, 'meta'> = {
      id,
      spec: { Labels: {}, Role: role, Availability: 'active' },
      role,
      status: { state: 'unknown', message: '', addr: '' },
      keys: [{ key: keyText(certificate.key), seenAt: 0 }],
      ...(isManager && {
        pins: [pinOf(certificate.key)],
        manager: { addr: '', bus: '', route: '', reachability: 'reachable' },
      }),
    };
    return { op: 'put', kind: 'node', object: node };
  }

  /** Notes what happened; the text is made only when somebody reads it. */
  trace(event: string, text: () => string): void {
    const at = this.clock.now();
    const line = (): string =>
      `${(at / 1_000).toFixed(3).padStart(9)} ${event.padEnd(9)} ${text()}`;
    this.#trace.push(line);
    if (this.#trace.length > 2 * traceKept) this.#trace.splice(0, traceKept);
    this.#ports.onTrace?.(line());
  }
  #traceRecord({ seq, entry, applied }: Seen): void {
    this.trace('record', () => `${seq} epoch ${entry.epoch}`);
    for (const change of applied) this.trace('change', () => `  ${changeText(change)}`);
  }
  traced(): readonly string[] {
    return this.#trace.slice(-traceKept).map((line) => line());
  }

  /** What a daemon's actors say. One that crashed shows a bug, but for what a test has made crash. */
  report(process: SimProcess, who: string, event: string, fields: object): void {
    if (!process.alive) return;
    this.trace('report', () => `${who} ${event} ${JSON.stringify(fields, plain)}`);
    const { exit, error } = fields as { exit?: { kind: string; error?: unknown }; error?: unknown };
    const failure = exit?.kind === 'error' ? exit.error : error;
    const isCrash = exit?.kind === 'error' || event === 'manager_crashed';
    if (isCrash || error instanceof InvariantError) this.fail(failure);
  }

  /** Now and then: notes what is well, and compares the managers' states with the log's. */
  look(): void {
    const now = this.clock.now();
    const { leader } = this;
    if (leader === undefined || leader !== this.#ledBy) this.leadingSince = now;
    this.#ledBy = leader;
    if (now - this.#comparedAt < compareEveryMs) return;
    this.#comparedAt = now;
    const different = this.differing();
    if (different !== undefined) throw new Violation('agreement', different);
  }

  /** A manager whose store is not the log's, though it has come as far. */
  differing(): string | undefined {
    const { store, last } = this.audit;
    const views = this.managers.map(({ id, manager }) => ({ id, view: manager?.view() }));
    const current = views.filter(({ view }) => view?.index === last);
    const expected = current.length === 0 ? '' : digest(store);
    const other = current.find(({ view }) => view !== undefined && digest(view) !== expected);
    return other === undefined
      ? undefined
      : `the store of manager ${other.id} is not the log’s at ${last}`;
  }

  fail(error: unknown): void {
    if (this.#ports.tolerates?.(error) === true) return;
    this.#failure ??= error instanceof Error ? error : new Violation('crash', String(error));
  }
  get failure(): unknown {
    return this.#failure;
  }
  /** Lets virtual time pass. Rejects when a rule is broken. */
  run(ms: number, stop: () => boolean = () => false): Promise<void> {
    return runUntil(this.clock, this.clock.now() + ms, () => {
      this.#check();
      return stop();
    });
  }

  /** Nothing waits for anything any more: what waits at the end of a signal would be kept for good. */
  end(): void {
    for (const host of this.hosts) host.kill();
  }

  /** Between two steps: takes in what is new in the log, and ends the run when a rule is broken. */
  #check(): void {
    this.audit.poll();
    // Cheap, for it is asked after each step: as a rule one of them leads, and only the others are looked at.
    for (const host of this.managers) {
      if (host === this.#lastLeader || !host.isLeading) continue;
      if (this.#lastLeader?.isLeading === true && !this.inDoubt)
        throw new Violation('lease', `${this.#lastLeader.id} and ${host.id} lead`);
      this.#lastLeader = host;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}

const short = (id: string): string => id.slice(0, 6);

function changeText({ kind, id, before, after }: Applied): string {
  if (after === undefined) return `${kind} ${short(id)} deleted`;
  switch (kind) {
    case 'task': {
      const { serviceName, slot, nodeId, specVersion, status, desired, replaces } = after;
      const was = before === undefined ? 'new' : `${before.desired}/${before.status.state}`;
      const name = `${serviceName}.${slot > 0 ? slot : short(nodeId)} v${specVersion}`;
      const extra = `${replaces === undefined ? '' : ` replaces ${short(replaces)}`}${after.byUpdate === true ? ' by update' : ''}`;
      return `task ${short(id)} ${name} on ${short(nodeId)}: ${was} -> ${desired}/${status.state}${extra} ${status.err ?? ''}`;
    }
    case 'service':
      return `service ${after.spec.Name} ${short(id)} v${after.specVersion} ${after.updateStatus?.state ?? '-'} ${after.updateStatus?.message ?? ''}`;
    case 'node':
      return `node ${short(id)} ${after.status.state} ${after.spec.Availability}`;
    case 'cluster':
      return 'cluster';
  }
}

const plain = (_key: string, value: unknown): unknown =>
  value instanceof Error ? `${value.name}: ${value.message}` : value;
