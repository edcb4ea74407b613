import type { TaskSpec } from '../../domain/model/spec.ts';
import type { Call, Deps, Route } from '../call.ts';
import { checkStreams, logOptionsOf } from '../logs/options.ts';
import { LogStream } from '../logs/stream.ts';
import { getService, getTask } from '../resolve.ts';
import { hangUp, Sink } from '../sink.ts';
import { isBefore } from '../version.ts';

/** Logs of services and tasks (swarm-compat §2.9). */
export function logRoutes(deps: Deps): readonly Route[] {
  return [
    { method: 'GET', path: '/services/{id}/logs', handle: (call) => logs(deps, call, 'service') },
    { method: 'GET', path: '/tasks/{id}/logs', handle: (call) => logs(deps, call, 'task') },
  ];
}

async function logs(deps: Deps, call: Call, kind: 'service' | 'task'): Promise<undefined> {
  const { query, res, version, id: word } = call;
  query.check();
  checkStreams(query);
  const view = await deps.swarm.read();
  const [id, spec] = subject(kind === 'service' ? getService(view, word) : getTask(view, word));
  const log = logOptionsOf(query);
  const isTty = spec.ContainerSpec.TTY === true;
  const type = isTty || isBefore(version, '1.42') ? 'raw' : 'multiplexed';
  deps.readers.open(res);
  const signal = hangUp(res, deps.closing);
  res.writeHead(200, {
    ...deps.identity.headers,
    'Content-Type': `application/vnd.docker.${type}-stream`,
  });
  // the client learns that its request was good before there is any line
  res.flushHeaders();
  const { swarm, readers, logTurns: turns, wallNow } = deps;
  const sink = new Sink(res, readers);
  const of = { kind, id };
  const stream = new LogStream({ swarm, sink, readers, turns, log, of, isTty, wallNow, signal });
  await stream.run(view);
  res.end();
  return undefined;
}

const subject = (
  found: ReturnType<typeof getService> | ReturnType<typeof getTask>,
): readonly [string, TaskSpec] => [
  found.id,
  'serviceId' in found ? found.spec : found.spec.TaskTemplate,
];
