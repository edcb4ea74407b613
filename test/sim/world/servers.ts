/**
 * The bus servers, one on each manager's host, and the ways between them. What is attached to one reaches what is attached
 * to another only while both run and nothing cuts them apart. Each holds a replica of the log.
 */
export class Servers {
  readonly ids: readonly string[];
  /** Troubles overlap: a server is back, and a way is open, when the last of them has ended. */
  readonly #down = new Map<string, number>();
  readonly #cuts = new Map<string, number>();
  readonly #listeners = new Set<() => void>();

  constructor(ids: readonly string[]) {
    this.ids = ids;
  }

  isUp(id: string): boolean {
    return (this.#down.get(id) ?? 0) === 0;
  }

  linked(a: string, b: string): boolean {
    return this.isUp(a) && this.isUp(b) && (a === b || !this.isCut(a, b));
  }

  isCut(a: string, b: string): boolean {
    return (this.#cuts.get(pairOf(a, b)) ?? 0) > 0;
  }

  /** Whether the server, with those that it reaches, is a majority. */
  hasMajority(id: string): boolean {
    return 2 * this.ids.filter((other) => this.linked(id, other)).length > this.ids.length;
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Stops a server; the function that is returned starts it again. */
  stop(id: string): () => void {
    return this.#trouble(this.#down, id);
  }

  /** Cuts the way between two servers; the function that is returned opens it again. */
  cut(a: string, b: string): () => void {
    return this.#trouble(this.#cuts, pairOf(a, b));
  }

  #trouble(troubles: Map<string, number>, key: string): () => void {
    const add = (by: number): void => {
      troubles.set(key, (troubles.get(key) ?? 0) + by);
      for (const listener of this.#listeners) listener();
    };
    add(1);
    let over = false;
    return () => {
      if (!over) add(-1);
      over = true;
    };
  }
}

const pairOf = (a: string, b: string): string => (a < b ? `${a} ${b}` : `${b} ${a}`);
