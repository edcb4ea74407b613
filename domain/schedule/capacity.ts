import type { Node } from '../model/objects.ts';
import { countOf, type Needs } from './needs.ts';

/** What a node has, and how much of it tasks have taken. */
export class Capacity {
  #nanoCpus = 0;
  #memoryBytes = 0;
  #generic = new Map<string, number>();
  readonly #ports = new Map<string, number>();
  #total: { readonly nanoCpus: number; readonly memoryBytes: number } = nothing;
  #totalGeneric: ReadonlyMap<string, number> = new Map();

  /** What the node says that it has; what is taken stays taken. */
  resize(node: Node): void {
    this.#total = resourcesOf(node);
    this.#totalGeneric = genericOf(node);
  }

  /** Enough for the reservations. What is not asked for does not matter, even where it is overdrawn. */
  fits(needs: Needs): boolean {
    return (
      (needs.nanoCpus === 0 || this.#nanoCpus + needs.nanoCpus <= this.#total.nanoCpus) &&
      (needs.memoryBytes === 0 ||
        this.#memoryBytes + needs.memoryBytes <= this.#total.memoryBytes) &&
      needs.generic.every(
        ({ kind, count }) =>
          (this.#generic.get(kind) ?? 0) + count <= (this.#totalGeneric.get(kind) ?? 0),
      )
    );
  }

  hasPorts(needs: Needs): boolean {
    return needs.ports.every((port) => !this.#ports.has(port));
  }

  take(needs: Needs): void {
    this.#add(needs, 1);
  }

  give(needs: Needs): void {
    this.#add(needs, -1);
  }

  #add(needs: Needs, sign: 1 | -1): void {
    this.#nanoCpus += sign * needs.nanoCpus;
    this.#memoryBytes += sign * needs.memoryBytes;
    for (const { kind, count } of needs.generic) addTo(this.#generic, kind, sign * count);
    for (const port of needs.ports) addTo(this.#ports, port, sign);
  }
}

/** Adds to a counter; one that comes to nothing is dropped. */
export function addTo(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

const nothing = { nanoCpus: 0, memoryBytes: 0 } as const;
const resourcesOf = (node: Node) => node.description?.resources ?? nothing;

function genericOf(node: Node): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const resource of node.description?.resources.generic ?? []) {
    const { kind, count } = countOf(resource);
    addTo(counts, kind, count);
  }
  return counts;
}
