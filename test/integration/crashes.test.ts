// A real daemon whose actors are made to throw, each kind of them: it gets over all of it. The simulation does this one by
// one, at length (test/sim/crashes.test.ts).

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { TreeLine } from '../../supervisors/registry.ts';
import type { ActorRow, TreeOfNode } from '../../cmd/tree-command.ts';
import { kindOf, oneOfEachKind } from '../support/crash.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type Engine, loadImages, SLEEP, startEngine, until } from '../support/engine.ts';
import { patient } from '../support/patience.ts';

const run = promisify(execFile);

let engine: Engine;
let daemon: Daemon;

beforeAll(async () => {
  engine = await startEngine({ name: 'crashes' });
  await loadImages(engine);
  daemon = await startDaemon(engine, {
    entry: resolve(import.meta.dirname, '../support/crashable-daemon.mjs'),
    env: { CRASH_SOCKET: join(engine.dir, 'crash.sock') },
  });
});
afterAll(async () => {
  await daemon?.stop();
  await engine?.stop();
});

/** The actors that run, after these have crashed. */
function crash(...addresses: readonly string[]): Promise<readonly TreeLine[]> {
  return new Promise((resolve_, reject) => {
    const socketPath = join(engine.dir, 'crash.sock');
    const asked = request({ socketPath, method: 'POST' }, (res) => {
      text(res).then((body) => resolve_(JSON.parse(body) as readonly TreeLine[]), reject);
    });
    asked.on('error', reject);
    asked.end(JSON.stringify(addresses));
  });
}
const kinds = async (): Promise<readonly string[]> =>
  [...oneOfEachKind(await crash()).keys()].toSorted();

const errors = (): Promise<string> =>
  daemon.mustDocker('service', 'ps', '--no-trunc', '--format', '{{.Error}}', 'web');

/** What `natswarm tree` prints of the daemon, asked of it alone or, as a manager, over the bus. */
async function printedTree(...flags: readonly string[]): Promise<readonly ActorRow[]> {
  const cli = resolve(import.meta.dirname, '../../dist/cmd/cli.js');
  const args = ['tree', '--host', `unix://${daemon.socket}`, '--json', ...flags];
  const { stdout } = await run(process.execPath, [cli, ...args]);
  const [node, ...others] = JSON.parse(stdout) as readonly TreeOfNode[];
  expect({ others, more: node?.More, error: node?.Error }).toEqual({ others: [], more: 0 });
  return node?.Actors ?? [];
}
const kindsPrinted = async (...flags: readonly string[]): Promise<readonly string[]> =>
  [...new Set((await printedTree(...flags)).map(({ Address }) => kindOf(Address)))].toSorted();

/** In the order of their tree, the innermost first. */
const ofTheDaemon = [
  'renewal/certificate',
  'manager/leader/lease',
  'manager/leadership',
  'renewal',
  'manager',
  'join-listener',
  'bus-auth',
  'bus-server',
  'agent',
];
const others = [
  'agent/*/engine',
  'agent/*/logs',
  'agent/*/session',
  'agent/*/tasks',
  'agent/*/tasks/*',
  'agent/*/tree',
  'manager/leader/ca',
  'manager/leader/dispatcher',
  'manager/leader/feature-level',
  'manager/leader/log-servers',
  'manager/leader/node-plans/*',
  'manager/leader/nodes/*',
  'manager/leader/scheduler',
  'manager/leader/services/*',
];

/** With it the daemon ends, as when its supervisor gives up: a change may be half done, and a start begins from the disk. */
const endsTheDaemon = ['membership'];

test('every kind of actor crashes, and the daemon gets over it', async () => {
  await daemon.mustDocker('swarm', 'init');
  await daemon.mustDocker(
    'service',
    'create',
    '-q',
    '--replicas',
    '2',
    '--stop-grace-period',
    '1s',
    '--name',
    'web',
    SLEEP,
  );
  const node = await daemon.mustDocker('node', 'ls', '-q');
  await daemon.mustDocker('node', 'update', '--label-add', 'zone=a', node);
  const known = [...ofTheDaemon, ...others, ...endsTheDaemon].toSorted();
  const isWhole = async (): Promise<boolean> => String(await kinds()) === String(known);
  await until(
    async () => (await kinds()).length >= known.length,
    patient(10_000),
    'an actor of each kind',
  );
  expect(await kinds()).toEqual(known);
  expect(await kindsPrinted()).toEqual(known);
  expect(await kindsPrinted('--cluster')).toEqual(known);
  expect(await kindsPrinted('--node', node)).toEqual(known);
  await crash(oneOfEachKind(await crash()).get('agent/*/tasks/*') ?? '');
  await until(
    async () => (await errors()).includes('agent: made to crash by a test'),
    patient(15_000),
    'the task whose actor has crashed to fail, and to say why',
  );
  for (const kind of others) {
    await crash(oneOfEachKind(await crash()).get(kind) ?? '');
    await until(isWhole, patient(10_000), `another ${kind}`);
  }
  await crash(...ofTheDaemon);
  await until(isWhole, patient(15_000), 'all parts of the daemon');
  await daemon.mustDocker('service', 'scale', 'web=3');
  const printed = await printedTree('--cluster');
  const lastErrors = printed
    .filter(({ Address }) => ofTheDaemon.includes(Address) && !Address.includes('/'))
    .map(({ LastError }) => LastError);
  expect(new Set(lastErrors)).toEqual(new Set(['made to crash by a test']));
  expect(await daemon.mustDocker('node', 'ls', '--format', '{{.Status}}')).toBe('Ready');
  expect(await daemon.mustDocker('info', '--format', '{{.Swarm.Error}}')).toBe('');
  expect(daemon.log()).toContain(`"node":"${node}","child":"bus-server"`);
});
