import type { Bus, BusMessage, LogGroup, Unsubscribe } from '../../bus/ports.ts';
import { beatFrom, helloFrom, statusUpdatesFrom } from '../../bus/bodies.ts';
import type { CommandReply } from '../../bus/protocol.ts';
import { subjects } from '../../bus/subjects.ts';
import { assignmentChanges, assignmentsOf } from '../../domain/assign/assignments.ts';
import { nodeLeft, nodeReady, nodesSilent } from '../../domain/assign/node-status.ts';
import { taskReports } from '../../domain/assign/reports.ts';
import type { CommandContext } from '../../domain/commands/command.ts';
import { commands } from '../../domain/commands/mod.ts';
import { Fault } from '../../domain/errors.ts';
import type { Node, Task } from '../../domain/model/objects.ts';
import { planNode } from '../../domain/orchestrate/plan-node.ts';
import { planService } from '../../domain/orchestrate/plan-service.ts';
import { Scheduler } from '../../domain/schedule/schedule.ts';
import type { Applied, Change } from '../../domain/store/changes.ts';
import type { View } from '../../domain/store/view.ts';
import { isTerminal, taskStateRank } from '../../domain/task-state.ts';
import type { Clock } from '../../supervisors/clock.ts';
import type { Registry } from '../../supervisors/registry.ts';
import { DynamicSupervisor } from '../../supervisors/dynamic.ts';
import type { Committed, Committer } from './committer.ts';
import { wireFault } from './faults.ts';
import { CaDuty, type CaPorts } from './ca.ts';
import { Losses } from './losses.ts';
import { MembersDuty } from './members.ts';
import { isSilent, type NodeEvent, nodeMachine } from './node.machine.ts';
import type { Replica } from './replica.ts';
import { schedulerMachine } from './scheduler.machine.ts';
import { type PlanOutcome, serviceMachine } from './service.machine.ts';

export interface LeaderOptions {
  readonly bus: Bus;
  readonly replica: Replica;
  readonly committer: Committer;
  /** The lease holds: this leader may speak for the cluster. */
  readonly mayServe: () => boolean;
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
  /** Ends this leadership in favour of another manager. */
  readonly abdicate: () => void;
  readonly random: () => number;
  readonly log: (event: string, fields: object) => void;
  readonly registry?: Registry;
}

/** Commands that may be about the CA. */
const caCommands: ReadonlySet<string> = new Set(['cluster.update']);
/** Pauses between two plans, ms. */
const settleMs = { service: { afterChange: 10, afterNothing: 50 }, scheduler: 5 } as const;
/** A node beats five times in the period that the API shows, and is down half a beat after the third was missed (docs/agent.md). */
const beatsPerPeriod = 5;
const beatsMissedMax = 3;
/** Swarm's default, which 0 stands for as well, ns. */
const periodNsDefault = 5e9;
const heartbeatMsMin = 100;

/** Everything that runs only while this manager leads: an actor per service and node, the scheduler, the dispatcher. */
export class Leader {
  readonly #options: LeaderOptions;
  readonly #services: DynamicSupervisor;
  readonly #nodes: DynamicSupervisor;
  readonly #nodePlans: DynamicSupervisor;
  readonly #singles: DynamicSupervisor;
  readonly #scheduler: Scheduler;
  readonly #subscriptions: Unsubscribe[] = [];
  readonly #ca: CaDuty | undefined;
  readonly #members: MembersDuty;
  readonly #losses: Losses;
  #serving = false;

  constructor(options: LeaderOptions) {
    this.#options = options;
    const ports = (kind: string) => ({
      clock: options.clock,
      address: `leader/${kind}`,
      ...(options.registry !== undefined && { registry: options.registry }),
      report: (event: string, fields: object) => options.log(event, fields),
    });
    this.#services = new DynamicSupervisor(ports('services'));
    this.#nodes = new DynamicSupervisor(ports('nodes'));
    this.#nodePlans = new DynamicSupervisor(ports('node-plans'));
    this.#singles = new DynamicSupervisor(ports('single'));
    this.#scheduler = new Scheduler(options.replica.store);
    const { ca, bus, replica, committer, newJoinToken } = options;
    this.#losses = new Losses(options.clock, (nodeIds) => this.#declareSilent(nodeIds));
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
  }

  /**
   * Starts from the store alone: whatever the last leader missed is found by the first plans.
   * @param serving whether it has its lease already; `serve` tells of changes
   */
  start(serving: boolean): void {
    const { bus, replica, committer } = this.#options;
    this.#serving = serving;
    this.#subscriptions.push(
      replica.watch((applied) => this.#observe(applied)),
      bus.subscribe(subjects.commands, (message) => this.#onCommand(message)),
      bus.subscribe(subjects.agents('hello'), (message) => this.#onHello(message)),
      bus.subscribe(subjects.agents('status'), (message) => this.#onStatus(message)),
      bus.subscribe(subjects.agents('beat'), (message) => this.#onBeat(message)),
      bus.subscribe(subjects.agents('leave'), (message) => this.#onLeave(message)),
      bus.onConnection(() => this.#tellNodes(this.#reach())),
    );
    for (const { id } of replica.store.list('node')) {
      this.#startNode(id);
      this.#wakeNodePlan(id);
    }
    const ids = new Set<string>();
    for (const service of replica.store.list('service')) ids.add(service.id);
    for (const task of replica.store.list('task')) ids.add(task.serviceId);
    for (const id of ids) this.#wakeService(id);
    this.#singles.start('scheduler', schedulerMachine, (scope) => ({
      scope,
      pass: () => this.#schedule(),
      settleMs: settleMs.scheduler,
    }));
    const { service: settling } = settleMs;
    const duty = (plan: () => Promise<PlanOutcome>) => () => ({
      plan,
      now: () => committer.now(),
      settleMs: settling,
    });
    const ca = this.#ca;
    if (ca !== undefined)
      this.#singles.start(
        'ca',
        serviceMachine,
        duty(() => ca.plan()),
      );
    this.#singles.start(
      'members',
      serviceMachine,
      duty(() => this.#members.plan()),
    );
    if (serving) this.#announce();
  }

  /** The lease was got or lost. Without it nothing is sent to nodes and nothing heard from them. */
  serve(serving: boolean): void {
    if (serving === this.#serving) return;
    this.#serving = serving;
    this.#tellNodes(this.#reach());
    if (serving) this.#announce();
  }

  /** The nodes have lost their connections through no fault of theirs: their silence counts anew from now on. */
  excuseNodes(): void {
    this.#tellNodes({ type: 'bus', connected: false });
    this.#tellNodes(this.#reach());
  }

  /** Whether the nodes' silence says anything about them. */
  #reach(): Extract<NodeEvent, { type: 'bus' }> {
    return { type: 'bus', connected: this.#serving && this.#options.bus.isConnected() };
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#subscriptions.splice(0)) unsubscribe();
    const parts = [this.#services, this.#nodePlans, this.#nodes, this.#singles];
    await Promise.all(parts.map((part) => part.stopAll()));
  }

  /** Tells agents that this leader is the one to say hello to. */
  #announce(): void {
    this.#options.bus.publish(subjects.leader, this.#epoch());
  }

  /**
   * Runs one command of `domain/commands`; rejects with its Fault.
   * @param id by which the log is to tell it
   */
  async command(name: string, body: unknown, id?: string): Promise<Committed<unknown>> {
    const command = commands[name];
    if (command === undefined)
      throw new Fault('Unimplemented', `unknown command ${name.slice(0, 100)}`);
    const { committer, log, newJoinToken, newUnlockKey, random } = this.#options;
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

  #onHello({ subject, body, reply }: BusMessage): void {
    if (reply === undefined || !this.#options.mayServe()) return;
    const nodeId = subjects.agentOf(subject);
    if (this.#options.replica.store.node(nodeId) === undefined)
      return reply({
        ok: false,
        error: wireFault(new Fault('NotFound', `node ${nodeId} not found`)),
      });
    const hello = helloFrom(body);
    if (hello === undefined)
      return reply({
        ok: false,
        error: wireFault(new Fault('InvalidArgument', 'malformed hello')),
      });
    this.#startNode(nodeId);
    this.#ca?.tell(nodeId, false);
    this.#tellNode(nodeId, { type: 'hello', hello, reply });
  }

  #onStatus({ subject, body, reply }: BusMessage): void {
    if (reply === undefined || !this.#options.mayServe()) return;
    const nodeId = subjects.agentOf(subject);
    const updates = statusUpdatesFrom(body);
    if (updates === undefined)
      return reply({
        ok: false,
        error: wireFault(new Fault('InvalidArgument', 'malformed report')),
      });
    void this.#options.committer
      .propose((view, ctx) => ({
        changes: taskReports(view, ctx, nodeId, updates),
        result: undefined,
      }))
      .then(
        () => reply({ ok: true }),
        (error: unknown) => {
          if (error instanceof Fault && error.code === 'PermissionDenied')
            this.#options.log('status_refused', { member: nodeId, error: error.message });
          reply({ ok: false, error: wireFault(error) });
        },
      );
  }

  #onBeat({ subject, body }: BusMessage): void {
    const beat = beatFrom(body);
    if (beat !== undefined && this.#options.mayServe())
      this.#tellNode(subjects.agentOf(subject), { type: 'beat', ...beat });
  }

  #onLeave({ subject }: BusMessage): void {
    if (this.#options.mayServe()) this.#tellNode(subjects.agentOf(subject), { type: 'leave' });
  }

  #tellNode(nodeId: string, event: NodeEvent): void {
    this.#nodes.get(nodeId)?.send(event);
  }

  #tellNodes(event: NodeEvent): void {
    for (const [, actor] of this.#nodes.list()) actor.send(event);
  }

  #startNode(nodeId: string): void {
    if (this.#nodes.get(nodeId) !== undefined) return;
    const { replica, bus, mayServe } = this.#options;
    const period = replica.store.cluster()?.spec.Dispatcher.HeartbeatPeriod ?? 0;
    const heartbeatMs = Math.max(
      heartbeatMsMin,
      (period > 0 ? period : periodNsDefault) / 1e6 / beatsPerPeriod,
    );
    this.#nodes.start(nodeId, nodeMachine, (scope) => ({
      nodeId,
      scope,
      epoch: this.#epoch(),
      heartbeatMs,
      silenceMs: heartbeatMs * beatsMissedMax,
      graceMs: heartbeatMs * beatsMissedMax * 2,
      ready: (hello) =>
        this.#commit((view, now) => nodeReady(view, nodeId, hello.description, now)),
      silent: (scope) => this.#losses.declare(nodeId, scope),
      left: () => this.#commit((view) => nodeLeft(view, nodeId)),
      assignments: () => assignmentsOf(replica.store, nodeId),
      send: (assign) => {
        if (mayServe()) bus.publish(subjects.node(nodeId, 'assign'), assign);
      },
    }));
    if (!this.#reach().connected) this.#tellNode(nodeId, this.#reach());
  }

  #declareSilent(nodeIds: readonly string[]): Promise<void> {
    return this.#commit((view, now) =>
      this.#reach().connected
        ? nodesSilent(view, nodeIds, now, (id) => isSilent(this.#nodes.get(id)))
        : [],
    );
  }

  async #commit(decide: (view: View, now: number) => readonly Change[]): Promise<void> {
    await this.#options.committer.propose((view, { now }) => ({
      changes: decide(view, now),
      result: undefined,
    }));
  }

  #wakeService(serviceId: string): void {
    const running = this.#services.get(serviceId);
    if (running !== undefined) return running.send({ type: 'dirty' });
    this.#services.start(serviceId, serviceMachine, () => ({
      plan: () => this.#plan(serviceId),
      now: () => this.#options.committer.now(),
      settleMs: settleMs.service,
    }));
  }

  async #plan(serviceId: string): Promise<PlanOutcome> {
    const { result } = await this.#options.committer.propose((view, ctx) => {
      const { changes, wakeAt } = planService(view, serviceId, ctx);
      const gone =
        changes.length === 0 &&
        view.service(serviceId) === undefined &&
        isEmpty(view.tasksOfService(serviceId));
      return { changes, result: { wakeAt, gone, idle: changes.length === 0 } };
    });
    return result;
  }

  /** The plan of one node is woken, repeated and tried again as a service's is. */
  #wakeNodePlan(nodeId: string): void {
    const running = this.#nodePlans.get(nodeId);
    if (running !== undefined) return running.send({ type: 'dirty' });
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
    const { result } = await this.#options.committer.propose((view, ctx) => {
      const { changes, wakeAt } = planNode(view, nodeId, ctx);
      const idle = changes.length === 0;
      return { changes, result: { wakeAt, gone: idle && view.node(nodeId) === undefined, idle } };
    });
    return result;
  }

  async #schedule(): Promise<void> {
    const { result: more } = await this.#options.committer.propose((view, ctx) => {
      const pass = this.#scheduler.pass(view, ctx);
      return { changes: pass.changes, result: pass.more };
    });
    if (more) this.#singles.get('scheduler')?.send({ type: 'dirty' });
  }

  /** Routes what was committed to the actors that it concerns. */
  #observe(applied: readonly Applied[]): void {
    const services = new Set<string>();
    let schedule = false;
    let nodesDiffer = false;
    this.#scheduler.observe(applied);
    if (this.#ca?.observe(applied) === true) this.#singles.get('ca')?.send({ type: 'dirty' });
    if (this.#members.observe(applied)) this.#singles.get('members')?.send({ type: 'dirty' });
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
    for (const [nodeId, change] of assignmentChanges(applied))
      this.#tellNode(nodeId, { type: 'changed', change });
    if (schedule) this.#singles.get('scheduler')?.send({ type: 'dirty' });
  }

  /** Whether it matters to global services; adds to `services` those with tasks there. */
  #nodeChanged(
    id: string,
    before: Node | undefined,
    after: Node | undefined,
    services: Set<string>,
  ): boolean {
    if (after === undefined) void this.#nodes.stop(id);
    else this.#startNode(id);
    if (before !== undefined && after !== undefined && sameForPlans(before, after)) return false;
    for (const task of this.#options.replica.store.tasksOfNode(id)) services.add(task.serviceId);
    this.#wakeNodePlan(id);
    return true;
  }
}

/** Of the object that a command was about. */
const idOf = (value: unknown): unknown => (value as { readonly id?: unknown } | undefined)?.id;

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

/** Only what plans look at: a refreshed description or address moves no task. */
const sameForPlans = (a: Node, b: Node): boolean =>
  a.spec === b.spec &&
  a.status.state === b.status.state &&
  a.role === b.role &&
  a.heldUntil === b.heldUntil &&
  a.restUntil === b.restUntil &&
  a.description === b.description;
