/** Kinds of trouble that end containers, or keep an agent from knowing what became of them. */
export type TroubleKind = 'engine' | 'host';

interface Trouble {
  readonly kind: TroubleKind;
  /** '' for what concerns every host. */
  readonly hostId: string;
  /** Undefined while it lasts. */
  until: number | undefined;
}
const keptMs = 30 * 60_000;

/** What was done to the hosts and to what they all depend on, and when: the reasons that checks accept for its consequences. */
export class Troubles {
  readonly #now: () => number;
  readonly #all = new Set<Trouble>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Answers how to end it. Without a host, it concerns all of them. */
  begin(kind: TroubleKind, hostId = ''): () => void {
    const now = this.#now();
    for (const old of this.#all)
      if (old.until !== undefined && now - old.until > keptMs) this.#all.delete(old);
    const trouble: Trouble = { kind, hostId, until: undefined };
    this.#all.add(trouble);
    return () => {
      trouble.until ??= this.#now();
    };
  }

  /** Nothing of them shows any more. */
  forget(): void {
    this.#all.clear();
  }

  /** Whether the host, or all of them, had such trouble at `since` or later. */
  since(kind: TroubleKind, hostId: string, since: number): boolean {
    for (const trouble of this.#all)
      if (
        trouble.kind === kind &&
        (trouble.hostId === '' || trouble.hostId === hostId) &&
        (trouble.until === undefined || trouble.until >= since)
      )
        return true;
    return false;
  }
}
