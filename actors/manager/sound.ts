import { taskStatusFrom } from '../../bus/agent-bodies.ts';
import { descriptionFrom } from '../../bus/description.ts';
import type { ObjectOf } from '../../domain/kinds/table.ts';
import type { Node, TaskStatus } from '../../domain/model/objects.ts';
import { printableText } from '../../domain/printable.ts';
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
  const { description: given, status } = fields;
  const description = given === undefined ? undefined : descriptionFrom(given);
  if (given !== undefined && description === undefined) leftOut(`description of node ${id}`);
  return {
    ...fields,
    ...('description' in fields && { description }),
    // what its agent or its engine said is in there, and where it said that it is
    ...(status !== undefined && {
      status: { ...status, message: textOf(status.message), addr: textOf(status.addr) },
    }),
  };
}

/** The last time of which JavaScript and RFC 3339 (a year of four digits) know, ms. */
const lastMs = Date.UTC(9999, 11, 31);

/** What cannot be read is left out of it; the state itself was checked before, too. */
function soundStatus(status: TaskStatus): TaskStatus {
  const isTime = Number.isFinite(status.at) && status.at >= 0 && status.at <= lastMs;
  const timed = isTime ? status : { ...status, at: 0 };
  const read = taskStatusFrom(timed);
  if (read !== undefined) return read;
  const { state, at, message, err } = timed;
  return { state, at, message: textOf(message), ...(err !== undefined && { err: textOf(err) }) };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? printableText(value) : '');
