import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  Authority,
  createCluster,
  generateKeys,
  makeJoinToken,
  newJoinSecret,
  privateKeyToPem,
} from '../../pki/mod.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { freePort } from '../support/free-port.ts';
import { type Engine, loadImages, SLEEP, startEngine, until } from '../support/engine.ts';
import { nodeIdOf } from '../support/swarm-hosts.ts';

/** Two engines, whose daemons meet on loopback. */
let engines: readonly Engine[] = [];
let manager: Daemon;
let worker: Daemon;
let token = '';

let remote = '';
let port = 0;
const stateOf = async (daemon: Daemon): Promise<string> =>
  daemon.mustDocker('info', '--format', '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}');
const ready = async (): Promise<number> =>
  (await manager.mustDocker('node', 'ls', '--format', '{{.Status}}'))
    .split('\n')
    .filter((status) => status === 'Ready').length;

beforeAll(async () => {
  engines = [await startEngine({ name: 'join-a' }), await startEngine({ name: 'join-b' })];
  for (const engine of engines) await loadImages(engine);
  port = await freePort();
  remote = `127.0.0.1:${port}`;
  const daemon = async (engine: Engine | undefined, listen: number): Promise<Daemon> =>
    startDaemon(engine as Engine, {
      netns: '',
      args: ['--listen-addr', `127.0.0.1:${listen}`],
    });
  manager = await daemon(engines[0], port);
  worker = await daemon(engines[1], await freePort());
  await manager.mustDocker('swarm', 'init');
  token = await manager.mustDocker('swarm', 'join-token', '-q', 'worker');
});

afterAll(async () => {
  for (const daemon of [worker, manager])
    if (daemon !== undefined) {
      if (daemon.pid > 0) await daemon.docker('swarm', 'leave', '--force');
      await daemon.stop();
    }
  for (const engine of engines) await engine.stop();
});

describe('a token that does not fit', () => {
  const refusal = async (bad: string, addr = remote): Promise<string> => {
    const { code, stderr } = await worker.docker('swarm', 'join', '--token', bad, addr);
    expect(code).not.toBe(0);
    expect(await stateOf(worker)).toBe('inactive false');
    expect(existsSync(join(worker.stateDir, 'node.json'))).toBe(false);
    return stderr;
  };

  test('truncated: refused before anybody is asked', async () => {
    expect(await refusal(token.slice(0, -3), '127.0.0.1:1')).toContain('invalid join token');
  });

  test('of another secret: refused by the manager', async () => {
    const other = makeJoinToken(rootOfManager(), newJoinSecret());
    expect(await refusal(other)).toContain('A valid join token is necessary to join this cluster');
  });

  test('none at all: refused by the manager', async () => {
    expect(await refusal('')).toContain('A valid join token is necessary to join this cluster');
  });

  test('nobody at the address: it is tried for a while, and says where', async () => {
    const joining = refusal(token, '127.0.0.1:1');
    await until(async () => (await stateOf(worker)) === 'pending false', 5_000, 'it to be tried');
    expect(await worker.mustDocker('info', '--format', '{{json .Swarm.RemoteManagers}}')).toBe(
      '[{"NodeID":"","Addr":"127.0.0.1:1"}]',
    );
    expect(await joining).toMatch(/cannot reach manager 127\.0\.0\.1:1/);
    expect(await worker.mustDocker('info', '--format', '{{.Swarm.Error}}')).toBe('');
  });

  test('a server with another root hears neither token nor request', async () => {
    const heard: string[] = [];
    const impostor = await startImpostor(heard);
    try {
      const { port: theirs } = impostor.address() as AddressInfo;
      expect(await refusal(token, `127.0.0.1:${theirs}`)).toContain(
        'remote CA does not match fingerprint',
      );
      expect(heard).toEqual(['GET /v1/ca ']);
    } finally {
      impostor.closeAllConnections();
      impostor.close();
    }
  });
});

describe('a worker', () => {
  test('joins, is ready, and answers as Swarm’s', async () => {
    const out = await worker.mustDocker('swarm', 'join', '--token', token, remote);
    expect(out).toBe('This node joined a swarm as a worker.');
    await until(async () => (await ready()) === 2, 10_000, 'both nodes to be ready');
    expect(await stateOf(worker)).toBe('active false');
    expect(await worker.mustDocker('info', '--format', '{{json .Swarm.RemoteManagers}}')).toBe(
      JSON.stringify([{ NodeID: await nodeIdOf(manager), Addr: remote }]),
    );
    const { stderr } = await worker.docker('node', 'ls');
    expect(stderr).toContain("Worker nodes can't be used to view or modify cluster state");
    expect((await worker.docker('swarm', 'join', '--token', token, remote)).stderr).toContain(
      'This node is already part of a swarm',
    );
    expect(statSync(join(worker.stateDir, 'certificates', 'swarm-node.key')).mode & 0o777).toBe(
      0o600,
    );
    expect(existsSync(join(worker.stateDir, 'keys.json'))).toBe(false);
  });

  test('its certificate names it a worker, and nothing of the CA is on its disk', () => {
    const pem = readFileSync(join(worker.stateDir, 'certificates', 'swarm-node.crt'), 'utf8');
    expect(new X509Certificate(pem).subject).toContain('OU=swarm-worker');
    expect(new X509Certificate(pem).subjectAltName).not.toContain('swarm-manager');
  });

  test('runs tasks, goes on without its daemon, and comes back with its list of managers', async () => {
    const service = 'service create --detach --no-resolve-image --name two --replicas 2';
    await manager.mustDocker(...service.split(' '), SLEEP, 'sleep', '1000');
    const nodes = async (): Promise<string> =>
      manager.mustDocker(
        'service',
        'ps',
        'two',
        '--format',
        '{{.CurrentState}}',
        '-f',
        'desired-state=running',
      );
    await until(
      async () => (await nodes()).match(/Running/g)?.length === 2,
      20_000,
      'two tasks to run',
    );
    const engine = engines[1] as Engine;
    const before = await engine.mustDocker(
      'ps',
      '-q',
      '--filter',
      'label=com.docker.swarm.task.id',
    );
    expect(before).toMatch(/^[0-9a-f]{12}$/);
    await worker.kill();
    await worker.start();
    await until(async () => (await ready()) === 2, 15_000, 'the worker to be ready again');
    expect(await engine.mustDocker('ps', '-q', '--filter', 'label=com.docker.swarm.task.id')).toBe(
      before,
    );
    await renewalsChangeNothing(before);
    await manager.mustDocker('service', 'rm', 'two');
  });

  test('rotated tokens: the old one lets nobody in', async () => {
    await manager.mustDocker('swarm', 'join-token', '--rotate', '-q', 'worker');
    const old = token;
    token = await manager.mustDocker('swarm', 'join-token', '-q', 'worker');
    expect(token).not.toBe(old);
    await worker.mustDocker('swarm', 'leave');
    expect(await stateOf(worker)).toBe('inactive false');
    const { stderr } = await worker.docker('swarm', 'join', '--token', old, remote);
    expect(stderr).toContain('A valid join token is necessary');
    await worker.mustDocker('swarm', 'join', '--availability', 'drain', '--token', token, remote);
    const id = await nodeIdOf(worker);
    await until(async () => (await ready()) >= 1, 5_000, 'a node');
    expect(
      await manager.mustDocker('node', 'inspect', '--format', '{{.Spec.Availability}}', id),
    ).toBe('drain');
  });

  test('removed by force, it is cut off at once and stays out', async () => {
    const id = await nodeIdOf(worker);
    await until(
      async () =>
        (await manager.mustDocker('node', 'inspect', '--format', '{{.Status.State}}', id)) ===
        'ready',
      10_000,
      'the worker to be ready',
    );
    await manager.mustDocker('node', 'rm', '--force', id);
    await until(() => /"connections":[1-9].*node_cut_off/.test(manager.log()), 5_000, 'the cut');
    await until(() => /revoked.*bus_connection_denied/.test(manager.log()), 10_000, 'a refusal');
    await worker.mustDocker('swarm', 'leave', '--force');
  });
});

describe('the listener', () => {
  test('a port that somebody has: init says so and leaves nothing', async () => {
    const { code, stderr } = await worker.docker('swarm', 'init', '--listen-addr', remote);
    expect(code).not.toBe(0);
    expect(stderr).toContain(`listen tcp ${remote}: bind: address already in use`);
    expect(await stateOf(worker)).toBe('inactive false');
    expect(worker.serverPid()).toBe(0);
  });

  /** What comes back for these bytes; the server closes the connection. */
  const exchange = async (bytes: string): Promise<string> => {
    const socket = connectTls({ port, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    socket.on('error', () => undefined);
    socket.write(bytes);
    let text = '';
    socket.on('data', (chunk) => (text += String(chunk)));
    await once(socket, 'close');
    return text;
  };
  const post = (body: string): string =>
    `POST /v1/join HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

  test.each([
    ['a malformed request', { request: '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n' }, /CSR/],
    ['no request', {}, /CSR/],
    ['a field of another type', { request: 7 }, /must be a string/],
    ['labels that are none', { labels: { rack: 7 } }, /node labels: the value of/],
    ['labels for terminals', { labels: { rack: '\u001b[2J' } }, /control characters in it/],
    ['a wrong availability', { availability: 'maybe' }, /CSR|Availability/],
  ])('%s with a good token: refused, no node added', async (_, fields, reason) => {
    const before = await manager.mustDocker('node', 'ls', '-q');
    const answer = await exchange(post(JSON.stringify({ token, ...fields })));
    expect(answer).toMatch(/^HTTP\/1\.1 400/);
    expect(answer).toMatch(reason);
    expect(await manager.mustDocker('node', 'ls', '-q')).toBe(before);
  });

  test('what is no JSON, an unknown path and an oversize body are refused', async () => {
    expect(await exchange(post('{"token"'))).toMatch(/400[\s\S]*not JSON/);
    expect(await exchange('GET /v1/keys HTTP/1.1\r\nhost: x\r\n\r\n')).toMatch(/404/);
    expect(await exchange(post(`"${'x'.repeat(100_000)}"`))).toMatch(/400[\s\S]*too large|^$/);
  });

  test('a connection that says nothing does not keep others waiting', async () => {
    const silent = connectTcp(port, '127.0.0.1');
    await once(silent, 'connect');
    expect(await exchange('GET /v1/ca HTTP/1.1\r\nhost: x\r\n\r\n')).toMatch(
      /200 OK[\s\S]*BEGIN CERT/,
    );
    silent.destroy();
  });
});

const certificateOf = (daemon: Daemon): X509Certificate =>
  new X509Certificate(readFileSync(join(daemon.stateDir, 'certificates', 'swarm-node.crt')));

/** Both nodes get new keys and certificates (SIGHUP); no node is lost and no container restarted by it. */
async function renewalsChangeNothing(containers: string): Promise<void> {
  for (const daemon of [worker, manager]) {
    const old = certificateOf(daemon);
    process.kill(daemon.pid, 'SIGHUP');
    await until(() => /certificate_renewed/.test(daemon.log()), 5_000, 'a new certificate');
    const renewed = certificateOf(daemon);
    expect(renewed.subject).toBe(old.subject);
    expect(renewed.publicKey.equals(old.publicKey)).toBe(false);
    expect(existsSync(join(daemon.stateDir, 'renewal.json'))).toBe(false);
  }
  await until(() => /bus_server_reloaded/.test(manager.log()), 5_000, 'the bus server to reload');
  const socket = connectTls({ port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  expect(socket.getPeerCertificate().raw).toEqual(certificateOf(manager).raw);
  socket.destroy();
  await until(async () => (await ready()) === 2, 5_000, 'both nodes to be ready');
  await manager.mustDocker('service', 'update', '--detach', '--label-add', 'a=b', 'two');
  expect(
    await (engines[1] as Engine).mustDocker(
      'ps',
      '-q',
      '--filter',
      'label=com.docker.swarm.task.id',
    ),
  ).toBe(containers);
}

const rootOfManager = (): string =>
  readFileSync(join(manager.stateDir, 'certificates', 'swarm-root-ca.crt'), 'utf8');

/** A server with a cluster of its own, which would take whatever it is told. */
async function startImpostor(heard: string[]): Promise<Server> {
  const nowMs = Date.now();
  const material = createCluster({ clusterId: 'c'.repeat(25), nowMs });
  const { privateKey, publicKey } = generateKeys();
  const cert = new Authority(material).signNode({
    nodeId: createHash('sha256').update('impostor').digest('hex').slice(0, 25),
    role: 'manager',
    publicKey,
    validityMs: 3_600_000,
    nowMs,
  });
  const server = createServer({ cert, key: privateKeyToPem(privateKey) }, (req, res) => {
    let body = '';
    req.on('data', (chunk) => (body += String(chunk)));
    req.on('end', () => {
      heard.push(`${req.method} ${req.url} ${body}`);
      res.end(JSON.stringify({ root: material.rootCertPem }));
    });
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  return server;
}
