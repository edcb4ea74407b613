// What one node says costs nobody else anything: a plain NATS client with a worker's real certificate against a real daemon.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { NatsConnection } from 'nats';
import { createRequest, generateKeys } from '../../pki/mod.ts';
import { until } from '../support/engine.ts';
import { connectRaw, joinRaw, post } from '../support/intruder.ts';
import { type Pair, startPair } from '../support/pair.ts';

let pair: Pair;
let mallory: Awaited<ReturnType<typeof joinRaw>>;
let raw: NatsConnection;

beforeAll(async () => {
  pair = await startPair('hostile');
  await pair.manager.mustDocker('swarm', 'init');
  await pair.join();
  mallory = await joinRaw(Number(pair.remote.split(':')[1]), await pair.token());
  raw = await connectRaw(mallory.busPort, mallory);
});
afterAll(async () => {
  await raw?.close();
  await pair?.stop();
});

async function ask(verb: string, body: object): Promise<{ readonly ok: boolean }> {
  const subject = `natswarm.v1.agent.${mallory.nodeId}.${verb}`;
  const answer = await raw.request(subject, JSON.stringify(body), { timeout: 60_000 });
  return answer.json<{ ok: boolean }>();
}

const resources = { nanoCpus: 1e9, memoryBytes: 1e9 };
const engine = { version: '28.0.0', labels: {}, plugins: [] };
const describeAs = (fields: object): object => ({
  session: 's',
  description: {
    hostname: 'mallory',
    platform: { architecture: 'x86_64', os: 'linux' },
    resources,
    engine,
    ...fields,
  },
});

/** Everybody's lists, and a service that the scheduler compares with every node. */
async function goesOn(name: string): Promise<void> {
  const { manager } = pair;
  expect(await manager.mustDocker('node', 'ls', '--format', '{{.ID}}')).toContain(mallory.nodeId);
  await manager.mustDocker('info');
  const create =
    `service create --quiet --no-resolve-image --name ${name} --log-driver json-file ` +
    '--constraint engine.labels.a!=b --constraint node.hostname!=mallory natswarm-sleep:1 sleep 1000';
  await manager.mustDocker(...create.split(' '));
  expect(await manager.mustDocker('service', 'ps', '--format', '{{.CurrentState}}', name)).toMatch(
    /^Running/,
  );
  await manager.mustDocker('service', 'rm', name);
}

test('hellos that nobody could read are refused, and everything goes on, also after a restart', async () => {
  const hellos = [
    { resources: { ...resources, generic: { a: 1 } } },
    { resources: { ...resources, generic: [null, 1] } },
    { resources: { ...resources, memoryBytes: 1e300 } },
    { engine: { ...engine, labels: { a: { b: 1 } } } },
    { engine: { ...engine, plugins: [null] } },
    { platform: { architecture: 'x'.repeat(1_000_000), os: 'linux' } },
    { addr: { a: 1 } },
    { tls: 'yes' },
  ];
  for (const fields of hellos)
    expect(await ask('hello', describeAs(fields))).toMatchObject({
      ok: false,
      error: { message: 'malformed hello' },
    });
  await goesOn('after-hellos');
  await pair.manager.kill();
  await pair.manager.start();
  await goesOn('after-restart');
});

test('a hello that says too much is taken as far as there is room, and prints as text', async () => {
  raw = await connectRaw(mallory.busPort, mallory);
  const labels = Object.fromEntries(
    Array.from({ length: 5_000 }, (_, i) => [`l${i}`, 'x'.repeat(100)]),
  );
  const plugins = Array.from({ length: 10_000 }, (_, i) => ({ type: 'Log', name: `p${i}` }));
  const hostname = 'mallory\u001b[2J\r\u009b\nroot';
  const hello = describeAs({ hostname, engine: { ...engine, labels, plugins } });
  expect(await ask('hello', hello)).toMatchObject({ ok: true });
  const shown = await pair.manager.mustDocker('node', 'inspect', mallory.nodeId);
  expect(shown.length).toBeLessThan(100_000);
  const listed = await pair.manager.mustDocker('node', 'ls', '--format', '{{.Hostname}}');
  expect(listed).toContain('mallory\ufffd[2J\ufffd\ufffd\ufffdroot');
  const pretty = await pair.manager.mustDocker('node', 'inspect', '--pretty', mallory.nodeId);
  expect(pretty).not.toMatch(/[^\P{Cc}\n\t]/u);
});

test('a hello of a newer natswarm, whose bodies may mean something else, is refused with what to install', async () => {
  expect(await ask('hello', { ...describeAs({}), wire: 2 })).toMatchObject({
    ok: false,
    error: {
      message: expect.stringMatching(
        /^the hello is of version 2, and this natswarm reads version 0 to 1: install /,
      ),
    },
  });
});

test('names with control characters are refused', async () => {
  for (const fields of [
    { engine: { ...engine, version: '1\u001b[2J' } },
    { platform: { architecture: 'x86_64\n', os: 'linux' } },
    { engine: { ...engine, plugins: [{ type: 'Log', name: '\u009b2J' }] } },
  ])
    expect(await ask('hello', describeAs(fields))).toMatchObject({
      ok: false,
      error: { message: 'malformed hello' },
    });
});

test("a node that takes another's hostname is told apart by its ID, whatever names it", async () => {
  const { manager } = pair;
  const self = await manager.mustDocker('node', 'ls', '--filter', 'role=manager', '-q');
  const id = await manager.mustDocker('node', 'inspect', '--format', '{{.ID}}', self);
  const name = await manager.mustDocker(
    'node',
    'inspect',
    '--format',
    '{{.Description.Hostname}}',
    id,
  );
  expect(await ask('hello', describeAs({ hostname: name }))).toMatchObject({ ok: true });
  const holders = await manager.mustDocker('node', 'ls', '--filter', `name=${name}`, '-q');
  const text =
    `node ${name} is ambiguous (${holders.split('\n').length} matches found): ` +
    `${holders.split('\n').toSorted().join(', ')}; say which by its ID`;
  expect(text).toContain(id);
  expect(text).toContain(mallory.nodeId);
  for (const command of [
    ['node', 'inspect', name],
    ['node', 'update', '--availability', 'drain', name],
    ['node', 'promote', name],
    ['node', 'rm', '--force', name],
    ['node', 'ps', name],
  ])
    expect((await manager.docker(...command)).stderr).toContain(text);
  expect(
    await manager.mustDocker('node', 'inspect', '--format', '{{.Spec.Availability}}', id),
  ).toBe('active');
  expect(await ask('hello', describeAs({}))).toMatchObject({ ok: true });
});

test('statuses that nobody could read are refused; a time of another world is now', async () => {
  const { manager } = pair;
  expect(await ask('hello', describeAs({}))).toMatchObject({ ok: true });
  await manager.mustDocker('node', 'update', '--availability', 'active', mallory.nodeId);
  const create =
    'service create --quiet --detach --no-resolve-image --mode global --name everywhere natswarm-sleep:1 sleep 1000';
  await manager.mustDocker(...create.split(' '));
  let taskId = '';
  const isAssigned = async (): Promise<boolean> => {
    const filter = ['--filter', `node=${mallory.nodeId}`];
    taskId = await manager.mustDocker('service', 'ps', '-q', '--no-trunc', ...filter, 'everywhere');
    return taskId !== '';
  };
  await until(isAssigned, 5_000, 'its task');
  const report = (fields: object) =>
    ask('status', {
      session: 's',
      updates: [{ taskId, status: { state: 'running', at: 1, message: 'm', ...fields } }],
    });
  for (const fields of [
    { at: 'soon' },
    { message: { a: 1 } },
    { err: 7 },
    { container: { id: 1 } },
    { ports: 'all' },
    { ports: [null] },
  ])
    expect(await report(fields)).toMatchObject({
      ok: false,
      error: { message: 'malformed report' },
    });
  expect(await report({ at: 1e300, message: 'a\u001b[2Jb' })).toMatchObject({ ok: true });
  const [shown] = JSON.parse(await manager.mustDocker('inspect', taskId)) as [
    { readonly Status: { readonly Timestamp: string; readonly Message: string } },
  ];
  expect(Math.abs(Date.parse(shown.Status.Timestamp) - Date.now())).toBeLessThan(600_000);
  expect(shown.Status.Message).toBe('a\ufffd[2Jb');
  await goesOn('after-statuses');
  await manager.mustDocker('service', 'rm', 'everywhere');
});

test('who joins tells an address, or nothing', async () => {
  const port = Number(pair.remote.split(':')[1]);
  const token = await pair.token();
  const { privateKey } = generateKeys();
  const ask = { token, request: createRequest(privateKey), availability: 'drain' };
  for (const addr of ['a', '10.0.0.1\u001b[2J', '10.0.0.1:80', '9'.repeat(60_000)])
    expect(await post(port, '/v1/join', JSON.stringify({ ...ask, addr }))).toMatchObject({
      status: 400,
      body: { error: { message: 'node.join: "addr" must be an IP address' } },
    });
  const { status } = await post(port, '/v1/join', JSON.stringify({ ...ask, addr: 'fd00::1' }));
  expect(status).toBe(200);
});

test('the way back over TLS 1.2, where connections cannot be told apart, is refused as such', async () => {
  const port = Number(pair.remote.split(':')[1]);
  const ask = JSON.stringify({ token: '', nodeId: mallory.nodeId, request: '', proof: '' });
  expect(await post(port, '/v1/rejoin', ask, { maxVersion: 'TLSv1.2' })).toMatchObject({
    status: 400,
    body: { error: { code: 'InvalidArgument', message: 'TLS 1.3 is needed' } },
  });
});
