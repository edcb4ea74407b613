import * as v from 'valibot';
import type { EngineTrouble } from '../domain/assign/engine-status.ts';
import { limits } from '../domain/limits.ts';
import type { NodeDescription, TaskStatus } from '../domain/model/objects.ts';
import { descriptionFrom } from './description.ts';
import { count, list, name, readAs, text } from './wire.ts';
import { taskStateRank } from '../domain/task-state.ts';
import type { TaskState } from '../domain/task-state.ts';
import type { Heartbeat, Hello, StatusReport } from './protocol.ts';

/**
 * What agents send, built anew from what is checked: a node's certificate lets it write to these subjects, not write
 * anything into them. Each answers undefined for a body that is not of its form.
 */
const session = name(limits.sessionIdLengthMax);
const message = text(limits.statusTextLengthMax);

const trouble = v.object({
  engine: v.object({ error: message, graceMs: v.optional(v.unknown()) }),
});
const grace = v.pipe(count, v.maxValue(limits.engineGraceMsMax));

/** What an agent says of its engine: no help where it is malformed. A grace that makes no sense is none. */
function engineFrom(body: unknown): { readonly engine?: EngineTrouble } {
  const read = readAs(trouble, body)?.engine;
  if (read === undefined) return {};
  return { engine: { error: read.error, graceMs: readAs(grace, read.graceMs) ?? 0 } };
}

const heartbeat = v.object({ session, seq: v.exactOptional(v.unknown()) });

export function heartbeatFrom(body: unknown): Heartbeat | undefined {
  const read = readAs(heartbeat, body);
  if (read === undefined) return undefined;
  const seq = readAs(count, read.seq);
  return { session: read.session, ...(seq !== undefined && { seq }), ...engineFrom(body) };
}

const hello = v.object({
  session,
  description: v.unknown(),
  has: v.exactOptional(v.unknown()),
  wire: v.exactOptional(count),
  featureLevel: v.exactOptional(count),
});
const had = v.object({
  generation: count,
  templates: v.pipe(
    v.array(name(limits.statusTextLengthMax)),
    v.maxLength(limits.helloTemplatesMax),
  ),
});

export function helloFrom(body: unknown): Hello | undefined {
  const read = readAs(hello, body);
  const description = descriptionFrom(read?.description);
  if (read === undefined || description === undefined) return undefined;
  // what a node still has is a help only: what is not of its form is as nothing
  const has = readAs(had, read.has);
  return {
    session: read.session,
    description: withoutKey(description),
    ...(read.wire !== undefined && { wire: read.wire }),
    ...(read.featureLevel !== undefined && { featureLevel: read.featureLevel }),
    ...(has !== undefined && { has }),
    ...engineFrom(body),
  };
}

/** A node's keys are those that certificates were issued for; agents of before told theirs. */
function withoutKey({ tls, ...rest }: NodeDescription): NodeDescription {
  if (tls === undefined) return rest;
  const { publicKey: _, ...issuer } = tls;
  return { ...rest, tls: issuer };
}

const id = name(limits.descriptionNameMax);
const port = v.pipe(count, v.maxValue(65_535));
const states = Object.keys(taskStateRank) as TaskState[];

const taskStatus = v.object({
  state: v.picklist(states),
  at: v.pipe(v.number(), v.finite(), v.transform(Math.trunc)),
  message,
  err: v.exactOptional(message),
  container: v.exactOptional(
    v.object({ id, pid: count, exitCode: v.pipe(v.number(), v.safeInteger()) }),
  ),
  ports: v.exactOptional(
    list(
      v.object({
        Name: v.exactOptional(id),
        Protocol: v.picklist(['tcp', 'udp', 'sctp']),
        TargetPort: port,
        PublishedPort: v.exactOptional(port),
        PublishMode: v.picklist(['ingress', 'host']),
      }),
      limits.statusPortsMax,
    ),
  ),
});
const update = v.object({ taskId: id, status: taskStatus });
const report = v.object({
  updates: v.pipe(v.array(v.unknown()), v.maxLength(limits.statusReportTasksMax), v.array(update)),
});

/** At most `limits.statusReportTasksMax` updates; a longer report is not of an agent's making. */
export const statusUpdatesFrom = (body: unknown): StatusReport['updates'] | undefined =>
  readAs(report, body)?.updates;

/** As a status in a report: what an earlier version wrote into the state. */
export const taskStatusFrom = (value: unknown): TaskStatus | undefined => readAs(taskStatus, value);
