/** A running child as others see it: who looks it up by name knows what it understands. */
export interface ChildActor {
  send(event: { readonly type: string; readonly [field: string]: unknown }): void;
  getSnapshot(): { readonly status: string; readonly value?: unknown; readonly output?: unknown };
}

export interface TreeLine {
  readonly address: string;
  /** The machine's state (`active.steady`), or the status of an actor without states. */
  readonly state: string;
}

/** Running actors by address (`agent/<node>/task/<id>`), for lookups and diagnosis. */
export class Registry {
  readonly #actors = new Map<string, ChildActor>();

  /** A new incarnation takes the address of the one before. */
  set(address: string, actor: ChildActor): void {
    this.#actors.set(address, actor);
  }

  /** Frees the address unless another incarnation has it already. */
  delete(address: string, actor: ChildActor): void {
    if (this.#actors.get(address) === actor) this.#actors.delete(address);
  }

  get(address: string): ChildActor | undefined {
    return this.#actors.get(address);
  }

  /** Every running actor, by address. */
  tree(): readonly TreeLine[] {
    return [...this.#actors]
      .map(([address, actor]) => ({ address, state: stateOf(actor.getSnapshot()) }))
      .toSorted((a, b) => (a.address < b.address ? -1 : 1));
  }
}

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
