import { fromCallback } from 'xstate';
import type { LogAnswer, LogAsk } from '../../bus/log-bodies.ts';
import type { Bus } from '../../bus/ports.ts';
import type { Assign, LeaderTerm } from '../../bus/protocol.ts';
import type { EngineTrouble } from '../../domain/assign/engine-status.ts';
import { newestLevel } from '../../domain/format/levels.ts';
import type { TaskState } from '../../domain/task-state.ts';
import { type Clock, pause } from '../../supervisors/clock.ts';
import type { Registry } from '../../supervisors/registry.ts';
import type { Report } from '../../supervisors/report.ts';
import { Supervisor } from '../../supervisors/supervisor.ts';
import { grow, type Part, trees } from '../../supervisors/trees.ts';
import { engineMachine } from './engine.machine.ts';
import { TermGate, type LeaderTermStore } from './term-gate.ts';
import { LogDesk, logDeskLogic } from './log-desk.ts';
import type { Executor } from './ports.ts';
import { Reporter } from './reporter.ts';
import { sayLeave } from './say-leave.ts';
import { sessionMachine } from './session.machine.ts';
import { shortErrorText } from './task-status.ts';
import { treeDeskLogic } from './tree-desk.ts';
import { Worker } from './worker.ts';

export interface AgentOptions {
  readonly nodeId: string;
  /** May be without a connection. */
  readonly bus: Bus;
  readonly executor: Executor;
  readonly clock: Clock;
  /** Wall clock, ms. */
  readonly wallNow: () => number;
  readonly random: () => number;
  readonly newId: () => string;
  readonly epochStore: LeaderTermStore;
  /** How long the containers here are taken to live without their engine, ms. */
  readonly engineGraceMs: number;
  /** The highest level that this node can, where not the newest one. */
  readonly featureLevel?: number;
  readonly log: Report;
  /** Hears the name of each session as soon as a leader has welcomed it, and undefined when it has ended. */
  readonly onSession?: (session: string | undefined) => void;
  /** Hears of every newer epoch that the node obeys. */
  readonly onLeaderTerm?: (epoch: LeaderTerm) => void;
  readonly registry?: Registry;
  readonly netplane?: Part;
  /** The tree gave up: its actors have ended, the containers run on. */
  readonly onEscalate?: (reason: unknown) => void;
}

/** A node's agent: keeps the containers of the tasks that the leader assigns, whether or not there is a leader. */
export interface Agent {
  start(): void;
  /** Whether the bus has let it in. */
  isConnected(): boolean;
  /** What the node is may have changed: says hello anew if it has. Tasks go on. */
  refresh(): void;
  /** Ends the agent for good; containers run on, and the next agent of this node adopts them. */
  stop(): Promise<void>;
  /**
   * The node leaves: says so, that its tasks be run elsewhere at once, stops and removes every task container of this
   * node, by force where it takes too long, and ends the agent.
   */
  removeAll(): Promise<void>;
  tasks(): readonly { readonly id: string; readonly state: TaskState }[];
  /** What managers ask over the bus about the logs of this node's tasks, asked without it. */
  askLogs(ask: LogAsk): Promise<LogAnswer>;
}

export const createAgent = (options: AgentOptions): Agent => new NodeAgent(options);

/** What containers have for a proper stop when the node leaves, and what their removal by force may take, ms. */
const leaveStopLimitMs = 15_000;
const leaveForceLimitMs = 15_000;

/** Removes by force whatever task containers of a node there are, known to an agent or not. Never rejects. */
export async function removeContainers({
  clock,
  executor,
  nodeId,
  log,
}: Pick<AgentOptions, 'clock' | 'executor' | 'nodeId' | 'log'>): Promise<void> {
  const scope = new AbortController();
  const timer = clock.setTimeout(() => scope.abort(), leaveForceLimitMs);
  try {
    for (const id of await executor.taskIds(nodeId, scope.signal))
      await executor.removeOrphan(id, scope.signal);
  } catch (error) {
    log('containers_left', { error: shortErrorText(error) }, 'warn');
  } finally {
    clock.clearTimeout(timer);
  }
}

/** The agent's part `tasks`: applies assignments in order. */
const workerLogic = fromCallback<
  { readonly type: 'assign'; readonly assign: Assign },
  { readonly worker: Worker }
>(({ input, receive }) => {
  receive(({ assign }) => input.worker.apply(assign));
});

class NodeAgent implements Agent {
  readonly #options: AgentOptions;
  readonly #gate: TermGate;
  /** Outlives sessions and worker alike: a status must not get lost because an actor restarts. */
  readonly #reporter: Reporter;
  readonly #supervisor: Supervisor;
  #worker: Worker | undefined;
  #desk: LogDesk | undefined;
  #engineError: string | undefined;

  constructor(options: AgentOptions) {
    const { nodeId, bus, clock, random, log, epochStore, registry } = options;
    this.#options = options;
    this.#gate = new TermGate(epochStore, log, (epoch) => options.onLeaderTerm?.(epoch));
    this.#reporter = new Reporter({ nodeId, bus, clock, random, log });
    const address = `agent/${nodeId}`;
    const ports = { clock, random, report: log, address };
    this.#supervisor = new Supervisor(
      trees.agent.flags,
      grow(trees.agent, {
        session: this.#sessionPart(),
        engine: this.#enginePart(),
        netplane: options.netplane,
        tasks: this.#tasksPart(),
        logs: this.#logsPart(),
        tree: this.#treePart(),
      }),
      registry === undefined ? ports : { ...ports, registry },
      (reason) => options.onEscalate?.(reason),
    );
  }

  start(): void {
    this.#supervisor.start();
  }

  async stop(): Promise<void> {
    this.#reporter.close();
    await this.#supervisor.stop();
  }

  async removeAll(): Promise<void> {
    const { clock } = this.#options;
    await this.#supervisor.remove('session'); // from here on nothing new is assigned, and no heartbeat follows
    const said = sayLeave(this.#options);
    const stopped = new AbortController();
    await Promise.race([this.#worker?.dropAll(), pause(clock, leaveStopLimitMs, stopped.signal)]);
    stopped.abort();
    await said;
    await this.stop();
    await removeContainers(this.#options);
  }

  tasks(): readonly { readonly id: string; readonly state: TaskState }[] {
    return this.#worker?.tasks() ?? [];
  }

  askLogs(ask: LogAsk): Promise<LogAnswer> {
    const desk = this.#desk;
    if (desk === undefined) return Promise.resolve(deskAway);
    return new Promise((resolve) => desk.answer(ask, resolve));
  }

  isConnected(): boolean {
    return this.#options.bus.isConnected();
  }

  refresh(): void {
    this.#supervisor.get('session')?.send({ type: 'refresh' });
  }

  #resync(): void {
    this.#supervisor.get('session')?.send({ type: 'resync' });
  }

  #sessionPart(): Part {
    const { nodeId, bus, clock, random, newId, log, executor, onSession } = this.#options;
    return {
      logic: sessionMachine,
      input: (scope) => ({
        nodeId,
        bus,
        clock,
        random,
        newId,
        log,
        scope,
        gate: this.#gate,
        featureLevel: this.#options.featureLevel ?? newestLevel,
        templates: (generation: number) => this.#worker?.templates(generation) ?? [],
        describe: (signal: AbortSignal) => executor.describe(signal),
        engine: () => this.#engineTrouble(),
        onAssign: (assign: Assign) =>
          this.#supervisor.get('tasks')?.send({ type: 'assign', assign }),
        onSession: (session: string | undefined) => {
          this.#reporter.setSession(session !== undefined);
          onSession?.(session);
        },
      }),
    };
  }

  #engineTrouble(): EngineTrouble | undefined {
    const error = this.#engineError;
    return error === undefined ? undefined : { error, graceMs: this.#options.engineGraceMs };
  }

  #enginePart(): Part {
    const { executor, log } = this.#options;
    return {
      logic: engineMachine,
      input: (scope) => ({
        scope,
        check: (signal: AbortSignal) => executor.check(signal),
        onState: (error: string | undefined) => {
          if (error === this.#engineError) return;
          this.#engineError = error;
          if (error === undefined) log('engine_back', {});
          else log('engine_lost', { error }, 'warn');
          this.#supervisor.get('session')?.send({ type: 'engine' });
        },
      }),
    };
  }

  #tasksPart(): Part {
    const { nodeId, executor, clock, wallNow, log, registry } = this.#options;
    return {
      logic: workerLogic,
      input: (scope) => {
        const ports = { nodeId, executor, clock, wallNow, log, scope, reporter: this.#reporter };
        const isFirst = this.#worker === undefined;
        const worker = new Worker(registry === undefined ? ports : { ...ports, registry });
        this.#worker = worker;
        if (!isFirst) this.#resync(); // what the broken one knew comes anew with the full set
        return { worker };
      },
    };
  }

  #treePart(): Part | undefined {
    const { nodeId, bus, clock, registry } = this.#options;
    if (registry === undefined) return undefined;
    return { logic: treeDeskLogic, input: () => ({ nodeId, bus, clock, registry }) };
  }

  #logsPart(): Part {
    const { nodeId, bus, executor, clock, wallNow, log, registry } = this.#options;
    return {
      logic: logDeskLogic,
      input: (scope) => {
        const ports = { nodeId, executor, clock, wallNow, log, scope };
        const desk = new LogDesk(registry === undefined ? ports : { ...ports, registry });
        this.#desk = desk;
        return { desk, bus, nodeId };
      },
    };
  }
}

const deskAway: LogAnswer = {
  ok: false,
  error: { code: 'Unavailable', message: 'the agent is not started', origin: 'manager' },
};
