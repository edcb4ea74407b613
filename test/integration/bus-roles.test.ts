// Certificates decide what a connection may do. Plain NATS clients with real certificates against real daemons: a
// worker whose key was stolen, a manager that was demoted, and strangers.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { headers, type NatsConnection } from 'nats';
import {
  Authority,
  createCluster,
  generateKeys,
  privateKeyToPem,
  type Role,
} from '../../pki/mod.ts';
import { until } from '../support/engine.ts';
import { connectRaw, joinRaw, Probe, stolenFrom, type Stolen } from '../support/intruder.ts';
import { type Pair, startPair } from '../support/pair.ts';
import { nodeIdOf } from '../support/swarm-hosts.ts';
import { soon } from '../support/patience.ts';

let pair: Pair;
let victim = '';
let task = '';
let manager = '';
let mallory: Awaited<ReturnType<typeof joinRaw>>;
let authority: Authority;
let raw: NatsConnection;
let probe: Probe;
beforeAll(async () => {
  pair = await startPair('roles');
  await pair.manager.mustDocker('swarm', 'init');
  manager = await nodeIdOf(pair.manager);
  authority = await ownCa();
  await pair.join();
  victim = await nodeIdOf(pair.worker);
  const create = 'service create --quiet --no-resolve-image --name held'.split(' ');
  await pair.manager.mustDocker(
    ...create,
    '--constraint',
    `node.id==${victim}`,
    '--env',
    'PASSWORD=hunter2',
    'natswarm-sleep:1',
    'sleep',
    '1000',
  );
  [task = ''] = (await pair.manager.mustDocker('service', 'ps', '-q', '--no-trunc', 'held')).split(
    '\n',
  );
  mallory = await joinRaw(Number(pair.remote.split(':')[1]), await pair.token());
  raw = await connectRaw(mallory.busPort, mallory);
  probe = new Probe(raw);
});
afterAll(async () => {
  await raw?.close();
  await pair?.stop();
});

const stateOf = (id: string): Promise<string> =>
  pair.manager.mustDocker('node', 'inspect', '--format', '{{.Status.State}}', id);

describe('a worker', () => {
  test.each([
    'natswarm.v1.node.VICTIM.assign',
    'natswarm.v1.node.VICTIM.membership',
    'natswarm.v1.node.*.assign',
    'natswarm.v1.node.>',
    'natswarm.v1.node.OWN.>',
    'natswarm.v1.agent.VICTIM.hello',
    'natswarm.v1.agent.OWN.hello',
    'natswarm.v1.agent.*.status',
    'natswarm.v1.command.>',
    'natswarm.v1.command.service.create',
    'natswarm.v1.manager.MANAGER.beat',
    'natswarm.v1.manager.>',
    'natswarm.>',
    'natswarm.v1.*',
    '*',
    '>',
    '*.>',
    '_INBOX.>',
    '_INBOX_VICTIM.>',
    '_INBOX_MANAGER.>',
    '_INBOX_*.>',
    'log.>',
    '$JS.>',
    '$JS.API.>',
    '$SYS.>',
    '$SYS.REQ.USER.AUTH',
    '$NRG.>',
    '$JSC.>',
    '$KV.>',
    '$GR.>',
    '_R_.>',
  ])('may not listen to %s', async (subject) => {
    expect(await probe.subscribe(await named(subject))).toBe('refused');
  });

  test.each([
    'natswarm.v1.node.OWN.assign',
    'natswarm.v1.node.OWN.logs',
    'natswarm.v1.node.OWN.membership',
    'natswarm.v1.node.OWN.tree',
    'natswarm.v1.leader',
    '_INBOX_OWN.>',
  ])('may listen to %s', async (subject) => {
    expect(await probe.subscribe(await named(subject))).toBe('allowed');
  });

  test.each([
    'natswarm.v1.agent.VICTIM.beat',
    'natswarm.v1.agent.VICTIM.leave',
    'natswarm.v1.agent.VICTIM.status',
    'natswarm.v1.node.VICTIM.assign',
    'natswarm.v1.node.OWN.assign',
    'natswarm.v1.leader',
    'natswarm.v1.command.node.remove',
    'natswarm.v1.command.cluster.update',
    'natswarm.v1.manager.MANAGER.command',
    'natswarm.v1.manager.MANAGER.abdicate',
    '_INBOX_VICTIM.x',
    '_INBOX_MANAGER.x',
    'log.append',
    '$JS.API.STREAM.DELETE.log',
    '$JS.API.STREAM.MSG.GET.log',
    '$JS.API.DIRECT.GET.log',
    '$JS.ACK.log.x.1.1.1.1.1',
    '$SYS.REQ.USER.AUTH',
    '$SYS.REQ.SERVER.PING',
    '$SYS.REQ.USER.INFO',
    '$NRG.V._meta_',
  ])('may not say %s', async (subject) => {
    expect(await probe.publish(await named(subject))).toBe('refused');
  });
});

test('a session tells a worker of its own tasks only', async () => {
  const heard: string[] = [];
  const ears = ['assign', 'membership'].map((verb) =>
    raw.subscribe(`natswarm.v1.node.${mallory.nodeId}.${verb}`, {
      callback: (_, message) => void heard.push(message.string()),
    }),
  );
  expect(await ask('hello', hello())).toMatchObject({ ok: true });
  await until(() => heard.length >= 2, 5_000, 'the assignments');
  await pair.manager.mustDocker(
    'service',
    'update',
    '--quiet',
    '--detach',
    '--label-add',
    'a=b',
    'held',
  );
  await until(async () => (await stateOf(mallory.nodeId)) === 'ready', 5_000, 'the session');
  expect(heard.join()).not.toMatch(/hunter2|held/);
  for (const ear of ears) ear.unsubscribe();
});

test('a status of another node’s task changes nothing, and is logged', async () => {
  const status = { state: 'failed', at: Date.now(), message: 'forged', err: 'forged' };
  const answer = await ask('status', { session: 's', updates: [{ taskId: task, status }] });
  expect(answer).toMatchObject({ ok: true });
  expect(await pair.manager.mustDocker('inspect', '--format', '{{.Status.State}}', task)).toBe(
    'running',
  );
  await until(() => pair.manager.log().includes('status_refused'), 5_000, 'the log to tell of it');
  expect(logged('status_refused')[0]).toMatchObject({ level: 'warn', member: mallory.nodeId });
});

describe('answers go to who asked', () => {
  test.each([
    'natswarm.v1.agent.VICTIM.leave',
    'natswarm.v1.leader',
    'natswarm.v1.node.VICTIM.assign',
    'natswarm.v1.command.node.remove',
    '_INBOX_VICTIM.x',
  ])('a hello that wants its answer at %s gets none', async (text) => {
    const subject = await named(text);
    const heard: string[] = [];
    const ear = await eavesdrop(subject, heard);
    const before = logged('bus_failed').length;
    for (const body of [JSON.stringify(hello()), 'no JSON'])
      raw.publish(`natswarm.v1.agent.${mallory.nodeId}.hello`, body, { reply: subject });
    await until(() => logged('bus_failed').length >= before + 2, 5_000, 'the log to tell of it');
    expect(await ask('hello', hello())).toMatchObject({ ok: true });
    expect(heard).toEqual([]);
    expect(await stateOf(victim)).toBe('ready');
    await ear();
  });

  test('nor does a trace of a message go where its sender may not write', async () => {
    const heard: string[] = [];
    const subject = await named('natswarm.v1.agent.VICTIM.leave');
    const ear = await eavesdrop(subject, heard);
    const traced = headers();
    traced.set('Nats-Trace-Dest', subject);
    raw.publish(`natswarm.v1.agent.${mallory.nodeId}.beat`, '{}', { headers: traced });
    expect(await ask('hello', hello())).toMatchObject({ ok: true });
    expect(heard).toEqual([]);
    expect(await stateOf(victim)).toBe('ready');
    await ear();
  });
});

describe('who gets in', () => {
  const violation = /Authorization Violation/i;
  const refusedByTls = /alert|ECONNRESET|EPIPE|socket|disconnected|closed/i;
  const attempt = (who: Partial<Stolen>): Promise<string> =>
    connectRaw(mallory.busPort, who).then(
      async (connection) => {
        await connection.close();
        return 'connected';
      },
      (error: Error) => `refused: ${error.message}`,
    );
  const agoMs = 5 * 3_600_000;

  test('the holder of a certificate that a manager has issued', async () => {
    expect(await attempt(mallory)).toBe('connected');
    expect(await attempt(forged(victim, 'worker'))).toBe('connected');
  });

  test.each([
    ['nobody without a certificate', () => ({ ca: mallory.ca })],
    ['nobody with one of another CA', () => forged(victim, 'worker', Date.now(), foreign())],
    ['nobody with an expired one', () => forged(victim, 'worker', Date.now() - agoMs)],
    ['nobody with one that is not valid yet', () => forged(victim, 'worker', Date.now() + agoMs)],
  ])('%s', async (_, who) => {
    expect(await attempt(who())).toMatch(refusedByTls);
  });

  test.each([
    ['no node that the cluster does not have', () => forged('x'.repeat(25), 'worker')],
    ['no manager that the cluster does not have', () => forged('x'.repeat(25), 'manager')],
    ['no worker with a manager’s certificate', () => forged(victim, 'manager')],
    ['no client', () => forged(victim, 'client')],
  ])('%s', async (_, who) => {
    const before = logged('bus_connection_denied').length;
    expect(await attempt(who())).toMatch(violation);
    await until(
      () => logged('bus_connection_denied').length > before,
      5_000,
      'the log to tell of it',
    );
  });

  const foreign = (): Authority =>
    new Authority(createCluster({ clusterId: authority.clusterId, nowMs: Date.now() }));
});

describe('who is not a member any more', () => {
  /** Resolves with how long it took, ms. */
  const cutOff = async (who: Stolen, command: readonly string[]): Promise<number> => {
    const connection = await connectRaw(mallory.busPort, who);
    await pair.manager.mustDocker(...command);
    const since = performance.now();
    await connection.closed();
    const took = performance.now() - since;
    await expect(connectRaw(mallory.busPort, who)).rejects.toThrow(/Authorization Violation/i);
    return took;
  };
  const joinPort = (): number => Number(pair.remote.split(':')[1]);

  test('a worker that is removed: its connection is closed at once, the next one refused', async () => {
    const removed = await joinRaw(joinPort(), await pair.token());
    expect(await cutOff(removed, ['node', 'rm', '--force', removed.nodeId])).toBeLessThan(
      soon(2_000),
    );
  });

  test('a manager that is demoted: the same', async () => {
    const demoted = await joinRaw(joinPort(), await pair.token('manager'));
    expect(await cutOff(demoted, ['node', 'demote', demoted.nodeId])).toBeLessThan(soon(2_000));
    await pair.manager.mustDocker('node', 'rm', '--force', demoted.nodeId);
  });
});

/** Gives the cluster a root whose key is known here: it can sign what no manager would. */
async function ownCa(): Promise<Authority> {
  const clusterId = await pair.manager.mustDocker('info', '--format', '{{.Swarm.Cluster.ID}}');
  const material = createCluster({ clusterId, nowMs: Date.now() });
  const dir = await mkdtemp(join(tmpdir(), 'natswarm-roles-'));
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  await writeFile(cert, material.rootCertPem);
  await writeFile(key, material.rootKeyPem);
  const { code, stderr } = await pair.rotate('--ca-cert', cert, '--ca-key', key);
  await rm(dir, { recursive: true });
  if (code !== 0) throw new Error(stderr);
  await pair.allHave(material.rootCertPem.trim(), [pair.manager]);
  return new Authority(material);
}

/** A certificate of the cluster's root that no manager has issued. */
function forged(nodeId: string, role: Role, bornMs = Date.now(), from = authority): Stolen {
  const { privateKey, publicKey } = generateKeys();
  const life = { validityMs: 3_600_000, nowMs: bornMs };
  const cert = from.signNode({ nodeId, role, publicKey, ...life });
  return { nodeId, cert, key: privateKeyToPem(privateKey), ca: authority.rootCertPem };
}

/** Notes what is said on a subject, with the certificate of somebody who may hear it. */
async function eavesdrop(subject: string, heard: string[]): Promise<() => Promise<void>> {
  const isInbox = subject.startsWith('_INBOX');
  const who = isInbox ? stolenFrom(pair.worker, victim) : stolenFrom(pair.manager, manager);
  const connection = await connectRaw(mallory.busPort, who);
  connection.subscribe(subject, { callback: (_, message) => void heard.push(message.string()) });
  await connection.flush();
  return () => connection.close();
}

/** OWN, VICTIM and MANAGER stand for node IDs. */
async function named(subject: string): Promise<string> {
  const ids = { OWN: mallory.nodeId, VICTIM: victim, MANAGER: manager };
  return Object.entries(ids).reduce((text, [name, id]) => text.replace(name, id), subject);
}

async function ask(verb: string, body: object): Promise<unknown> {
  const subject = `natswarm.v1.agent.${mallory.nodeId}.${verb}`;
  return (await raw.request(subject, JSON.stringify(body), { timeout: 5_000 })).json();
}

const hello = (): object => ({
  session: 's',
  description: {
    hostname: 'mallory',
    platform: { architecture: 'x86_64', os: 'linux' },
    resources: { nanoCpus: 1e9, memoryBytes: 1e9 },
    engine: { version: '28.0.0', labels: {}, plugins: [] },
  },
});

/** Lines of the manager's log with this message. */
const logged = (event: string): readonly object[] =>
  pair.manager
    .log()
    .split('\n')
    .filter((line) => line.includes(`"${event}"`))
    .map((line) => JSON.parse(line) as object);
