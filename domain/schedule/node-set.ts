import { limits } from '../limits.ts';
import type { Node } from '../model/objects.ts';
import { addTo, Capacity } from './capacity.ts';
import { flawOf } from './flaw.ts';
import type { Needs } from './needs.ts';

/** Failures older than this no longer speak against a node (swarm-compat §4.5). */
const failureWindowMs = 5 * 60_000;

/** A node with what the scheduler counts on it. */
export class Host {
  /** Takes new tasks at all. */
  isReady = false;
  /** What of its record cannot be read: it takes no tasks. */
  flaw: string | undefined;
  readonly capacity = new Capacity();
  /** Order of arrival; the last tie-break. */
  readonly order: number;
  /** Tasks that are wanted here, of all services and of each. */
  active = 0;
  readonly activeOf = new Map<string, number>();
  readonly #failures = new Map<string, number[]>();
  #node: Node;

  constructor(node: Node, order: number) {
    this.#node = node;
    this.order = order;
    this.update(node);
  }

  get node(): Node {
    return this.#node;
  }

  update(node: Node): void {
    this.#node = node;
    this.flaw = flawOf(node);
    this.isReady =
      this.flaw === undefined &&
      node.status.state === 'ready' &&
      node.spec.Availability === 'active' &&
      node.restUntil === undefined;
    if (this.flaw === undefined) this.capacity.resize(node);
  }

  /** A task of this version of a service (`key`) failed here at `at`, ms. */
  fail(key: string, at: number): void {
    const times = this.#failures.get(key) ?? [];
    if (times.push(at) > limits.nodeFailuresKept) times.shift();
    this.#failures.delete(key);
    this.#failures.set(key, times);
    const [oldest] = this.#failures.keys();
    if (oldest !== undefined && this.#failures.size > limits.nodeFailingServicesKept)
      this.#failures.delete(oldest);
  }

  recentFailures(key: string, now: number): number {
    const times = this.#failures.get(key);
    if (times === undefined) return 0;
    return times.filter((at) => at > now - failureWindowMs).length;
  }
}

/** What one task counts for on its host. */
export interface Load {
  readonly serviceId: string;
  readonly needs: Needs;
  /** Wanted, rather than on its way out: only such tasks count for the ranking. */
  readonly active: boolean;
}

/** All nodes with their loads, kept in the order of how many tasks they have. Every change costs O(1). */
export class NodeSet {
  readonly #hosts = new Map<string, Host>();
  /** Hosts by their number of active tasks. */
  readonly #levels: Set<Host>[] = [];
  #arrivals = 0;

  host(nodeId: string): Host | undefined {
    return this.#hosts.get(nodeId);
  }

  hosts(): Iterable<Host> {
    return this.#hosts.values();
  }

  /** From the emptiest on. A host that gets a task meanwhile comes again later, with its new load. */
  *byLoad(): Generator<Host, void> {
    for (let level = 0; level < this.#levels.length; level++) yield* this.#levels[level] ?? [];
  }

  /** Answers what of the node's record cannot be read, where that is new. */
  put(node: Node): string | undefined {
    const host = this.#hosts.get(node.id);
    if (host === undefined) {
      const created = new Host(node, this.#arrivals++);
      this.#hosts.set(node.id, created);
      this.#level(0).add(created);
      return created.flaw;
    }
    const before = host.flaw;
    host.update(node);
    return host.flaw === before ? undefined : host.flaw;
  }

  delete(nodeId: string): void {
    const host = this.#hosts.get(nodeId);
    if (host === undefined) return;
    this.#hosts.delete(nodeId);
    this.#level(host.active).delete(host);
  }

  /** `host` is one of the set's, here and below. */
  add(host: Host, load: Load): void {
    host.capacity.take(load.needs);
    if (load.active) this.#count(host, load.serviceId, 1);
  }

  remove(host: Host, load: Load): void {
    host.capacity.give(load.needs);
    if (load.active) this.#count(host, load.serviceId, -1);
  }

  #count(host: Host, serviceId: string, by: 1 | -1): void {
    addTo(host.activeOf, serviceId, by);
    this.#level(host.active).delete(host);
    host.active += by;
    this.#level(host.active).add(host);
  }

  #level(active: number): Set<Host> {
    let level = this.#levels[active];
    if (level === undefined) {
      for (let i = this.#levels.length; i <= active; i++) this.#levels.push(new Set());
      level = this.#levels[active] as Set<Host>;
    }
    return level;
  }
}
