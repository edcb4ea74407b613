import { limits } from '../domain/limits.ts';
import type { NodeDescription } from '../domain/model/objects.ts';
import { taskStateRank } from '../domain/task-state.ts';
import type { Beat, Hello, StatusReport } from './protocol.ts';

/**
 * What agents send, checked: a node's certificate lets it write to these subjects, not write anything into them. Each
 * answers undefined for a body that is not of its form.
 */
const fieldsOf = (body: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof body === 'object' && body !== null && !Array.isArray(body)
    ? (body as Readonly<Record<string, unknown>>)
    : undefined;

const isShortText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= limits.statusTextLengthMax;

function sessionFrom(body: unknown): string | undefined {
  const session = fieldsOf(body)?.['session'];
  return isShortText(session) ? session : undefined;
}

export function beatFrom(body: unknown): Beat | undefined {
  const session = sessionFrom(body);
  const seq = fieldsOf(body)?.['seq'];
  if (session === undefined) return undefined;
  return Number.isSafeInteger(seq) ? { session, seq: seq as number } : { session };
}

export function helloFrom(body: unknown): Hello | undefined {
  const session = sessionFrom(body);
  const description = fieldsOf(fieldsOf(body)?.['description']);
  if (session === undefined || description === undefined) return undefined;
  const platform = fieldsOf(description['platform']);
  const resources = fieldsOf(description['resources']);
  const engine = fieldsOf(description['engine']);
  const wellFormed =
    isShortText(description['hostname']) &&
    isShortText(platform?.['architecture']) &&
    isShortText(platform?.['os']) &&
    Number.isFinite(resources?.['nanoCpus']) &&
    Number.isFinite(resources?.['memoryBytes']) &&
    isShortText(engine?.['version']) &&
    fieldsOf(engine?.['labels']) !== undefined &&
    Array.isArray(engine?.['plugins']);
  return wellFormed
    ? { session, description: description as unknown as NodeDescription }
    : undefined;
}

/** At most `limits.statusReportTasksMax` updates; a longer report is not of an agent's making. */
export function statusUpdatesFrom(body: unknown): StatusReport['updates'] | undefined {
  const updates = fieldsOf(body)?.['updates'];
  if (!Array.isArray(updates) || updates.length > limits.statusReportTasksMax) return undefined;
  const wellFormed = updates.every((update) => {
    const status = fieldsOf(fieldsOf(update)?.['status']);
    return (
      isShortText(fieldsOf(update)?.['taskId']) &&
      status !== undefined &&
      Object.hasOwn(taskStateRank, String(status['state'])) &&
      Number.isFinite(status['at']) &&
      typeof status['message'] === 'string' &&
      (status['err'] === undefined || typeof status['err'] === 'string')
    );
  });
  return wellFormed ? (updates as StatusReport['updates']) : undefined;
}
