/** A running child as others see it: who looks it up by name knows what it understands. */
export interface ChildActor {
  send(event: { readonly type: string; readonly [field: string]: unknown }): void;
  getSnapshot(): { readonly status: string; readonly value?: unknown; readonly output?: unknown };
}

export interface TreeLine {
  readonly address: string;
  /** The address above: who hears of its end. '' stands for the daemon's own supervisor. */
  readonly supervisor: string;
  /**
   * The machine's state (`active.steady`), the status of an actor without states, or `restarting` between two
   * incarnations.
   */
  readonly state: string;
  /** What the actor's object is in, in the object's own words, where the actor knows it. */
  readonly phase?: string;
  /** The clock's time at which this incarnation began, or at which the last one failed; ms. */
  readonly since: number;
  /** How often another incarnation took the place of one that had failed. */
  readonly restarts: number;
  /** Why the last one failed; '' while none has. */
  readonly lastError: string;
  /**
   * What waits for the actor and is not handled yet. xstate handles each event before it takes the next one, so only
   * an actor with a queue of its own has this.
   */
  readonly mailbox?: number;
}

/** What the tree shows of an incarnation beside its state. */
export interface Incarnation {
  /** The clock's time at which it began, ms. */
  readonly since: number;
  /** How much waits for it. */
  readonly waiting?: (() => number) | undefined;
  /** What its object is in. */
  readonly phase?: (() => string | undefined) | undefined;
}

interface Running extends Incarnation {
  readonly actor: ChildActor;
}

interface Failures {
  readonly restarts: number;
  readonly since: number;
  readonly lastError: string;
}

/** An error's text in the tree, characters. */
const errorLengthMax = 200;

/**
 * Actors by address (`agent/<node>/tasks/<id>`), for lookups and diagnosis. A start and a stop cost one entry each, and
 * events nothing: states are read when somebody asks for the tree.
 */
export class Registry {
  readonly #running = new Map<string, Running>();
  /** Of the children that have failed and that somebody still supervises. */
  readonly #failures = new Map<string, Failures>();

  /** A new incarnation takes the address of the one before. */
  set(address: string, actor: ChildActor, { since, waiting, phase }: Incarnation): void {
    this.#running.set(address, { actor, since, waiting, phase });
  }

  /** Frees the address unless another incarnation has it already. */
  delete(address: string, actor: ChildActor): void {
    if (this.#running.get(address)?.actor === actor) this.#running.delete(address);
  }

  /** The actor at the address has failed, and its supervisor starts another one. */
  failed(address: string, reason: unknown, now: number): void {
    const restarts = (this.#failures.get(address)?.restarts ?? 0) + 1;
    const text = reason instanceof Error ? reason.message : String(reason);
    const lastError = text.slice(0, errorLengthMax);
    this.#failures.set(address, { restarts, since: now, lastError });
  }

  /** Nobody supervises the address any more. */
  forget(address: string): void {
    this.#failures.delete(address);
  }

  get(address: string): ChildActor | undefined {
    return this.#running.get(address)?.actor;
  }

  /** Every actor that runs or is about to run again, by address. */
  tree(): readonly TreeLine[] {
    const lines = [...this.#running].map(([address, running]) => this.#line(address, running));
    for (const [address, failures] of this.#failures)
      if (!this.#running.has(address))
        lines.push({ address, supervisor: above(address), state: 'restarting', ...failures });
    return lines.toSorted((a, b) => (a.address < b.address ? -1 : 1));
  }

  #line(address: string, { actor, since, waiting, phase }: Running): TreeLine {
    const { restarts = 0, lastError = '' } = this.#failures.get(address) ?? {};
    const word = phase?.();
    return {
      address,
      supervisor: above(address),
      state: stateOf(actor.getSnapshot()),
      ...(word !== undefined && { phase: word }),
      since,
      restarts,
      lastError,
      ...(waiting !== undefined && { mailbox: waiting() }),
    };
  }
}

const above = (address: string): string => address.slice(0, Math.max(0, address.lastIndexOf('/')));

const stateOf = (snapshot: ReturnType<ChildActor['getSnapshot']>): string =>
  snapshot.value === undefined ? snapshot.status : path(snapshot.value);

/** xstate's state value: a name, or one name per region with the states below it. */
function path(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, below]) => {
      const rest = path(below);
      return rest === '' ? name : `${name}.${rest}`;
    })
    .join(' ');
}
