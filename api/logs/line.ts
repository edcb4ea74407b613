import type { Task } from '../../domain/model/objects.ts';

const prefix = 'com.docker.swarm';
const space = 0x20;

/**
 * Adds the task's attributes to those of the log driver. `data` is what the engine sends with `details=1`:
 * `[time ]attributes line`; the attributes are `k=v,…`, url-encoded, and may be missing.
 */
export function withTaskDetails(data: Uint8Array, task: Task, timestamps: boolean): Buffer {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const from = timestamps ? bytes.indexOf(space) + 1 : 0;
  const to = bytes.indexOf(space, from);
  if (to === -1) return bytes;
  const details = mergeDetails(bytes.toString('latin1', from, to), task);
  return Buffer.concat([bytes.subarray(0, from), Buffer.from(details), bytes.subarray(to)]);
}

/** Sorted by key; the task's own win. */
export function mergeDetails(encoded: string, task: Task): string {
  const details = new Map<string, string>();
  for (const pair of encoded === '' ? [] : encoded.split(',')) {
    const at = pair.indexOf('=');
    if (at > 0) details.set(pair.slice(0, at), pair.slice(at + 1));
  }
  details.set(`${prefix}.node.id`, task.nodeId);
  details.set(`${prefix}.service.id`, task.serviceId);
  details.set(`${prefix}.task.id`, task.id);
  return [...details.keys()]
    .sort()
    .map((key) => `${key}=${details.get(key) ?? ''}`)
    .join(',');
}

/** A line of natswarm's own among those of a task, with what the client wants before each line. */
export function remark(
  text: string,
  task: Task,
  wanted: { readonly timestamps: boolean; readonly details: boolean },
  nowMs: number,
): Uint8Array {
  const time = new Date(nowMs).toISOString().replace('Z', '000000Z');
  const parts = [
    ...(wanted.timestamps ? [time] : []),
    ...(wanted.details ? [mergeDetails('', task)] : []),
    `natswarm: ${text}\n`,
  ];
  return Buffer.from(parts.join(' '));
}
