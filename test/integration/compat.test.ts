import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type IncomingHttpHeaders, request } from 'node:http';
import { join } from 'node:path';
import { inOrder, normalise } from '../compat/normalise.ts';
import type { Row } from '../compat/row.ts';
import { table } from '../compat/table.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { dockerCli, type Engine, loadImages, startEngine, until } from '../support/engine.ts';

/** One side of the comparison: dockerd's own swarm mode, or natswarm in front of another dockerd. */
interface Side {
  readonly socket: string;
  readonly cliDir: string;
  /** What rows said to keep, by name. */
  readonly kept: Map<string, string>;
}

let swarmEngine: Engine;
let engine: Engine;
let daemon: Daemon;
let swarm: Side;
let natswarm: Side;

beforeAll(async () => {
  [swarmEngine, engine] = await Promise.all([
    startEngine({ name: 'swarm' }),
    startEngine({ name: 'natswarm' }),
  ]);
  await Promise.all([loadImages(swarmEngine), loadImages(engine)]);
  daemon = await startDaemon(engine);
  swarm = { socket: swarmEngine.socket, cliDir: join(swarmEngine.dir, 'cli'), kept: new Map() };
  natswarm = { socket: daemon.socket, cliDir: join(daemon.dir, 'cli'), kept: new Map() };
});

afterAll(async () => {
  await daemon?.stop();
  await Promise.all([swarmEngine?.stop(), engine?.stop()]);
});

const title = (row: Row): string =>
  'cli' in row
    ? `docker ${row.cli.join(' ')}`
    : `${row.api[0]} ${row.api[1]} ${JSON.stringify(row.api[2] ?? null).slice(0, 300)}`;

test.each(table.map((row, n) => [`${n} ${title(row)}`, row] as const))(
  '%s',
  async (_title, row) => {
    if (row.settled === true) await Promise.all([settle(swarm), settle(natswarm)]);
    // what is not compared is not waited for
    const their = row.natswarm === undefined ? outcome : run;
    const [theirs, ours] = await Promise.all([their(swarm, row), outcome(natswarm, row)]);
    if (row.natswarm !== undefined) expect(ours).toMatch(row.natswarm);
    else expect(ours).toBe(theirs);
  },
);

/** What the row comes to on one side; asked again where it has to come about first. */
async function outcome(side: Side, row: Row): Promise<string> {
  let text = await run(side, row);
  const { until: wanted } = row;
  const isSo = async (): Promise<boolean> => wanted?.test((text = await run(side, row))) ?? true;
  if (wanted === undefined || wanted.test(text)) return text;
  await until(isSo, 10_000, String(wanted)).catch(async (error: unknown) => {
    const [services, tasks] = await Promise.all(
      ['services', 'tasks'].map((path) => call(side, 'GET', `/v1.51/${path}`)),
    );
    const cause = [text, services?.text, tasks?.text].join('\n');
    throw new Error(`${sideName(side)}: ${(error as Error).message}, and it is ${cause}`);
  });
  return text;
}

const sideName = (side: Side): string => (side === swarm ? 'dockerd' : 'natswarm');

async function run(side: Side, row: Row): Promise<string> {
  const filled = (text: string): string =>
    text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => side.kept.get(name) ?? whole);
  const shown = (text: string): string =>
    row.unordered === true
      ? [...new Set(normalise(text).split('\n'))].toSorted().join('\n')
      : normalise(text);
  if ('cli' in row) {
    const limit = row.killAfterMs === undefined ? {} : { timeoutMs: row.killAfterMs };
    const args = row.cli.map(filled);
    const { code, stdout, stderr } = await dockerCli(side.socket, side.cliDir, args, limit);
    const end = `--- stderr\n${shown(stderr)}`;
    if (row.keep === undefined) return `exit ${code}\n${shown(stdout)}\n${end}`;
    side.kept.set(row.keep, stdout.trim());
    return `exit ${code}\n${end}`;
  }
  const [method, path, body] = row.api;
  const sent = body === undefined ? undefined : filled(textOf(body));
  const { status, headers, text } = await call(side, method, filled(path), sent, row.headers);
  const told = (row.answers ?? []).map((name) => `${name}: ${String(headers[name])}\n`).join('');
  return `${status} ${told}${shown(inOrder(text))}`;
}

/** Until every service of the side has as many running tasks as it wants, and no update is under way. */
async function settle(side: Side): Promise<void> {
  let text = '';
  const isSo = async (): Promise<boolean> => {
    ({ text } = await call(side, 'GET', '/v1.51/services?status=true'));
    const services = JSON.parse(text) as {
      ServiceStatus: { RunningTasks: number; DesiredTasks: number };
      UpdateStatus?: { State?: string };
    }[];
    const busy = services.some(
      (s) =>
        s.ServiceStatus.RunningTasks !== s.ServiceStatus.DesiredTasks ||
        /^(updating|rollback_started)$/.test(s.UpdateStatus?.State ?? ''),
    );
    return !busy;
  };
  await until(isSo, 30_000, 'the services to settle').catch((error: unknown) => {
    throw new Error(`${sideName(side)}: ${text}`, { cause: error });
  });
}

const textOf = (body: unknown): string => (typeof body === 'string' ? body : JSON.stringify(body));

function call(
  { socket: socketPath }: Side,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : textOf(body);
    const req = request(
      {
        socketPath,
        method,
        path: encodeURI(path),
        headers: {
          ...(payload !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
      },
      (res) => {
        let text = '';
        res.setEncoding('utf8');
        res.on('data', (chunk: string) => (text += chunk));
        res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text }));
      },
    );
    req.on('error', reject);
    req.end(payload);
  });
}
