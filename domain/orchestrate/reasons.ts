import type { Node } from '../model/objects.ts';
import type { View } from '../store/view.ts';
import { planNode } from './plan-node.ts';
import { planService } from './plan-service.ts';

/**
 * Why a service is not, or not yet, as its spec says: what its plan leaves undone, and what its tasks wait for. Reasons
 * are made from the state when somebody asks, so that they are never older than what they explain. Costs what a plan does.
 * @param now wall clock, ms
 */
export function serviceReasons(view: View, serviceId: string, now: number): readonly string[] {
  const { reasons = [] } = planService(view, serviceId, { now, newId: () => 'none' });
  const waiting = new Map<string, number>();
  for (const { status } of view.tasksOfService(serviceId))
    if (status.state === 'pending' && status.err !== undefined)
      waiting.set(status.err, (waiting.get(status.err) ?? 0) + 1);
  return [
    ...reasons,
    ...[...waiting].map(([err, count]) => `waiting for a node: ${err} (${count})`),
  ];
}

/**
 * Why a node gets no tasks, or keeps those that it has.
 * @param now wall clock, ms
 */
export function nodeReasons(view: View, node: Node, now: number): readonly string[] {
  const { spec, status, heldUntil, restUntil, engineAwaySince, barredUntil } = node;
  const reasons: string[] = [];
  if (spec.Availability === 'drain') reasons.push('no tasks: the node is drained');
  if (spec.Availability === 'pause') reasons.push('no new tasks: the node is paused');
  if (engineAwaySince !== undefined)
    reasons.push(`no new tasks: its engine does not answer since ${date(engineAwaySince)}`);
  else if (status.state !== 'ready') reasons.push(`no new tasks: the node is ${status.state}`);
  if (heldUntil !== undefined)
    reasons.push(`its tasks stay until ${date(heldUntil)}, in case it comes back`);
  if (restUntil !== undefined)
    reasons.push(`no new tasks until ${date(restUntil)}: the node went down again and again`);
  if (barredUntil !== undefined && barredUntil > now)
    reasons.push(`not let in until ${date(barredUntil)}: it had sent too much`);
  return [...reasons, ...(planNode(view, node.id, { now, newId: () => 'none' }).reasons ?? [])];
}

/** Stored times are checked nowhere, and a bad one must not end the answer. */
const date = (ms: number): string => {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? 'an unknown time' : time.toISOString();
};
