import type { AnyActorLogic, InputFrom } from 'xstate';
import { ActorChild, type ActorSpec, addressOf, type ChildPorts, type Closing } from './child.ts';
import type { ChildActor } from './registry.ts';
import {
  type Decision,
  decide,
  emptyHistory,
  type Exit,
  type Flags,
  type History,
  reasonOf,
  type Restart,
  told,
} from './restart-policy.ts';

/** How children are restarted. Each has a history of its own: one that fails again and again delays no other. */
export interface Restarts {
  readonly restart: Restart;
  readonly flags: Omit<Flags, 'strategy'>;
  /** 0 ≤ x < 1; spreads restarts. */
  readonly random: () => number;
  /** A child failed more often than the flags allow. All children are stopped by then. */
  readonly onEscalate: (reason: unknown) => void;
  /** Hears of each failure behind which a child is started again. @param streak failures in a row, this one among them */
  readonly onRestart?: (id: string, error: unknown, streak: number) => void;
}

export interface DynamicPorts extends ChildPorts {
  /** Without it children are `temporary`. */
  readonly restarts?: Restarts;
  /** Hears of every child that ended by itself and is not restarted; its id may be started again. */
  readonly onExit?: (id: string, exit: Exit) => void;
}

/** What the tree shows of a child beside its state. */
type Shown = Pick<ActorSpec, 'waiting' | 'phase'> | undefined;

interface Entry {
  readonly shown: Shown;
  readonly logic: AnyActorLogic;
  readonly input: (scope: AbortSignal, closing: Closing) => unknown;
  /** The incarnation that runs; undefined between two of them. */
  child?: ActorChild | undefined;
  history: History;
  timer?: number;
}

/**
 * Any number of children by id, none of which sees another one fail. Every operation on one child is O(1): each is a
 * root actor of its own, because xstate copies a parent's map with every spawn.
 */
export class DynamicSupervisor {
  readonly #ports: DynamicPorts;
  readonly #entries = new Map<string, Entry>();

  constructor(ports: DynamicPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Throws when `id` was started and has not ended. */
  start<T extends AnyActorLogic>(
    id: string,
    logic: T,
    input: (scope: AbortSignal, closing: Closing) => InputFrom<T>,
    shown?: Shown,
  ): void {
    if (this.#entries.has(id)) throw new Error(`child '${id}' is running`);
    const entry: Entry = { logic, input, shown, history: emptyHistory };
    this.#entries.set(id, entry);
    this.#run(id, entry);
  }

  /** Whether `id` was started and has not ended; it may be between two incarnations. */
  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** The running actor; undefined between two incarnations too. */
  get(id: string): ChildActor | undefined {
    return this.#entries.get(id)?.child?.actor;
  }

  /** False when nobody is there to hear it: the caller knows what that means. */
  send(id: string, event: Parameters<ChildActor['send']>[0]): boolean {
    const actor = this.get(id);
    actor?.send(event);
    return actor !== undefined;
  }

  /** Running children, oldest first. */
  *list(): Iterable<readonly [id: string, actor: ChildActor]> {
    for (const [id, { child }] of this.#entries) if (child !== undefined) yield [id, child.actor];
  }

  /** Stops one child, if it was started; resolves when it has ended. */
  async stop(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    if (entry !== undefined) await this.#end(id, entry);
  }

  async stopAll(): Promise<void> {
    const entries = [...this.#entries];
    this.#entries.clear();
    await Promise.all(entries.map(([id, entry]) => this.#end(id, entry)));
  }

  #end(id: string, { child, timer }: Entry): Promise<void> {
    this.#forget(id);
    if (timer !== undefined) this.#ports.clock.clearTimeout(timer);
    return child?.stop() ?? Promise.resolve();
  }

  #forget(id: string): void {
    this.#ports.registry?.forget(addressOf(this.#ports, id));
  }

  #run(id: string, entry: Entry): void {
    const { logic, input, shown } = entry;
    const exited = (exit: Exit): void => {
      const { child } = entry;
      entry.child = undefined;
      if (this.#entries.get(id) === entry) this.#decide(id, entry, exit, child?.stop());
    };
    try {
      entry.child = new ActorChild({ id, logic, input, ...shown }, this.#ports, exited);
      entry.child.start(); // it may fail in there
    } catch (error) {
      exited({ kind: 'error', error });
    }
  }

  /** @param closed when the incarnation that ended has ended its effects too */
  #decide(id: string, entry: Entry, exit: Exit, closed: Promise<void> | undefined): void {
    const { clock, restarts, report, onExit } = this.#ports;
    const { restart = 'temporary', flags = noRestarts, random = () => 0 } = restarts ?? {};
    const { decision, history } = decide(
      { ...flags, strategy: 'oneForOne' },
      [{ id, restart }],
      id,
      exit,
      entry.history,
      clock.now(),
      random(),
    );
    entry.history = history;
    if (exit.kind === 'error')
      report('child_exit', { child: addressOf(this.#ports, id), exit, ...told(decision) }, 'warn');
    if (decision.kind === 'restart') return this.#restart(id, entry, decision, exit, closed);
    this.#entries.delete(id);
    this.#forget(id);
    if (decision.kind === 'forget') return onExit?.(id, exit);
    void this.stopAll();
    restarts?.onEscalate(reasonOf(exit));
  }

  #restart(
    id: string,
    entry: Entry,
    { delayMs }: Extract<Decision, { kind: 'restart' }>,
    exit: Exit,
    closed: Promise<void> | undefined,
  ): void {
    const { clock, registry, restarts } = this.#ports;
    registry?.failed(addressOf(this.#ports, id), reasonOf(exit), clock.now());
    const wait = (): void => {
      if (this.#entries.get(id) !== entry) return;
      entry.timer = clock.setTimeout(() => this.#run(id, entry), delayMs);
    };
    if (closed === undefined) wait();
    else void closed.then(wait);
    restarts?.onRestart?.(id, reasonOf(exit), entry.history.streak);
  }
}

const noRestarts = { intensity: 0, periodMs: 0, backoffMinMs: 0, backoffMaxMs: 0 } as const;
