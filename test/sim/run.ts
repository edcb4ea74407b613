import process from 'node:process';
import type { Executor } from '../../actors/agent/ports.ts';
import type { StateLog } from '../../bus/ports.ts';
import { AcknowledgedCheck } from './check/acknowledged.ts';
import { checkAdvance } from './check/advance.ts';
import { ContainerCheck } from './check/containers.ts';
import { CertificateCheck } from './check/certificates.ts';
import { EngineCheck } from './check/engines.ts';
import { unconverged } from './check/converged.ts';
import { digest } from './check/digest.ts';
import { ReasonCheck } from './check/reasons.ts';
import { checkResources } from './check/resources.ts';
import { checkRolling } from './check/rolling.ts';
import { checkExclusive } from './check/slots.ts';
import { Violation } from './check/violation.ts';
import { Nemesis } from './faults.ts';
import type { SimOptions } from './options.ts';
import { Client, Counter } from './workload/client.ts';
import { Operator } from './workload/operator.ts';
import { boot } from './world/boot.ts';
import { Cluster } from './world/cluster.ts';

export interface SimResult {
  readonly seed: number;
  /** Undefined when every check held. */
  readonly failure: Error | undefined;
  readonly virtualMs: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly refused: number;
  readonly faults: number;
  readonly records: number;
  /** How often each operation was begun, and its messages were lost or late. */
  readonly operations: Readonly<Record<string, number>>;
  readonly mishaps: Readonly<Record<string, number>>;
  /** From the last heal to convergence, virtual ms. */
  readonly convergedMs: number;
  /** Hash of the final state: equal for two runs of one seed. */
  readonly digest: string;
  readonly trace: readonly string[];
}
export interface SimHooks {
  readonly onTrace?: (line: string) => void;
  /** For planted bugs: stand between a manager and its log, an agent and its engine. */
  readonly wrapLog?: (log: StateLog) => StateLog;
  readonly wrapExecutor?: (executor: Executor) => Executor;
  /** Changes what all runs share; the function that it answers takes that back. */
  readonly plant?: () => () => void;
}

const plannedMs = 20_000;
const plannedEveryMs = 2_000;
const lookEveryMs = 1_000;
/** The faults leave the cluster enough good moments to reach the run's goals by then. */
const safetyLimitMs = 60 * 60_000;
/** Everything healed, the cluster has this long to come to what its specs say. */
const convergeLimitMs = 15 * 60_000;
/** It has to stay so; what is wrong for less than `passingMs` is on its way. */
const steadyMs = 30_000;
const passingMs = 15_000;

/** Runs one cluster through a phase with faults (safety) and one without (liveness). Same options, same run. */
export async function simulate(options: SimOptions, hooks: SimHooks = {}): Promise<SimResult> {
  const acknowledged = new AcknowledgedCheck();
  const certificates = new CertificateCheck(() => cluster);
  const reasons = new ReasonCheck(() => cluster);
  const cluster: Cluster = new Cluster(options, {
    checks: [
      checkAdvance,
      checkExclusive,
      checkRolling,
      checkResources,
      acknowledged.record,
      reasons.record,
      certificates.record,
    ],
    ...hooks,
  });
  const nemesis = new Nemesis(cluster);
  const ops = new Counter();
  const operator = new Operator(cluster, ops, acknowledged);
  const onRejection = (reason: unknown): void => cluster.fail(reason);
  process.on('unhandledRejection', onRejection);
  const uproot = hooks.plant?.();
  let failure: Error | undefined;
  let convergedMs = 0;
  try {
    const isBooted = cluster.troubles.begin('host');
    await boot(cluster);
    isBooted();
    await safety(cluster, nemesis, acknowledged, ops, operator);
    convergedMs = await liveness(cluster);
    await planned(cluster, operator);
    await liveness(cluster);
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  } finally {
    uproot?.();
    cluster.end();
    process.off('unhandledRejection', onRejection);
  }
  return {
    seed: options.seed,
    failure,
    virtualMs: cluster.clock.now(),
    acknowledged: acknowledged.acknowledged,
    unknown: acknowledged.unknown,
    refused: acknowledged.refused,
    faults: nemesis.faults,
    records: cluster.audit.last,
    operations: Object.fromEntries(operator.done),
    mishaps: Object.fromEntries(cluster.mishaps.hits),
    convergedMs,
    digest: digest(cluster.audit.store),
    trace: cluster.traced(),
  };
}

async function safety(
  cluster: Cluster,
  nemesis: Nemesis,
  acknowledged: AcknowledgedCheck,
  ops: Counter,
  operator: Operator,
): Promise<void> {
  const { options } = cluster;
  const containers = new ContainerCheck(cluster);
  const engines = new EngineCheck(cluster);
  const clients = Array.from(
    { length: options.clients },
    (_, i) => new Client(cluster, i, ops, acknowledged),
  );
  for (const client of clients) client.start();
  operator.start();
  nemesis.start();
  const { safetyMs, goals } = options;
  const reached = (): boolean =>
    acknowledged.acknowledged >= goals.acknowledged && nemesis.faults >= goals.faults;
  for (let ms = 0; ms < safetyMs || !reached(); ms += lookEveryMs) {
    if (ms > Math.max(safetyMs, safetyLimitMs))
      throw new Violation('progress', `only ${acknowledged.acknowledged} commands acknowledged`);
    await cluster.run(lookEveryMs);
    cluster.look();
    containers.look();
    engines.look();
  }
  cluster.trace('phase', () => 'heal');
  nemesis.heal();
  operator.stop();
  for (const client of clients) client.stop();
}

/**
 * Nothing happens but operations, whose messages get lost and come late: no node may be down for them, and no task be
 * replaced that its service's spec does not say.
 */
async function planned(cluster: Cluster, operator: Operator): Promise<void> {
  const { troubles, mishaps, options } = cluster;
  troubles.forget();
  cluster.trace('phase', () => 'operations');
  mishaps.rate = options.mishapRate;
  operator.start(plannedEveryMs);
  await cluster.run(plannedMs);
  operator.stop();
  mishaps.rate = 0;
}

/**
 * Answers how long it took from the heal to convergence, ms: the first time from which on nothing that is not as it
 * should be lasts. Services that crash again and again never come to rest, so what passes at once does not count.
 */
async function liveness(cluster: Cluster): Promise<number> {
  const containers = new ContainerCheck(cluster);
  const began = cluster.clock.now();
  const open = new Map<string, { readonly since: number; readonly text: string }>();
  let convergedAt: number | undefined;
  for (;;) {
    const now = cluster.clock.now();
    const found = new Map(
      unconverged(cluster).map((text) => [text.replaceAll(/\b\d+ /g, ''), text]),
    );
    for (const key of open.keys()) if (!found.has(key)) open.delete(key);
    for (const [key, text] of found) open.set(key, { since: open.get(key)?.since ?? now, text });
    const lasting = [...open.values()].filter(({ since }) => now - since >= passingMs);
    if (open.size === 0 || (now - began >= passingMs && lasting.length === 0)) convergedAt ??= now;
    else if (lasting.length > 0) convergedAt = undefined;
    if (convergedAt !== undefined && now - convergedAt >= steadyMs) return convergedAt - began;
    if (now - began > convergeLimitMs) {
      const texts = lasting.map(({ text }) => text);
      throw new Violation('convergence', `${texts.slice(0, 5).join('; ')} (${texts.length})`);
    }
    await cluster.run(lookEveryMs);
    cluster.look();
    containers.look();
  }
}
