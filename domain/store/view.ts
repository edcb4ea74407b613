import type { IndexOf, Kind, ObjectOf } from '../kinds/table.ts';
import type { Cluster, Node, Service, Task } from '../model/objects.ts';

/** Read access to the state. Decisions take a View; what it returns is immutable. */
export interface View {
  /** Sequence of the last transaction in it. */
  readonly index: number;
  get<K extends Kind>(kind: K, id: string): ObjectOf[K] | undefined;
  list<K extends Kind>(kind: K): Iterable<ObjectOf[K]>;
  /** What an index of the kind has under a key. */
  where<K extends Kind>(kind: K, index: IndexOf<K>, key: string): Iterable<ObjectOf[K]>;
  count(kind: Kind): number;
  cluster(): Cluster | undefined;
  node(id: string): Node | undefined;
  /** The nodes that are managers: few, however many nodes there are. */
  managers(): Iterable<Node>;
  service(id: string): Service | undefined;
  /** Service names are unique without regard to case. */
  serviceByName(name: string): Service | undefined;
  task(id: string): Task | undefined;
  tasksOfService(serviceId: string): Iterable<Task>;
  tasksOfNode(nodeId: string): Iterable<Task>;
}

/** Time and randomness as arguments of decisions. */
export interface Context {
  /** Wall clock, ms. */
  readonly now: number;
  readonly newId: () => string;
}
