import { heartbeatFrom, helloFrom, statusUpdatesFrom } from '../../bus/agent-bodies.ts';
import { packedBytes } from '../../bus/codec.ts';
import type { Bus, BusMessage, Unsubscribe } from '../../bus/ports.ts';
import type { LeaderTerm } from '../../bus/protocol.ts';
import { type AgentVerb, subjects } from '../../bus/subjects.ts';
import { assignmentOf, assignmentsOf } from '../../domain/assign/assignments.ts';
import {
  engineHeard,
  type EngineTrouble,
  isNews,
  nodeHello,
} from '../../domain/assign/engine-status.ts';
import { DescriptionPace } from '../../domain/assign/description-pace.ts';
import { heartbeatPeriodOf } from '../../domain/assign/heartbeat.ts';
import { knownAt } from '../../domain/assign/known-fields.ts';
import { Outbox } from '../../domain/assign/outbox.ts';
import { isBarred, nodeFloods } from '../../domain/assign/flood.ts';
import { nodePhase } from '../../domain/assign/node-phase.ts';
import { nodeDescribed, nodeLeft, nodesSilent } from '../../domain/assign/node-status.ts';
import { taskReports } from '../../domain/assign/reports.ts';
import { sessionFailed } from '../../domain/assign/session-failure.ts';
import { reportsWait, type Room } from '../../domain/disk-room.ts';
import { errorText, Fault } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { upgraded, versionBefore } from '../../domain/format/format.ts';
import { wireFormat } from '../../domain/format/formats.ts';
import { levelBefore } from '../../domain/format/levels.ts';
import type { NodeDescription } from '../../domain/model/objects.ts';
import type { Change } from '../../domain/store/changes.ts';
import type { View } from '../../domain/store/view.ts';
import type { Clock } from '../../supervisors/clock.ts';
import { type DynamicPorts, DynamicSupervisor } from '../../supervisors/dynamic.ts';
import { Heartbeats } from './heartbeats.ts';
import type { Committer } from './committer.ts';
import { wireFault } from '../../bus/wire-fault.ts';
import type { Report } from '../../supervisors/report.ts';
import { Front } from './front.ts';
import { Inbox } from './inbox.ts';
import { NodeDownBatcher } from './node-down-batcher.ts';
import {
  hearHeartbeat,
  isSilent,
  lookForHeartbeats,
  type NodeEvent,
  type NodeInput,
  nodeMachine,
} from './node.machine.ts';
import type { Replica } from './replica.ts';

export interface DispatcherPorts {
  readonly bus: Bus;
  readonly replica: Replica;
  readonly committer: Committer;
  readonly clock: Clock;
  /** The lease holds: this leader may speak for the cluster. */
  readonly mayServe: () => boolean;
  /** What there is room for on the managers' disks. */
  readonly room: () => Room;
  readonly epoch: () => LeaderTerm;
  /** How the nodes' actors are supervised. */
  readonly children: DynamicPorts & Required<Pick<DynamicPorts, 'restarts'>>;
  /** A node is about to get a session. */
  readonly onHello: (nodeId: string) => void;
  readonly log: Report;
}

const floodTodo =
  'look after this node: it sends more than an agent does; if it is not yours any more, docker node rm --force';
/** A session that failed once is simply begun anew; from the second failure in a row on the node says so. */
const failuresTold = 2;
const tooOften =
  'the node changes its description too often; the newest one is taken when it has been quiet for a while';

/** The leader's part that speaks with nodes: an actor for each, and the messages from them to it. */
export class Dispatcher {
  readonly #ports: DispatcherPorts;
  readonly #nodes: DynamicSupervisor;
  readonly #nodeDownBatcher: NodeDownBatcher;
  readonly #pace = new DescriptionPace();
  readonly #inbox: Inbox;
  readonly #front: Front;
  readonly #heartbeats: Heartbeats;
  readonly #subscriptions: Unsubscribe[] = [];
  #serving = false;
  #heartbeat = heartbeatPeriodOf(0, 0);
  #looking: number | undefined;
  /** Sessions that may begin anew before the next look because their nodes are to have another heartbeat. */
  #renewals = 0;

  constructor(ports: DispatcherPorts) {
    this.#ports = ports;
    const { children } = ports;
    this.#nodes = new DynamicSupervisor({
      ...children,
      restarts: {
        ...children.restarts,
        onRestart: (nodeId, error, streak) => this.#onFailure(nodeId, error, streak),
      },
    });
    this.#nodeDownBatcher = new NodeDownBatcher(ports.clock, (nodeIds) =>
      this.#declareSilent(nodeIds),
    );
    this.#inbox = new Inbox(ports);
    this.#front = new Front({
      clock: ports.clock,
      isKnown: (nodeId) => ports.replica.store.node(nodeId) !== undefined,
      onFlood: (nodeId) => void this.#cutOff(nodeId),
    });
    this.#heartbeats = new Heartbeats(ports.clock, (nodeId, heartbeat) => {
      const actor = this.#nodes.get(nodeId);
      if (actor !== undefined) hearHeartbeat(actor, heartbeat);
      this.#describe(nodeId);
    });
  }

  /** Nodes' silences that are judged only when the messages that came before are handled. */
  get waiting(): number {
    return this.#inbox.size;
  }

  /** @param serving whether the leader has its lease already; `serve` tells of changes */
  start(serving: boolean): void {
    const { bus, replica } = this.#ports;
    this.#serving = serving;
    this.#subscriptions.push(
      this.#listen('hello', (message) => this.#onHello(message)),
      this.#listen('status', (message) => this.#onStatus(message)),
      this.#listen('beat', (message) => this.#onHeartbeat(message)),
      this.#listen('leave', (message) => this.#onLeave(message)),
      bus.onConnection(() => this.#tellNodes(this.#reach())),
    );
    for (const { id } of replica.store.list('node')) this.startNode(id);
    this.#look();
    if (serving) this.#announce();
  }

  #listen(verb: AgentVerb, handler: (message: BusMessage) => void): Unsubscribe {
    return this.#ports.bus.subscribe(subjects.agents(verb), handler, this.#front.intake(verb));
  }

  /** Looks for nodes whose heartbeats are missing, again and again. */
  #look(): void {
    for (const [, actor] of this.#nodes.list()) lookForHeartbeats(actor);
    const ms = this.#heartbeat.everyMs / 2;
    this.#renewals = Math.ceil((limits.sessionRenewalsPerS * ms) / 1_000);
    this.#looking = this.#ports.clock.setTimeout(() => this.#look(), ms);
  }

  async stop(): Promise<void> {
    if (this.#looking !== undefined) this.#ports.clock.clearTimeout(this.#looking);
    for (const unsubscribe of this.#subscriptions.splice(0)) unsubscribe();
    this.#inbox.stop();
    this.#heartbeats.stop();
    await this.#nodes.stopAll();
  }

  /** The lease was got or lost. Without it nothing is sent to nodes and nothing heard from them. */
  serve(serving: boolean): void {
    if (serving === this.#serving) return;
    this.#serving = serving;
    this.#tellNodes(this.#reach());
    if (serving) this.#announce();
  }

  /** Nodes have lost their connections through no fault of theirs, all but `except`: they have longer to come back. */
  excuseNodes(except: string): void {
    for (const [nodeId, actor] of this.#nodes.list())
      if (nodeId !== except) actor.send({ type: 'excuse' });
  }

  startNode(nodeId: string): void {
    if (this.#nodes.has(nodeId)) return;
    const { replica, bus, mayServe, epoch, clock } = this.#ports;
    this.pace();
    const input = (): NodeInput => ({
      nodeId,
      epoch: epoch(),
      clock,
      heartbeatPeriod: () => this.#heartbeat,
      mayRenew: () => this.#renewals-- > 0,
      hearsNodes: () => this.#reach().connected,
      ready: ({ description: said, engine }) => {
        const description = this.#paced(nodeId, said);
        return this.#commit((view, now) => nodeHello(view, nodeId, description, engine, now));
      },
      engine: (trouble) => this.#hearEngine(nodeId, trouble),
      caughtUp: (signal) => this.#inbox.caughtUp(signal),
      silent: (signal) => this.#nodeDownBatcher.declare(nodeId, signal),
      left: () => this.#commit((view) => nodeLeft(view, nodeId)),
      parts: ({ has, featureLevel = levelBefore }) =>
        new Outbox({
          ids: assignmentsOf(replica.store, nodeId),
          has: has?.generation === epoch().generation ? has.templates : [],
          task: (id) => {
            const task = assignmentOf(replica.store, nodeId, id);
            return task && knownAt(featureLevel, task);
          },
          sizeOf: packedBytes,
        }),
      send: (assign) => {
        if (mayServe()) bus.publish(subjects.node(nodeId, 'assign'), assign);
      },
    });
    this.#nodes.start(nodeId, nodeMachine, input, {
      phase: () => nodePhase(replica.store, nodeId, isSilent(this.#nodes.get(nodeId))),
    });
  }

  /** Nodes, or the period that the API shows, have changed: so may have how often nodes are to send heartbeats. */
  pace(): void {
    const { store } = this.#ports.replica;
    const period = store.cluster()?.spec.Dispatcher.HeartbeatPeriod ?? 0;
    this.#heartbeat = heartbeatPeriodOf(period, store.count('node'), this.#heartbeat);
  }

  /** A node that changes its description too often keeps the one that is known for a while. */
  #paced(nodeId: string, said: NodeDescription): NodeDescription {
    const { clock, replica, log } = this.#ports;
    const known = replica.store.node(nodeId)?.description;
    const waits = this.#ports.room() !== 'enough';
    const { description, held } = waits
      ? this.#pace.hold(nodeId, said, known, clock.now())
      : this.#pace.take(nodeId, said, known, clock.now());
    const reason = waits ? reportsWait().message : tooOften;
    if (held) log('description_refused', { member: nodeId, reason }, 'warn');
    return description;
  }

  /** Takes what had to wait. The next hello brings what cannot be committed now. */
  #describe(nodeId: string): void {
    if (this.#ports.room() !== 'enough') return;
    const due = this.#pace.due(nodeId, this.#ports.clock.now());
    if (due === undefined) return;
    const description = this.#paced(nodeId, due);
    this.#commit((view) => nodeDescribed(view, nodeId, description)).catch((error: unknown) =>
      this.#ports.log('description_not_committed', { member: nodeId, error: String(error) }),
    );
  }

  /** Each heartbeat says it, so what could not be committed or paid for now is with the next one. */
  #hearEngine(nodeId: string, trouble: EngineTrouble | undefined): void {
    const node = this.#ports.replica.store.node(nodeId);
    if (node === undefined || !isNews(node, trouble)) return;
    if (!this.#pace.pay(nodeId, trouble?.error.length ?? 0, this.#ports.clock.now())) return;
    this.#commit((view, now) => engineHeard(view, nodeId, trouble, now)).catch((error: unknown) =>
      this.#ports.log('engine_not_committed', { member: nodeId, error: String(error) }),
    );
  }

  async stopNode(nodeId: string): Promise<void> {
    this.#pace.forget(nodeId);
    this.#front.forget(nodeId);
    this.#heartbeats.forget(nodeId);
    this.pace();
    await this.#nodes.stop(nodeId);
  }

  /** The tasks that the node must hear of. One without a session hears all of it with its next full set. */
  changed(nodeId: string, ids: readonly string[]): void {
    this.#nodes.send(nodeId, { type: 'changed', ids });
  }

  /** Whether the nodes' silence says anything about them. */
  #reach(): Extract<NodeEvent, { type: 'bus' }> {
    return { type: 'bus', connected: this.#serving && this.#ports.bus.isConnected() };
  }

  /** Tells agents that this leader is the one to say hello to. */
  #announce(): void {
    this.#ports.bus.publish(subjects.leader, this.#ports.epoch());
  }

  #tellNodes(event: NodeEvent): void {
    for (const [, actor] of this.#nodes.list()) actor.send(event);
  }

  #onHello({ subject, body, reply }: BusMessage): void {
    if (reply === undefined || !this.#ports.mayServe()) return;
    const refuse = (fault: Fault): void => reply({ ok: false, error: wireFault(fault) });
    const nodeId = subjects.agentOf(subject);
    if (this.#ports.replica.store.node(nodeId) === undefined)
      return refuse(new Fault('NotFound', `node ${nodeId} not found`));
    const hello = helloFrom(body);
    if (hello === undefined) return refuse(new Fault('InvalidArgument', 'malformed hello'));
    try {
      upgraded(wireFormat, hello.wire ?? versionBefore, hello);
    } catch (error) {
      return refuse(new Fault('FailedPrecondition', errorText(error)));
    }
    this.startNode(nodeId);
    this.#ports.onHello(nodeId);
    if (!this.#nodes.send(nodeId, { type: 'hello', hello, reply }))
      refuse(new Fault('Unavailable', 'the session of this node is being prepared; try again'));
  }

  #onStatus({ subject, body, reply }: BusMessage): void {
    if (reply === undefined || !this.#ports.mayServe()) return;
    const nodeId = subjects.agentOf(subject);
    const updates = statusUpdatesFrom(body);
    if (updates === undefined)
      return reply({
        ok: false,
        error: wireFault(new Fault('InvalidArgument', 'malformed report')),
      });
    if (this.#ports.room() !== 'enough') {
      this.#ports.log('status_refused', { member: nodeId, error: reportsWait().message }, 'warn');
      return reply({ ok: false, error: wireFault(reportsWait()) });
    }
    void this.#ports.committer
      .propose((view, ctx) => {
        const { changes, foreign } = taskReports(view, ctx, nodeId, updates);
        return { changes, result: foreign };
      })
      .then(
        ({ result: foreign }) => {
          this.#tellForeign(nodeId, foreign);
          reply({ ok: true });
        },
        (error: unknown) => reply({ ok: false, error: wireFault(error) }),
      );
  }

  #tellForeign(nodeId: string, [task, ...others]: readonly string[]): void {
    if (task === undefined) return;
    const error = 'tasks of other nodes are not its to report';
    this.#ports.log(
      'status_refused',
      { member: nodeId, error, task, tasks: 1 + others.length },
      'warn',
    );
  }

  /** A heartbeat that nobody hears is followed by another one. */
  #onHeartbeat({ subject, body }: BusMessage): void {
    const heartbeat = heartbeatFrom(body);
    if (heartbeat !== undefined && this.#ports.mayServe())
      this.#heartbeats.hear(subjects.agentOf(subject), heartbeat);
  }

  /** Answered when it is written down, also between two incarnations of the node's actor: until then the agent says it again. */
  #onLeave({ subject, reply }: BusMessage): void {
    const nodeId = subjects.agentOf(subject);
    const taken = (): void => reply?.({ ok: true });
    if (!this.#ports.mayServe() || this.#nodes.send(nodeId, { type: 'leave', reply: taken }))
      return;
    this.#commit((view) => nodeLeft(view, nodeId)).then(taken, (error: unknown) =>
      this.#ports.log('leave_not_committed', { member: nodeId, error: String(error) }),
    );
  }

  /** Every manager closes the node's connections to its own server when it learns of this from the state. */
  async #cutOff(nodeId: string): Promise<void> {
    const { committer, replica, log, mayServe } = this.#ports;
    if (!mayServe()) return;
    log('node_flood_refused', { member: nodeId, todo: floodTodo }, 'warn');
    try {
      await this.#commit((view, now) => nodeFloods(view, nodeId, now));
      const node = replica.store.node(nodeId);
      if (node !== undefined && isBarred(node, committer.now()))
        this.#nodes.send(nodeId, { type: 'leave' });
    } catch (error) {
      log('node_not_cut_off', { member: nodeId, error: String(error) });
    }
  }

  #onFailure(nodeId: string, error: unknown, streak: number): void {
    if (streak < failuresTold || !this.#ports.mayServe()) return;
    const reason = errorText(error);
    const noted = this.#ports.committer.propose((view, { now }) => ({
      changes: sessionFailed(view, nodeId, reason, now),
      result: undefined,
      cut: { result: undefined },
    }));
    noted.catch((failure: unknown) =>
      this.#ports.log('session_failure_not_committed', { member: nodeId, error: String(failure) }),
    );
  }

  #declareSilent(nodeIds: readonly string[]): Promise<void> {
    return this.#commit((view, now) =>
      this.#reach().connected
        ? nodesSilent(view, nodeIds, now, (id) => isSilent(this.#nodes.get(id)))
        : [],
    );
  }

  async #commit(decide: (view: View, now: number) => readonly Change[]): Promise<void> {
    await this.#ports.committer.propose((view, { now }) => ({
      changes: decide(view, now),
      result: undefined,
    }));
  }
}
