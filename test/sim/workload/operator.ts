import type { Node } from '../../../domain/model/objects.ts';
import type { ClusterSpec, NodeRole } from '../../../domain/model/spec.ts';
import type { View } from '../../../domain/store/view.ts';
import { type AcknowledgedCheck, opLabel } from '../check/acknowledged.ts';
import type { OperationKind } from '../options.ts';
import type { Cluster } from '../world/cluster.ts';
import type { SimHost } from '../world/daemon.ts';
import type { SimBus } from '../world/network.ts';
import { SimProcess } from '../world/process.ts';
import { Random } from '../world/random.ts';
import type { Counter } from './client.ts';
import { overBus } from './outcome.ts';

interface Wish {
  readonly what: 'cluster' | 'node' | 'none';
  readonly id?: string;
  readonly name?: string;
  readonly body?: object;
}
const timesInARow = 10;
const tries = 3;

/**
 * Whoever runs the cluster: roots, tokens and unlock keys are rotated, nodes promoted and demoted, certificates renewed, servers
 * reloaded. An operation is done once, ten times in a row, or at the same time as another one; what fails is tried again.
 */
export class Operator {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #ops: Counter;
  readonly #check: AcknowledgedCheck;
  readonly #bus: SimBus;
  #everyMs: number;
  #stopped = false;
  /** How often each operation was begun. */
  readonly done = new Map<OperationKind, number>();

  constructor(cluster: Cluster, ops: Counter, check: AcknowledgedCheck) {
    this.#cluster = cluster;
    this.#random = new Random(cluster.options.seed, 'operator');
    this.#ops = ops;
    this.#check = check;
    this.#bus = cluster.network.connect(new SimProcess(cluster.clock));
    this.#everyMs = cluster.options.operationEveryMs;
  }

  start(everyMs = this.#everyMs): void {
    this.#everyMs = everyMs;
    this.#stopped = false;
    const { operations } = this.#cluster.options;
    if (Object.values(operations).some((weight) => weight > 0)) this.#next();
  }
  stop(): void {
    this.#stopped = true;
  }

  #next(): void {
    this.#cluster.clock.setTimeout(() => {
      if (!this.#stopped) void this.#turn().catch((error: unknown) => this.#cluster.fail(error));
    }, this.#random.spacing(this.#everyMs));
  }

  async #turn(): Promise<void> {
    const { operations } = this.#cluster.options;
    const draw = (): OperationKind => this.#random.weighted<OperationKind>(operations);
    const kind = draw();
    switch (this.#random.weighted({ once: 6, again: 1, two: 3 })) {
      case 'once':
        await this.#do(kind);
        break;
      case 'again':
        for (let i = 0; i < timesInARow && !this.#stopped; i++) await this.#do(kind);
        break;
      case 'two':
        await Promise.all([this.#do(kind), this.#do(draw())]);
    }
    if (!this.#stopped) this.#next();
  }

  /** Tried again on what the state is by then, as a person would. */
  async #do(kind: OperationKind): Promise<void> {
    this.#cluster.trace('operation', () => kind);
    this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
    for (let i = 0; i < tries; i++) {
      const running = this.#cluster.managers.filter(({ manager }) => manager !== undefined);
      const host = running.length === 0 ? undefined : this.#random.pick(running);
      if (host?.manager !== undefined && (await this.#try(kind, host, host.manager.view()))) return;
      await new Promise<void>((resolve) => void this.#cluster.clock.setTimeout(resolve, 500));
    }
  }

  /** Whether it is done, as far as anybody tells. */
  async #try(kind: OperationKind, host: SimHost, view: View): Promise<boolean> {
    const op = this.#ops.next();
    const { what, id = '', name, body = {} } = this.#wish(kind, view, op);
    if (what === 'none' || name === undefined) return true;
    const asked = { op, kind: what, what: 'write', id } as const;
    this.#check.ask(asked);
    const outcome = this.#random.chance(0.5)
      ? await overBus(this.#bus, name, body)
      : await host.command(name, body);
    this.#cluster.trace('outcome', () => `${op} ${kind} ${outcome.kind}`);
    this.#check.answer(asked, outcome, this.#cluster.audit);
    return outcome.kind === 'acknowledged';
  }

  #wish(kind: OperationKind, view: View, op: number): Wish {
    switch (kind) {
      case 'rotateTokens':
        return ofCluster(view, op, (spec) => spec, {
          rotateWorkerToken: true,
          rotateManagerToken: true,
        });
      case 'rotateUnlockKey':
        return ofCluster(view, op, (spec) => spec, { rotateManagerUnlockKey: true });
      case 'lock':
        return ofCluster(view, op, (spec) => ({
          ...spec,
          EncryptionConfig: { AutoLockManagers: !spec.EncryptionConfig.AutoLockManagers },
        }));
      case 'rotateRoot':
        return ofCluster(view, op, (spec) => ({
          ...spec,
          CAConfig: { ...spec.CAConfig, ForceRotate: (spec.CAConfig.ForceRotate ?? 0) + 1 },
        }));
      case 'promote':
        return this.#role(view, op, 'manager');
      case 'demote':
        return this.#role(view, op, 'worker');
      case 'renew':
        this.#random.pick(this.#cluster.hosts).renew();
        return { what: 'none' };
      case 'reload':
        this.#random.pick(this.#cluster.managers).reloadServer();
        return { what: 'none' };
    }
  }

  /** Of a node without a part in the log: managers come and go in `handover/`. */
  #role(view: View, op: number, Role: NodeRole): Wish {
    const nodes: readonly Node[] = [...view.list('node')].filter(
      ({ id, spec }) => this.#cluster.host(id)?.isManager === false && spec.Role !== Role,
    );
    if (nodes.length === 0) return { what: 'none' };
    const { id, meta, spec } = this.#random.pick(nodes);
    const labelled = { ...spec, Role, Labels: { ...spec.Labels, [opLabel]: String(op) } };
    const body = { id, version: meta.version, spec: labelled };
    return { what: 'node', id, name: 'node.update', body };
  }
}

function ofCluster(
  view: View,
  op: number,
  change: (spec: ClusterSpec) => ClusterSpec,
  flags: object = {},
): Wish {
  const cluster = view.cluster();
  if (cluster === undefined) return { what: 'none' };
  const { meta, spec } = cluster;
  const labelled = { ...change(spec), Labels: { ...spec.Labels, [opLabel]: String(op) } };
  const body = { version: meta.version, spec: labelled, ...flags };
  return { what: 'cluster', id: cluster.id, name: 'cluster.update', body };
}
