import type { Bus, BusMessage, LogGroup, Unsubscribe } from '../../bus/ports.ts';
import type { CommandReply } from '../../bus/protocol.ts';
import { subjects } from '../../bus/subjects.ts';
import { assignmentChanges } from '../../domain/assign/assignments.ts';
import type { CommandContext } from '../../domain/commands/command.ts';
import { commands } from '../../domain/commands/mod.ts';
import { refusedFor, type Room } from '../../domain/disk-room.ts';
import { Fault } from '../../domain/errors.ts';
import type { Node, Task } from '../../domain/model/objects.ts';
import { planNode } from '../../domain/orchestrate/plan-node.ts';
import { planService } from '../../domain/orchestrate/plan-service.ts';
import { Scheduler } from '../../domain/schedule/schedule.ts';
import type { Applied } from '../../domain/store/changes.ts';
import { isTerminal, taskStateRank } from '../../domain/task-state.ts';
import type { Clock } from '../../supervisors/clock.ts';
import type { Registry } from '../../supervisors/registry.ts';
import { type DynamicPorts, DynamicSupervisor, type Restarts } from '../../supervisors/dynamic.ts';
import type { ChildPorts } from '../../supervisors/child.ts';
import { type ChildSpec, Supervisor } from '../../supervisors/supervisor.ts';
import { grow, objectRestarts, type Part, trees } from '../../supervisors/trees.ts';
import type { Committed, Committer, Decide } from './committer.ts';
import { wireFault } from '../../bus/wire-fault.ts';
import type { Report } from '../../supervisors/report.ts';
import { isLostLeadership, isNoLeader } from './faults.ts';
import { CaDuty, type CaPorts } from './ca.ts';
import { Dispatcher } from './dispatcher.ts';
import { MembersDuty } from './members.ts';
import type { Replica } from './replica.ts';
import { schedulerMachine } from './scheduler.machine.ts';
import { type PlanOutcome, serviceMachine } from './service.machine.ts';

export interface LeaderOptions {
  readonly bus: Bus;
  readonly replica: Replica;
  readonly committer: Committer;
  /** The lease holds: this leader may speak for the cluster. */
  readonly mayServe: () => boolean;
  /** What there is room for on the managers' disks. */
  readonly room: () => Room;
  /** Runs a command as soon as this manager's leader may serve; rejects with a Fault. */
  readonly command: (name: string, body: unknown) => Promise<Committed<unknown>>;
  readonly clock: Clock;
  readonly generation: number;
  readonly newJoinToken: CommandContext['newJoinToken'];
  readonly newUnlockKey: CommandContext['newUnlockKey'];
  readonly nodeId: string;
  /** Without it the CA stays as it is. */
  readonly ca?: CaPorts;
  /** Without it the log's servers stay as they are. */
  readonly group?: LogGroup;
  /** When the last beat was sent that a manager has acknowledged, on the clock. */
  readonly heardAt: (manager: string) => number | undefined;
  readonly isAbsent: (manager: string) => boolean;
  /** Ends this leadership in favour of another manager. */
  readonly abdicate: () => void;
  readonly retreat: () => void;
  readonly random: () => number;
  readonly log: Report;
  readonly registry?: Registry;
  /** A part gave up: this leadership is of no more use. */
  readonly onCrash: (error: unknown) => void;
}

/** Commands that may be about the CA. */
const caCommands: ReadonlySet<string> = new Set(['cluster.update']);
/** Pauses between two plans, ms. */
const settleMs = { service: { afterChange: 10, afterNothing: 50 }, scheduler: 5 } as const;

/** Everything that runs only while this manager leads: an actor per service and node, the scheduler, the dispatcher. */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #services: DynamicSupervisor;
  readonly #nodePlans: DynamicSupervisor;
  readonly #dispatcher: Dispatcher;
  readonly #parts: Supervisor;
  readonly #scheduler: Scheduler;
  readonly #subscriptions: Unsubscribe[] = [];
  readonly #ca: CaDuty | undefined;
  readonly #members: MembersDuty;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#services = new DynamicSupervisor(this.#children('services', 'transient'));
    this.#nodePlans = new DynamicSupervisor(this.#children('node-plans', 'transient'));
    this.#scheduler = new Scheduler(options.replica.store);
    const { ca, bus, replica, committer, newJoinToken } = options;
    this.#ca =
      ca &&
      new CaDuty({
        ...ca,
        bus,
        view: replica.store,
        propose: (decide) => committer.propose(decide),
        newJoinToken,
        epoch: () => this.#epoch(),
      });
    this.#members = new MembersDuty({
      ...options,
      view: replica.store,
      group: options.group,
      propose: (decide) => committer.propose(decide),
      now: () => committer.now(),
      report: options.log,
    });
    this.#dispatcher = new Dispatcher({
      ...options,
      epoch: () => this.#epoch(),
      children: this.#children('nodes', 'permanent'),
      onHello: (nodeId) => this.#ca?.greet(nodeId),
    });
    this.#parts = new Supervisor(
      trees.leader.flags,
      this.#singles(),
      { ...this.#ports(), random: options.random },
      options.onCrash,
    );
  }

  #ports(kind?: string): ChildPorts {
    const { clock, registry, log } = this.#options;
    return {
      clock,
      address: kind === undefined ? 'leader' : `leader/${kind}`,
      registry,
      report: log,
    };
  }

  /** For the actors of one kind of object: whatever ends one, it starts again, from the store. */
  #children(kind: string, restart: Restarts['restart']): DynamicPorts & { restarts: Restarts } {
    const { random, onCrash } = this.#options;
    return {
      ...this.#ports(kind),
      restarts: { restart, flags: objectRestarts, random, onEscalate: onCrash },
    };
  }

  #singles(): readonly ChildSpec[] {
    const ca = this.#ca;
    return grow(trees.leader, {
      scheduler: {
        logic: schedulerMachine,
        input: (scope) => ({
          scope,
          pass: () => this.#schedule(),
          settleMs: settleMs.scheduler,
        }),
      },
      ca: ca && this.#duty(() => ca.plan()),
      members: this.#duty(() => this.#members.plan()),
    });
  }

  #duty(plan: () => Promise<PlanOutcome>): Part {
    const { committer } = this.#options;
    const input = { plan, now: () => committer.now(), settleMs: settleMs.service };
    return { logic: serviceMachine, input: () => input };
  }

  /**
   * Starts from the store alone: whatever the last leader missed is found by the first plans.
   * @param serving whether it has its lease already; `serve` tells of changes
   */
  start(serving: boolean): void {
    const { bus, replica } = this.#options;
    this.#subscriptions.push(
      replica.watch((applied) => this.#observe(applied)),
      bus.subscribe(subjects.commands, (message) => this.#onCommand(message)),
    );
    for (const { id } of replica.store.list('node')) this.#wakeNodePlan(id);
    const ids = new Set<string>();
    for (const service of replica.store.list('service')) ids.add(service.id);
    for (const task of replica.store.list('task')) ids.add(task.serviceId);
    for (const id of ids) this.#wakeService(id);
    this.#parts.start();
    this.#dispatcher.start(serving);
  }

  /** The lease was got or lost. */
  serve(serving: boolean): void {
    this.#dispatcher.serve(serving);
  }

  /** What is known of other managers may have changed. */
  heedManagers(): void {
    if (this.#members.heed()) this.#wake('members');
  }

  /** Nodes have lost their connections through no fault of theirs, all but `except`: they have longer to come back. */
  excuseNodes(except: string): void {
    this.#dispatcher.excuseNodes(except);
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#subscriptions.splice(0)) unsubscribe();
    await Promise.all([
      this.#services.stopAll(),
      this.#nodePlans.stopAll(),
      this.#dispatcher.stop(),
      this.#parts.stop(),
    ]);
  }

  /**
   * Runs one command of `domain/commands`; rejects with its Fault.
   * @param id by which the log is to tell it
   */
  async command(name: string, body: unknown, id?: string): Promise<Committed<unknown>> {
    const command = commands[name];
    if (command === undefined)
      throw new Fault('Unimplemented', `unknown command ${name.slice(0, 100)}`);
    const { committer, log, newJoinToken, newUnlockKey, random, room } = this.#options;
    const refused = refusedFor(name, room());
    if (refused !== undefined) throw refused;
    const given = { newJoinToken, newUnlockKey, random };
    const context = { ...given, now: committer.now(), newId: () => '' };
    const ca = caCommands.has(name) ? await this.#ca?.inquire(command, body, context) : undefined;
    const done = await committer.propose(
      (view, ctx) =>
        command.decide(view, { ...ctx, ...given, ...(ca !== undefined && { ca }) }, body),
      id,
    );
    log('command', { command: name, id: idOf(body) ?? idOf(done.result), index: done.index });
    return done;
  }

  #epoch() {
    return { generation: this.#options.generation, epoch: this.#options.committer.epoch };
  }

  #onCommand(message: BusMessage): void {
    const { reply } = message;
    if (reply === undefined) return;
    void this.#options.command(subjects.commandName(message.subject), message.body).then(
      ({ result, index }) => reply({ ok: true, result, index } satisfies CommandReply),
      (error: unknown) => reply({ ok: false, error: wireFault(error) } satisfies CommandReply),
    );
  }

  #wakeService(serviceId: string): void {
    if (this.#services.has(serviceId))
      return void this.#services.send(serviceId, { type: 'dirty' });
    this.#services.start(serviceId, serviceMachine, () => ({
      plan: () => this.#plan(serviceId),
      now: () => this.#options.committer.now(),
      settleMs: settleMs.service,
    }));
  }

  async #plan(serviceId: string): Promise<PlanOutcome> {
    const { result } = await this.#planned({ service: serviceId }, (view, ctx) => {
      const { changes, wakeAt } = planService(view, serviceId, ctx);
      const gone =
        changes.length === 0 &&
        view.service(serviceId) === undefined &&
        isEmpty(view.tasksOfService(serviceId));
      return {
        changes,
        result: { wakeAt, gone, idle: changes.length === 0 },
        cut: goesOn(ctx.now),
      };
    });
    return result;
  }

  /** The plan of one node is woken, repeated and tried again as a service's is. */
  #wakeNodePlan(nodeId: string): void {
    if (this.#nodePlans.has(nodeId)) return void this.#nodePlans.send(nodeId, { type: 'dirty' });
    const { store } = this.#options.replica;
    const node = store.node(nodeId);
    const isWaiting = node?.heldUntil !== undefined || node?.restUntil !== undefined;
    // There is nothing to plan, and who has no tasks gets none that its state of now forbids.
    if (!isWaiting && isEmpty(store.tasksOfNode(nodeId))) return;
    this.#nodePlans.start(nodeId, serviceMachine, () => ({
      plan: () => this.#planNode(nodeId),
      now: () => this.#options.committer.now(),
      settleMs: settleMs.service,
    }));
  }

  async #planNode(nodeId: string): Promise<PlanOutcome> {
    const { result } = await this.#planned({ member: nodeId }, (view, ctx) => {
      const { changes, wakeAt } = planNode(view, nodeId, ctx);
      const idle = changes.length === 0;
      const gone = idle && view.node(nodeId) === undefined;
      return { changes, result: { wakeAt, gone, idle }, cut: goesOn(ctx.now) };
    });
    return result;
  }

  /** A plan that fails is made again; it says so, unless it failed because this leader is one no more. */
  async #planned<T>(about: object, decide: Decide<T>): Promise<Committed<T>> {
    try {
      return await this.#options.committer.propose(decide);
    } catch (error) {
      if (!isNoLeader(error) && !isLostLeadership(error))
        this.#options.log('plan_failed', { ...about, error }, 'warn');
      throw error;
    }
  }

  async #schedule(): Promise<void> {
    const { result: more } = await this.#planned({ part: 'scheduler' }, (view, ctx) => {
      const pass = this.#scheduler.pass(view, ctx);
      return { changes: pass.changes, result: pass.more, cut: { result: true } };
    });
    for (const { kind, id, reason } of this.#scheduler.takeFailures())
      this.#options.log(
        'scheduling_failed',
        { [kind === 'node' ? 'member' : kind]: id, reason },
        'warn',
      );
    if (more) this.#wake('scheduler');
  }

  /** One that is being restarted begins with a look of its own. */
  #wake(part: 'scheduler' | 'ca' | 'members'): void {
    this.#parts.get(part)?.send({ type: 'dirty' });
  }

  /** Routes what was committed to the actors that it concerns. */
  #observe(applied: readonly Applied[]): void {
    const services = new Set<string>();
    let schedule = false;
    let nodesDiffer = false;
    this.#scheduler.observe(applied);
    if (this.#ca?.observe(applied) === true) this.#wake('ca');
    if (this.#members.observe(applied)) this.#wake('members');
    for (const change of applied) {
      if (change.kind === 'service') services.add(change.id);
      else if (change.kind === 'task') {
        if (mattersToPlans(change.before, change.after))
          services.add((change.after ?? (change.before as Task)).serviceId);
        schedule ||= needsScheduler(change.before, change.after);
      } else if (change.kind === 'node') {
        schedule = true;
        nodesDiffer =
          this.#nodeChanged(change.id, change.before, change.after, services) || nodesDiffer;
      }
    }
    if (nodesDiffer)
      for (const { id, spec } of this.#options.replica.store.list('service'))
        if (spec.Mode.Global !== undefined) services.add(id);
    for (const id of services) this.#wakeService(id);
    for (const [nodeId, ids] of assignmentChanges(applied)) this.#dispatcher.changed(nodeId, ids);
    if (schedule) this.#wake('scheduler');
  }

  /** Whether it matters to global services; adds to `services` those with tasks there. */
  #nodeChanged(
    id: string,
    before: Node | undefined,
    after: Node | undefined,
    services: Set<string>,
  ): boolean {
    if (after === undefined) void this.#dispatcher.stopNode(id);
    else this.#dispatcher.startNode(id);
    if (before !== undefined && after !== undefined && sameForPlans(before, after)) return false;
    for (const task of this.#options.replica.store.tasksOfNode(id)) services.add(task.serviceId);
    this.#wakeNodePlan(id);
    return true;
  }
}

/** Of the object that a command was about. */
const idOf = (value: unknown): unknown => (value as { readonly id?: unknown } | undefined)?.id;

/** Only the first changes of a plan fit into a record: the rest is planned at once. */
const goesOn = (now: number): { readonly result: PlanOutcome } => ({
  result: { wakeAt: now, gone: false, idle: false },
});

const isEmpty = (items: Iterable<unknown>): boolean => {
  for (const _ of items) return false;
  return true;
};

/** Between a node's acceptance and `running` a plan has nothing to decide. */
const mattersToPlans = (before: Task | undefined, after: Task | undefined): boolean =>
  before === undefined ||
  after === undefined ||
  before.desired !== after.desired ||
  taskStateRank[after.status.state] >= taskStateRank.running;

/** A task came to wait for a node, or one ended and left room. */
const needsScheduler = (before: Task | undefined, after: Task | undefined): boolean =>
  after?.status.state === 'pending' ||
  (before !== undefined &&
    !isTerminal(before.status.state) &&
    (after === undefined || isTerminal(after.status.state)));

/** Only what plans look at. */
const sameForPlans = (a: Node, b: Node): boolean =>
  a.spec === b.spec &&
  a.status.state === b.status.state &&
  a.status.addr === b.status.addr &&
  a.role === b.role &&
  a.heldUntil === b.heldUntil &&
  a.restUntil === b.restUntil &&
  a.description === b.description;
