import { type Actor, type AnyActorLogic, createActor } from 'xstate';
import type { Clock } from './clock.ts';
import type { ChildActor, Registry } from './registry.ts';
import type { Report } from './report.ts';
import type { Exit } from './restart-policy.ts';

/** What every kind of supervisor needs. */
export interface ChildPorts {
  readonly clock: Clock;
  /** Takes what happened to children; `fields` name the child by its address. */
  readonly report: Report;
  /** Prefix of the children's addresses; '' at the root of a tree. */
  readonly address?: string;
  readonly registry?: Registry | undefined;
}

/** Something whose end is awaited (for a limited time) when the child stops; it may reject. */
export type Closing = (closed: Promise<unknown>) => void;

/** Default time that a stopped child has for its asynchronous end, ms (OTP's default for workers). */
export const stopLimitMsDefault = 5_000;

export interface ActorSpec<T extends AnyActorLogic = AnyActorLogic> {
  readonly id: string;
  readonly logic: T;
  /**
   * Makes one incarnation's input. Every effect the actor starts must end when `scope` aborts; what takes longer to
   * end is handed to `closing`, and the next incarnation waits for it.
   */
  readonly input: (scope: AbortSignal, closing: Closing) => unknown;
  readonly stopLimitMs?: number;
  /** How much waits for the actor in a queue of its own; for the tree. */
  readonly waiting?: () => number;
  /** What the actor's object is in, in the object's own words; for the tree. */
  readonly phase?: () => string | undefined;
}

export const addressOf = (ports: ChildPorts, id: string): string =>
  ports.address === undefined || ports.address === '' ? id : `${ports.address}/${id}`;

/** One incarnation of a child: a root actor of its own with a scope that is aborted on every kind of end. */
export class ActorChild<T extends AnyActorLogic = AnyActorLogic> {
  readonly id: string;
  readonly actor: Actor<T>;
  readonly #address: string;
  readonly #ports: ChildPorts;
  readonly #spec: ActorSpec<T>;
  readonly #scope = new AbortController();
  readonly #closing: Promise<unknown>[] = [];
  #over = false;

  /** `onExit` hears of every end but a `stop()`. Throws what `spec.input` throws. */
  constructor(spec: ActorSpec<T>, ports: ChildPorts, onExit: (exit: Exit) => void) {
    this.id = spec.id;
    this.#ports = ports;
    this.#address = addressOf(ports, spec.id);
    this.#spec = spec;
    const options = { id: spec.id, input: this.#input(spec), clock: ports.clock };
    const actor: Actor<T> = createActor<AnyActorLogic>(spec.logic, options) as Actor<T>;
    this.actor = actor;
    const exited = (exit: Exit): void => {
      if (this.#over) return;
      this.#end();
      onExit(exit);
    };
    actor.subscribe({
      error: (error: unknown) => exited({ kind: 'error', error }),
      complete: () => exited({ kind: 'done' }),
    });
  }

  start(): void {
    const { clock, registry } = this.#ports;
    const { waiting, phase } = this.#spec;
    const about = { since: clock.now(), waiting, phase };
    registry?.set(this.#address, this.actor as ChildActor, about);
    this.actor.start();
  }

  /** Nothing to wait for when it returns undefined; otherwise resolves at the end or the limit. Never rejects. */
  stop(): Promise<void> | undefined {
    if (!this.#over) this.#end();
    this.actor.stop();
    return this.#closing.length === 0 ? undefined : this.#closed();
  }

  #input(spec: ActorSpec<T>): unknown {
    try {
      return spec.input(this.#scope.signal, (closed) => void this.#closing.push(closed));
    } catch (error) {
      this.#scope.abort();
      throw error;
    }
  }

  #end(): void {
    this.#over = true; // first: aborting the scope may make the actor fail
    this.#ports.registry?.delete(this.#address, this.actor as ChildActor);
    this.#scope.abort(); // xstate leaves the invokes of an errored actor running
  }

  #closed(): Promise<void> {
    const { stopLimitMs: limitMs = stopLimitMsDefault } = this.#spec;
    return new Promise((resolve) => {
      const timer = this.#ports.clock.setTimeout(() => {
        this.#ports.report(
          'child_stop_limit',
          {
            child: this.#address,
            limitMs,
          },
          'warn',
        );
        resolve();
      }, limitMs);
      void Promise.allSettled(this.#closing).then(() => {
        this.#ports.clock.clearTimeout(timer);
        resolve();
      });
    });
  }
}
