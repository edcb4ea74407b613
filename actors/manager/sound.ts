import { descriptionFrom } from '../../bus/description.ts';
import type { Node, ObjectOf, TaskStatus } from '../../domain/model/objects.ts';
import type { Change } from '../../domain/store/changes.ts';

/**
 * A version that did not check what nodes sent may have written it into the state. What nobody could read is left out
 * wherever the state comes from, journal, log or another manager, and the same by all; the node's next hello puts it right.
 */
export type LeftOut = (what: string) => void;
type Fields = Partial<Omit<Node, 'meta'>>;

export function soundChange(change: Change, leftOut: LeftOut): Change {
  if (change.kind === 'node' && change.op === 'put')
    return { ...change, object: soundNode(change.object.id, change.object, leftOut) };
  if (change.kind === 'node' && change.op === 'patch')
    return { ...change, fields: soundNode(change.id, change.fields as Fields, leftOut) };
  if (change.kind === 'task' && change.op === 'patch' && change.fields.status !== undefined)
    return { ...change, fields: { ...change.fields, status: soundStatus(change.fields.status) } };
  return change;
}

/** As `soundChange`, of a whole state. */
export function soundObjects<T extends { readonly [K in 'node' | 'task']: readonly ObjectOf[K][] }>(
  objects: T,
  leftOut: LeftOut,
): T {
  return {
    ...objects,
    node: objects.node.map((node) => soundNode(node.id, node, leftOut)),
    task: objects.task.map((task) => ({ ...task, status: soundStatus(task.status) })),
  };
}

function soundNode<T extends Fields>(id: string, fields: T, leftOut: LeftOut): T {
  if (fields.description === undefined) return fields;
  const description = descriptionFrom(fields.description);
  if (description === undefined) leftOut(`description of node ${id}`);
  return { ...fields, description };
}

/** The last time of which JavaScript and RFC 3339 (a year of four digits) know, ms. */
const lastMs = Date.UTC(9999, 11, 31);

function soundStatus(status: TaskStatus): TaskStatus {
  const isTime = Number.isFinite(status.at) && status.at >= 0 && status.at <= lastMs;
  return isTime ? status : { ...status, at: 0 };
}
