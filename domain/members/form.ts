import type { LogForm, ManagerPlace, Node } from '../model/objects.ts';
import type { NodeSpec } from '../model/spec.ts';
import { type Change, patchNode } from '../store/changes.ts';
import type { View } from '../store/view.ts';

/** What a cluster has whose state tells of none. */
export const firstForm: LogForm = { generation: 1, form: 'alone' };

export const formOf = (view: View): LogForm & { readonly closed: boolean } => {
  const log = view.cluster()?.log ?? firstForm;
  return { generation: log.generation, form: log.form, closed: 'next' in log };
};

/** Whether the log of `generation` is closed: nothing more is written to it. */
export const isClosed = (view: View, generation: number): boolean =>
  (view.cluster()?.log?.next?.generation ?? 0) > generation;

/** The generation of several managers that goes on, or that begins as soon as there is a second one. */
export function upcoming(view: View): LogForm {
  const next = view.cluster()?.log?.next;
  const { generation, form } = next ?? formOf(view);
  return { generation: form === 'several' ? generation : generation + 1, form: 'several' };
}

/** What a manager says of where the log goes on, and up to which record it knows of it. */
interface Told {
  readonly generation: number;
  readonly index: number;
}

/**
 * What managers say, the one that knows best first: one that was left behind tells of a generation that is no more. Those
 * that know equally much come in no order, and one that is only joining, too, has no leader to tell.
 */
export const bestInformedFirst = <T extends { readonly offer: Told }>(
  found: readonly T[],
): readonly T[] =>
  [...found].sort(({ offer: a }, { offer: b }) => b.generation - a.generation || b.index - a.index);

export type Placed = Node & { readonly manager: ManagerPlace };
const isPlaced = (node: Node): node is Placed => node.manager !== undefined;

/** Managers that have told where they are, by ID: those that join and those that are to go among them. */
export const placedManagers = (view: View): readonly Placed[] =>
  [...view.managers()].filter(isPlaced);

/** Whether the manager's place is to be given up: once that has begun it ends so, and a node that is wanted again gets a new one. */
export const isGoing = ({ spec, manager }: Placed): boolean =>
  spec.Role === 'worker' || manager.leaving === true;

/** Whether the node counts when managers decide something by majority. */
export const isVoter = (node: Node): boolean =>
  node.manager !== undefined && node.manager.joining !== true;

/** How many of so many voters decide. */
export const majorityOf = (voters: number): number => Math.floor(voters / 2) + 1;

/** Whether this manager is to go while another one that counts stays: it leaves the lead to that one. */
export const leavesLead = (view: View, self: string): boolean => {
  const placed = placedManagers(view);
  const isToGo = placed.some((node) => node.id === self && isGoing(node));
  return isToGo && placed.some((node) => isVoter(node) && !isGoing(node));
};

/** What a manager's server must know of another one. */
export interface RoutePeer {
  readonly nodeId: string;
  readonly addr: string;
  readonly bus: string;
  /** `host:port` for the servers of other managers. */
  readonly route: string;
  readonly pins: readonly string[];
}

/** The servers that may be part of the log's group, by node ID. */
export const routePeers = (view: View): readonly RoutePeer[] =>
  placedManagers(view).map(({ id, pins = [], manager: { addr, bus, route } }) => ({
    nodeId: id,
    addr,
    bus,
    route,
    pins,
  }));

/**
 * What a generation begins with, in its first record. One of a manager that stands alone has no other managers: those
 * that were and are not here become workers, and as such they find their way back.
 */
export function enterGeneration(view: View, self: string, form: LogForm): readonly Change[] {
  const cluster = view.cluster();
  const now = cluster?.log ?? firstForm;
  if (cluster === undefined || (now.generation === form.generation && !('next' in now))) return [];
  const left = form.form === 'several' ? [] : placedManagers(view).filter(({ id }) => id !== self);
  return [
    { op: 'patch', kind: 'cluster', id: cluster.id, fields: { log: form } },
    ...left
      .filter(isVoter)
      .map((node) => releaseOf(node, isWantedAgain(node) ? node.spec : worker)),
  ];
}

const worker = { Role: 'worker' } as const;

/** It gives up its place, and is to have another one. */
const isWantedAgain = ({ spec, manager }: Node): boolean =>
  spec.Role === 'manager' && manager?.leaving === true;

/**
 * A manager gives up its place and is what it is to be: a worker, or a manager that has no place yet. A spec that stays as it
 * is, is not written: who has just read it and asks for another role must not be refused.
 */
export const releaseOf = ({ id, spec }: Node, as: Pick<NodeSpec, 'Role'> = spec): Change =>
  patchNode(id, {
    role: as.Role,
    ...(as.Role !== spec.Role && { spec: { ...spec, Role: as.Role } }),
    manager: undefined,
    pins: undefined,
    pinsSeenAt: undefined,
  });
