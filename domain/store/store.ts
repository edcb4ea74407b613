import { assert } from '../assert.ts';
import type { Cluster, Kind, Meta, Node, ObjectOf, Service, Task } from '../model/objects.ts';
import { kinds } from '../model/objects.ts';
import { templateFrom } from '../model/template.ts';
import type { Applied, Change, CreateTask, Transaction } from './changes.ts';
import type { View } from './view.ts';

/** Kinds whose spec users write while the rest of the object changes by itself (`checkVersion`). */
const keepVersionOfSpec: ReadonlySet<Kind> = new Set(['node', 'service']);

function metaAfter(change: Change, before: Meta | undefined, tx: Transaction): Meta {
  const meta = {
    version: tx.index,
    createdAt: before?.createdAt ?? tx.at,
    updatedAt: tx.at,
  };
  if (!keepVersionOfSpec.has(change.kind)) return meta;
  const isWritten = change.op !== 'patch' || 'spec' in change.fields;
  return { ...meta, versionOfSpec: isWritten ? tx.index : (before?.versionOfSpec ?? tx.index) };
}

type Maps = { readonly [K in Kind]: Map<string, ObjectOf[K]> };
const emptySet: ReadonlyMap<string, Task> = new Map();

/** The state: immutable objects in indexed maps. It changes only by `apply`, in log order. */
export class Store implements View {
  #index = 0;
  readonly #maps: Maps = {
    cluster: new Map(),
    node: new Map(),
    service: new Map(),
    task: new Map(),
  };
  readonly #managers = new Map<string, Node>();
  readonly #serviceIds = new Map<string, string>();
  readonly #byService = new Map<string, Map<string, Task>>();
  readonly #byNode = new Map<string, Map<string, Task>>();

  get index(): number {
    return this.#index;
  }
  get<K extends Kind>(kind: K, id: string): ObjectOf[K] | undefined {
    return this.#maps[kind].get(id);
  }
  list<K extends Kind>(kind: K): Iterable<ObjectOf[K]> {
    return this.#maps[kind].values();
  }
  count(kind: Kind): number {
    return this.#maps[kind].size;
  }
  cluster(): Cluster | undefined {
    for (const cluster of this.#maps.cluster.values()) return cluster;
    return undefined;
  }
  node(id: string): Node | undefined {
    return this.#maps.node.get(id);
  }
  managers(): Iterable<Node> {
    return this.#managers.values();
  }
  service(id: string): Service | undefined {
    return this.#maps.service.get(id);
  }
  serviceByName(name: string): Service | undefined {
    const id = this.#serviceIds.get(name.toLowerCase());
    return id === undefined ? undefined : this.#maps.service.get(id);
  }
  task(id: string): Task | undefined {
    return this.#maps.task.get(id);
  }
  tasksOfService(serviceId: string): Iterable<Task> {
    return (this.#byService.get(serviceId) ?? emptySet).values();
  }
  tasksOfNode(nodeId: string): Iterable<Task> {
    return (this.#byNode.get(nodeId) ?? emptySet).values();
  }

  /** Applies one transaction whole. Throws on a gap or an impossible change: then the log or a decision is wrong. */
  apply(tx: Transaction): Applied[] {
    assert(tx.index > this.#index, `transaction ${tx.index} is not after ${this.#index}`);
    this.#index = tx.index;
    return tx.changes.map((change) => this.#change(change, tx));
  }

  /** More changes of the transaction applied last; only a leader's unsent draft grows like this. */
  extend(tx: Transaction): Applied[] {
    assert(tx.index >= this.#index, `transaction ${tx.index} is before ${this.#index}`);
    this.#index = tx.index;
    return tx.changes.map((change) => this.#change(change, tx));
  }

  clone(): Store {
    return Store.load(this.#index, this.dump());
  }

  /** All objects by kind, in insertion order; the content of a checkpoint. */
  dump(): { readonly [K in Kind]: readonly ObjectOf[K][] } {
    return {
      cluster: [...this.#maps.cluster.values()],
      node: [...this.#maps.node.values()],
      service: [...this.#maps.service.values()],
      task: [...this.#maps.task.values()],
    };
  }

  static load(index: number, objects: { readonly [K in Kind]: readonly ObjectOf[K][] }): Store {
    const store = new Store();
    store.#index = index;
    for (const kind of kinds) for (const object of objects[kind]) store.#set(kind, object as never);
    return store;
  }

  #change(change: Change, tx: Transaction): Applied {
    if (change.op === 'create') return this.#change(this.#whole(change), tx);
    const id = change.op === 'put' ? change.object.id : change.id;
    const before = this.#maps[change.kind].get(id);
    if (change.op === 'delete') {
      if (before !== undefined) this.#unset(change.kind, before);
      return { kind: change.kind, id, before, after: undefined } as Applied;
    }
    assert(change.op === 'put' || before !== undefined, `patch of a missing ${change.kind} ${id}`);
    const meta = metaAfter(change, before?.meta, tx);
    const after =
      change.op === 'put' ? { ...change.object, meta } : { ...before, ...change.fields, meta };
    if (change.op === 'patch')
      for (const [key, value] of Object.entries(change.fields))
        if (value === undefined) delete (after as Record<string, unknown>)[key];
    if (before !== undefined) this.#unindex(change.kind, before);
    this.#set(change.kind, after as never);
    return { kind: change.kind, id, before, after } as Applied;
  }

  /** The new task with what its service says now: all tasks of one version share one object. */
  #whole({ object }: CreateTask): Change {
    const service = this.#maps.service.get(object.serviceId);
    assert(
      service !== undefined && service.specVersion === object.specVersion,
      `task ${object.id} of ${object.serviceId} as it is not any more`,
    );
    return { op: 'put', kind: 'task', object: { ...object, ...templateFrom(service) } };
  }

  #set<K extends Kind>(kind: K, object: ObjectOf[K]): void {
    this.#maps[kind].set(object.id, object);
    if (kind === 'service') {
      const service = object as Service;
      this.#serviceIds.set(service.spec.Name.toLowerCase(), service.id);
    } else if (kind === 'node') {
      const node = object as Node;
      if (node.role === 'manager') this.#managers.set(node.id, node);
      else this.#managers.delete(node.id);
    } else if (kind === 'task') {
      const task = object as Task;
      into(this.#byService, task.serviceId, task);
      if (task.nodeId !== '') into(this.#byNode, task.nodeId, task);
    }
  }

  #unset<K extends Kind>(kind: K, object: ObjectOf[K]): void {
    this.#maps[kind].delete(object.id);
    this.#unindex(kind, object);
    if (kind === 'node') this.#managers.delete(object.id);
    if (kind === 'task') {
      const task = object as Task;
      outOf(this.#byService, task.serviceId, task.id);
      outOf(this.#byNode, task.nodeId, task.id);
    }
  }

  /** Drops index entries that the next version of the object may not have. */
  #unindex(kind: Kind, object: ObjectOf[Kind]): void {
    if (kind === 'service') {
      const name = (object as Service).spec.Name.toLowerCase();
      if (this.#serviceIds.get(name) === object.id) this.#serviceIds.delete(name);
    }
  }
}

function into(index: Map<string, Map<string, Task>>, key: string, task: Task): void {
  const set = index.get(key);
  if (set === undefined) index.set(key, new Map([[task.id, task]]));
  else set.set(task.id, task);
}

function outOf(index: Map<string, Map<string, Task>>, key: string, id: string): void {
  const set = index.get(key);
  if (set?.delete(id) === true && set.size === 0) index.delete(key);
}
