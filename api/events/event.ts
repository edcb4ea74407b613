import type { Node, Service } from '../../domain/model/objects.ts';
import type { Labels } from '../../domain/model/spec.ts';
import { fieldsOf, textOf } from '../view/readable.ts';
import type { Applied } from '../../domain/store/changes.ts';

/** An event with scope `swarm` (swarm-compat §2.7). */
export interface SwarmEvent {
  readonly type: 'service' | 'node';
  readonly action: 'create' | 'update' | 'remove';
  readonly id: string;
  readonly attributes: Labels;
  /** ms. */
  readonly at: number;
}

/** The event that a change of the state is for Docker's users; tasks and the cluster make none. */
export function eventOf(change: Applied, now: number): SwarmEvent | undefined {
  if (change.kind === 'service') return serviceEvent(change, now);
  return change.kind === 'node' ? nodeEvent(change, now) : undefined;
}

type AppliedTo<K> = Extract<Applied, { readonly kind: K }>;

function serviceEvent(change: AppliedTo<'service'>, now: number): SwarmEvent | undefined {
  const { before, after } = change;
  const shown = after ?? before;
  if (shown === undefined || (before && after && isSilent(before, after))) return undefined;
  const attributes = { name: shown.spec.Name, ...(before && after && serviceDiff(before, after)) };
  return { type: 'service', ...lifecycle(change, now), attributes };
}

/** Only the updater's own notes have changed; Swarm keeps those in its leader's memory. */
const isSilent = (before: Service, after: Service): boolean =>
  before.updateProgress !== after.updateProgress &&
  before.spec === after.spec &&
  before.specVersion === after.specVersion &&
  before.updateStatus === after.updateStatus;

function serviceDiff(before: Service, after: Service): Labels {
  const oldReplicas = before.spec.Mode.Replicated?.Replicas;
  const newReplicas = after.spec.Mode.Replicated?.Replicas;
  return {
    ...pair(
      'image',
      before.spec.TaskTemplate.ContainerSpec.Image,
      after.spec.TaskTemplate.ContainerSpec.Image,
    ),
    ...pair('replicas', oldReplicas?.toString(), newReplicas?.toString()),
    ...(after.updateStatus === undefined
      ? {}
      : pair('updatestate', before.updateStatus?.state, after.updateStatus.state)),
  };
}

function nodeEvent(change: AppliedTo<'node'>, now: number): SwarmEvent | undefined {
  const { before, after } = change;
  const shown = after ?? before;
  if (shown === undefined) return undefined;
  const name = shown.spec.Name || textOf(fieldsOf(shown.description)['hostname']);
  const attributes = { name, ...(before && after && nodeDiff(before, after)) };
  return { type: 'node', ...lifecycle(change, now), attributes };
}

const nodeDiff = (before: Node, after: Node): Labels => ({
  ...pair('availability', before.spec.Availability, after.spec.Availability),
  ...pair('role', before.role, after.role),
  ...pair('state', before.status.state, after.status.state),
  ...(before.manager && after.manager
    ? pair('reachability', before.manager.reachability, after.manager.reachability)
    : {}),
});

/** Times are those of the object, as Swarm's are; a removal has none. */
function lifecycle({ id, before, after }: AppliedTo<'service' | 'node'>, now: number) {
  if (after === undefined) return { action: 'remove', id, at: now } as const;
  if (before === undefined) return { action: 'create', id, at: after.meta.createdAt } as const;
  return { action: 'update', id, at: after.meta.updatedAt } as const;
}

function pair(name: string, before: string | undefined, after: string | undefined): Labels {
  if (before === after || after === undefined) return {};
  return {
    ...(before === undefined ? {} : { [`${name}.old`]: before }),
    [`${name}.new`]: after,
  };
}

const sorted = (labels: Labels): Labels =>
  Object.fromEntries(
    Object.keys(labels)
      .sort()
      .map((key) => [key, labels[key] ?? '']),
  );

/** One line of the stream. Nanoseconds do not fit into a JavaScript number, so they are put in as text. */
export function eventLine(event: SwarmEvent): string {
  const json = JSON.stringify({
    Type: event.type,
    Action: event.action,
    Actor: { ID: event.id, Attributes: sorted(event.attributes) },
    scope: 'swarm',
    time: Math.floor(event.at / 1000),
  });
  return `${json.slice(0, -1)},"timeNano":${event.at}000000}\n`;
}

export const nanosOf = (event: SwarmEvent): bigint => BigInt(event.at) * 1_000_000n;
