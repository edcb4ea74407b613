import { assert } from '../assert.ts';
import {
  type IndexOf,
  type Kind,
  kinds,
  type ObjectOf,
  type Objects,
  ofKinds,
  table,
} from '../kinds/table.ts';
import type { Cluster, Meta, Node, Service, Task } from '../model/objects.ts';
import { templateFrom } from '../model/template.ts';
import type { Applied, Change, CreateTask, Transaction } from './changes.ts';
import { Collection } from './collection.ts';
import type { View } from './view.ts';

function metaAfter(change: Change, before: Meta | undefined, tx: Transaction): Meta {
  const meta = {
    version: tx.index,
    createdAt: before?.createdAt ?? tx.at,
    updatedAt: tx.at,
  };
  if (!table[change.kind].hasVersionOfSpec) return meta;
  const isWritten = change.op !== 'patch' || 'spec' in change.fields;
  return { ...meta, versionOfSpec: isWritten ? tx.index : (before?.versionOfSpec ?? tx.index) };
}

type Collections = { readonly [K in Kind]: Collection<ObjectOf[K], IndexOf<K>> };

/** The state: immutable objects in indexed collections. It changes only by `apply`, in log order. */
export class Store implements View {
  #index = 0;
  readonly #all = ofKinds<Collections>((kind) => new Collection<never, never>(table[kind]));

  get index(): number {
    return this.#index;
  }
  get<K extends Kind>(kind: K, id: string): ObjectOf[K] | undefined {
    return this.#all[kind].get(id);
  }
  list<K extends Kind>(kind: K): Iterable<ObjectOf[K]> {
    return this.#all[kind].all();
  }
  where<K extends Kind>(kind: K, index: IndexOf<K>, key: string): Iterable<ObjectOf[K]> {
    return this.#all[kind].where(index, key);
  }
  count(kind: Kind): number {
    return this.#all[kind].size;
  }
  cluster(): Cluster | undefined {
    return first(this.#all.cluster.all());
  }
  node(id: string): Node | undefined {
    return this.#all.node.get(id);
  }
  managers(): Iterable<Node> {
    return this.#all.node.where('role', 'manager');
  }
  service(id: string): Service | undefined {
    return this.#all.service.get(id);
  }
  serviceByName(name: string): Service | undefined {
    return first(this.#all.service.where('name', name.toLowerCase()));
  }
  task(id: string): Task | undefined {
    return this.#all.task.get(id);
  }
  tasksOfService(serviceId: string): Iterable<Task> {
    return this.#all.task.where('service', serviceId);
  }
  tasksOfNode(nodeId: string): Iterable<Task> {
    return this.#all.task.where('node', nodeId);
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
  dump(): Objects {
    return ofKinds((kind) => [...this.#all[kind].all()]);
  }

  /** Of a kind that is not among the objects there are none: whoever wrote them did not know it. */
  static load(index: number, objects: Partial<Objects>): Store {
    const store = new Store();
    store.#index = index;
    for (const kind of kinds) for (const object of objects[kind] ?? []) store.#set(kind, object);
    return store;
  }

  #change(change: Change, tx: Transaction): Applied {
    if (change.op === 'create') return this.#change(this.#whole(change), tx);
    const id = change.op === 'put' ? change.object.id : change.id;
    const before = this.#all[change.kind].get(id);
    if (change.op === 'delete') {
      if (before !== undefined) this.#all[change.kind].delete(before as never);
      return { kind: change.kind, id, before, after: undefined } as Applied;
    }
    assert(change.op === 'put' || before !== undefined, `patch of a missing ${change.kind} ${id}`);
    const meta = metaAfter(change, before?.meta, tx);
    const after =
      change.op === 'put' ? { ...change.object, meta } : { ...before, ...change.fields, meta };
    if (change.op === 'patch')
      for (const [key, value] of Object.entries(change.fields))
        if (value === undefined) delete (after as Record<string, unknown>)[key];
    this.#set(change.kind, after);
    return { kind: change.kind, id, before, after } as Applied;
  }

  /** The new task with what its service says now: all tasks of one version share one object. */
  #whole({ object }: CreateTask): Change {
    const service = this.#all.service.get(object.serviceId);
    assert(
      service !== undefined && service.specVersion === object.specVersion,
      `task ${object.id} of ${object.serviceId} as it is not any more`,
    );
    return { op: 'put', kind: 'task', object: { ...object, ...templateFrom(service) } };
  }

  #set(kind: Kind, object: object): void {
    this.#all[kind].set(object as never);
  }
}

function first<T>(all: Iterable<T>): T | undefined {
  for (const one of all) return one;
  return undefined;
}
