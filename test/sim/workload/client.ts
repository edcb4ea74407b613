import type { Node, Service } from '../../../domain/model/objects.ts';
import type { View } from '../../../domain/store/view.ts';
import type { AcknowledgedCheck, Asked, Outcome } from '../check/acknowledged.ts';
import { opLabel } from '../check/acknowledged.ts';
import { Violation } from '../check/violation.ts';
import type { CommandKind } from '../options.ts';
import type { Cluster } from '../world/cluster.ts';
import type { SimHost } from '../world/daemon.ts';
import type { SimBus } from '../world/network.ts';
import { SimProcess } from '../world/process.ts';
import { Random } from '../world/random.ts';
import { overBus } from './outcome.ts';
import { drawImage, drawReplicas, drawService, type Wire, withOp, zones } from './specs.ts';

interface Command {
  readonly asked: Asked;
  readonly name: string;
  readonly body: object;
  /** Has to be refused. */
  readonly stale?: boolean;
}
const burstPauseMs = 5;
const idlePauseMs = 20_000;
const hurryPauseMs = 50;
/** Some commands are refused, and the faults take time. */
const hurry = 0.5;

const outcomeText = (outcome: Outcome): string =>
  outcome.kind === 'acknowledged'
    ? `acknowledged at ${outcome.index}`
    : `${outcome.kind}: ${outcome.message}`;

/** Numbers commands across all clients. */
export class Counter {
  #last = 0;
  next(): number {
    return ++this.#last;
  }
}

/**
 * A user of the cluster: one command at a time, with pauses, through a manager's API or over the bus. It decides on what
 * that manager's store says now, so its versions are often behind.
 */
export class Client {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #ops: Counter;
  readonly #check: AcknowledgedCheck;
  readonly #bus: SimBus;
  #stopped = false;

  constructor(cluster: Cluster, index: number, ops: Counter, check: AcknowledgedCheck) {
    this.#cluster = cluster;
    this.#random = new Random(cluster.options.seed, `client ${index}`);
    this.#ops = ops;
    this.#check = check;
    this.#bus = cluster.network.connect(new SimProcess(cluster.clock));
  }

  start(): void {
    const burst = this.#random.chance(this.#cluster.options.burstRate);
    const mean = burst ? burstPauseMs : this.#pauseMs();
    const pause = this.#random.spacing(mean);
    this.#cluster.clock.setTimeout(() => {
      if (!this.#stopped) void this.#turn().catch((error: unknown) => this.#cluster.fail(error));
    }, pause);
  }
  stop(): void {
    this.#stopped = true;
  }

  /** In a run with a goal the clients hurry as they must to reach it in time, and hardly go on when it is reached. */
  #pauseMs(): number {
    const { clock, options } = this.#cluster;
    const { commandEveryMs, safetyMs, clients, goals, burstRate } = options;
    if (goals.acknowledged === 0) return commandEveryMs;
    const toDo = goals.acknowledged - this.#check.acknowledged;
    const left = Math.max(0, safetyMs - clock.now());
    const even = (clients * left) / Math.max(1, toDo) / (1 - burstRate);
    return toDo <= 0 ? idlePauseMs : Math.max(hurryPauseMs, even * hurry);
  }

  async #turn(): Promise<void> {
    if (this.#random.chance(0.25)) await this.#look();
    const host = this.#host();
    const command = this.#draw(host?.manager?.view() ?? this.#cluster.view());
    if (command !== undefined) await this.#run(command, host);
    this.start();
  }

  /** A manager that runs: each of them serves. */
  #host(): SimHost | undefined {
    const running = this.#cluster.managers.filter(({ manager }) => manager !== undefined);
    return running.length === 0 ? undefined : this.#random.pick(running);
  }

  /** What is read shows everything that was acknowledged before, to whomever and by whichever manager. */
  async #look(): Promise<void> {
    const { newest } = this.#check;
    const host = this.#host();
    const index = (await host?.read())?.index;
    if (index !== undefined && index < newest && !this.#cluster.inDoubt)
      throw new Violation('stale', `${host?.id} showed ${index} after ${newest} was acknowledged`);
  }

  async #run({ asked, name, body, stale }: Command, host: SimHost | undefined): Promise<void> {
    const { op, what, kind } = asked;
    this.#cluster.trace('command', () => `${op} ${name} ${what} ${JSON.stringify(body)}`);
    this.#check.ask(asked);
    const outcome = this.#random.chance(0.3)
      ? await overBus(this.#bus, name, body)
      : ((await host?.command(name, body)) ?? { kind: 'unknown', message: 'no manager' });
    this.#cluster.trace('outcome', () => `${op} ${outcomeText(outcome)}`);
    if (stale === true && outcome.kind === 'acknowledged')
      throw new Violation('stale', `command ${op} with an old version of the ${kind} was taken`);
    if (stale !== true) this.#check.answer(asked, outcome, this.#cluster.audit);
  }

  #draw(view: View): Command | undefined {
    const kind = this.#random.weighted<CommandKind>(this.#cluster.options.commands);
    const op = this.#ops.next();
    if (kind === 'drain') return this.#drain(view, op);
    const name = `s${this.#random.int(1, this.#cluster.options.servicesMax)}`;
    const service = view.serviceByName(name);
    if (service === undefined || kind === 'create') return this.#create(name, op);
    if (kind === 'remove')
      return {
        asked: { op, kind: 'service', what: 'remove', id: service.id },
        name: 'service.remove',
        body: { id: service.id },
      };
    return this.#update(service, kind, op);
  }

  #create(name: string, op: number): Command {
    const spec = withOp(drawService(this.#random, this.#cluster.options, name), op);
    return {
      asked: { op, kind: 'service', what: 'write', id: '' },
      name: 'service.create',
      body: { spec },
    };
  }

  #update(service: Service, kind: CommandKind, op: number): Command {
    const { id, meta } = service;
    const oldest = meta.versionOfSpec ?? meta.version; // that an update may have seen
    const rollback = kind === 'rollback' && service.previousSpec !== undefined;
    const stale = kind === 'stale';
    return {
      asked: { op, kind: 'service', what: rollback ? 'rollback' : 'write', id },
      name: 'service.update',
      body: {
        id,
        version: stale ? oldest - 1 : oldest,
        spec: withOp(this.#changed(service, kind), op),
        ...(rollback && { rollback: 'previous' }),
      },
      ...(stale && { stale }),
    };
  }

  #changed({ spec }: Service, kind: CommandKind): Wire {
    const wire = spec as unknown as Wire;
    const task = wire.TaskTemplate;
    switch (kind) {
      case 'scale':
        return spec.Mode.Replicated === undefined
          ? wire
          : {
              ...wire,
              Mode: { Replicated: { Replicas: drawReplicas(this.#random, this.#cluster.options) } },
            };
      case 'force':
        return { ...wire, TaskTemplate: { ...task, ForceUpdate: task.ForceUpdate + 1 } };
      case 'update': {
        if (this.#random.chance(0.2)) {
          const drawn = drawService(this.#random, this.#cluster.options, wire.Name);
          return { ...drawn, Mode: wire.Mode };
        }
        const ContainerSpec = { ...task.ContainerSpec, Image: drawImage(this.#random) };
        return { ...wire, TaskTemplate: { ...task, ContainerSpec } };
      }
      case 'create':
      case 'label':
      case 'rollback':
      case 'remove':
      case 'drain':
      case 'stale':
        return wire;
    }
  }

  #drain(view: View, op: number): Command | undefined {
    const nodes: readonly Node[] = [...view.list('node')];
    if (nodes.length < 2) return undefined;
    const { id, meta, spec } = this.#random.pick(nodes);
    const Availability = this.#random.weighted({ active: 3, drain: 1, pause: 0.5 });
    const zone = this.#random.pick(zones);
    return {
      asked: { op, kind: 'node', what: 'write', id },
      name: 'node.update',
      body: {
        id,
        version: meta.version,
        spec: { ...spec, Availability, Labels: { zone, [opLabel]: String(op) } },
      },
    };
  }
}
