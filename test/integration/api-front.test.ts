import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { lstat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer, connect } from 'node:net';
import { join } from 'node:path';
import { createApi } from '../../api/server.ts';
import {
  aNode,
  aService,
  aTask,
  ask,
  FakeSwarm,
  type Front,
  nodeId,
  serviceId,
  startFront,
  taskId,
  tlsInfo,
} from '../support/api.ts';

let swarm: FakeSwarm;
let front: Front;

beforeEach(async () => {
  swarm = new FakeSwarm();
  front = await startFront(swarm);
});
afterEach(() => front.stop());

const call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  ask(front.socket, method, path, body, headers);
const says = async (...args: Parameters<typeof call>): Promise<string> => {
  const { status, text } = await call(...args);
  return `${status} ${text.trimEnd()}`;
};
const message = (status: number, text: string): string =>
  `${status} ${JSON.stringify({ message: text })}`;
const filters = (fields: object): string => encodeURIComponent(JSON.stringify(fields));

const notManager =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

test.each([
  ['GET', '/v1.51/services/nope/nope', 'page not found', 404],
  ['PUT', '/v1.51/services', 'page not found', 404],
  ['GET', '/services/', 'page not found', 404],
  ['GET', '/v1.99/nodes/x/y', 'page not found', 404],
  ['HEAD', '/swarm', '', 404],
  [
    'GET',
    '/v1.99/services',
    'client version 1.99 is too new. Maximum supported API version is 1.51',
    400,
  ],
  ['GET', '/nodes/x', 'node x not found', 404],
  ['GET', '/services/x', 'service x not found', 404],
  ['GET', '/tasks/x', 'task x not found', 404],
  ['DELETE', '/services/x', 'service x not found', 404],
  ['DELETE', '/secrets/x', 'secret x not found', 404],
  ['GET', '/networks/x?scope=swarm', 'network x not found', 404],
  ['GET', '/services?filters=%zz', 'invalid URL escape "%zz"', 400],
  ['GET', `/services?filters=${filters({ foo: ['a'] })}`, "invalid filter 'foo'", 400],
  ['GET', `/tasks?filters=${filters({ service: ['x'] })}`, 'service x not found', 404],
  ['GET', `/tasks?filters=${filters({ node: ['x'] })}`, 'node x not found', 404],
  [
    'GET',
    `/tasks?filters=${filters({ 'desired-state': ['foo'] })}`,
    "Invalid desired-state filter: 'foo'",
    500,
  ],
  ['GET', `/nodes?filters=${filters({ role: ['foo'] })}`, "Invalid role filter: 'foo'", 500],
  [
    'GET',
    '/services?status=foo',
    'invalid value for status: foo: strconv.ParseBool: parsing "foo": invalid syntax',
    400,
  ],
  ['GET', '/services/web/logs', 'Bad parameters: you must choose at least one stream', 500],
  ['GET', '/services/x/logs?stdout=1', 'service x not found', 404],
  [
    'GET',
    '/services/web/logs?stdout=1&tail=x',
    'tail value must be a positive integer or "all"',
    500,
  ],
  ['GET', '/events?until=5&since=9', '`since` time (9) cannot be after `until` time (5)', 400],
  ['GET', '/events?until=abc', 'strconv.ParseInt: parsing "abc": invalid syntax', 500],
  ['GET', '/events?filters=abc', 'invalid filter', 400],
  ['POST', '/swarm/unlock', 'swarm is not locked', 409],
])('%s %s answers %j with %d', async (method, path, text, status) => {
  expect(await says(method, path)).toBe(method === 'HEAD' ? `${status} ` : message(status, text));
});

test('errors for versions of old are plain text', async () => {
  const { status, headers, text } = await call('GET', '/v1.12/services');
  expect([status, headers['content-type'], text]).toEqual([
    400,
    'text/plain; charset=utf-8',
    'client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\n',
  ]);
});

test('answers carry the headers of an engine', async () => {
  const { headers } = await call('GET', '/services');
  expect(headers).toMatchObject({
    'api-version': '1.51',
    'docker-experimental': 'false',
    ostype: 'linux',
    server: expect.stringMatching(/^Docker\/\S+ \(linux\)$/),
    'content-type': 'application/json',
  });
});

test('outside of a swarm body and query are looked at first', async () => {
  swarm.state = 'inactive';
  expect(await says('GET', '/services')).toBe(message(503, notManager));
  expect(await says('POST', '/services/create', '{')).toBe(
    message(400, 'invalid JSON: unexpected EOF'),
  );
  expect(await says('POST', '/services/create', { Name: 5 })).toBe(
    message(
      400,
      'invalid JSON: json: cannot unmarshal number into Go struct field ServiceSpec.Name of type string',
    ),
  );
  expect(await says('POST', '/services/x/update', {})).toBe(
    message(400, `invalid service version '': strconv.ParseUint: parsing "": invalid syntax`),
  );
  expect(await says('GET', '/services/x/logs')).toMatch(/at least one stream/);
  expect(await says('GET', `/tasks?filters=${filters({ foo: ['a'] })}`)).toBe(
    message(503, notManager),
  );
  expect(await says('GET', '/tasks?filters=bar')).toBe(message(400, 'invalid filter'));
  expect(await says('GET', '/secrets')).toBe(message(503, notManager));
  expect((await call('GET', '/_ping')).headers['swarm']).toBe('inactive');
});

test.each([
  [{ 'Content-Type': 'text/plain' }, '{}', /unsupported Content-Type header \(text\/plain\)/],
  [{ 'Content-Type': '' }, '{}', /malformed Content-Type header \(\): mime: no media type/],
  [{ 'Content-Type': 'application/json; charset=utf-8' }, '{', /unexpected EOF/],
])('content type %j', async (headers, body, text) => {
  const answer = await call('POST', '/swarm/init', body, headers);
  expect([answer.status, answer.text]).toEqual([400, expect.stringMatching(text)]);
});

test('an empty body is the zero value, an empty stream is not', async () => {
  expect(await says('POST', '/swarm/init')).toBe(`200 "${nodeId}"`);
  expect(swarm.inits[0]).toMatchObject({ listenAddr: '', defaultAddrPool: [], subnetSize: 0 });
  const chunked = { 'Transfer-Encoding': 'chunked', 'Content-Type': 'application/json' };
  expect(await says('POST', '/swarm/init', undefined, chunked)).toBe(
    message(400, 'invalid JSON: got EOF while reading request body'),
  );
});

test('init is handed on, field names in any case', async () => {
  const body = {
    listenaddr: '0.0.0.0:2377',
    AdvertiseAddr: '10.0.0.1',
    DataPathPort: 5000,
    DefaultAddrPool: ['10.1.0.0/16'],
    SUBNETSIZE: 26,
    Availability: 'drain',
    Spec: { Labels: { a: 'b' } },
  };
  expect(await says('POST', '/swarm/init', body)).toBe(`200 "${nodeId}"`);
  await call('POST', '/v1.38/swarm/init', body);
  expect(swarm.inits).toMatchObject([
    {
      listenAddr: '0.0.0.0:2377',
      advertiseAddr: '10.0.0.1',
      dataPathPort: 5000,
      defaultAddrPool: ['10.1.0.0/16'],
      subnetSize: 26,
      availability: 'drain',
      spec: { Labels: { a: 'b' } },
    },
    { dataPathPort: 0, defaultAddrPool: [], subnetSize: 0 },
  ]);
});

test('a join hands on what the client sent', async () => {
  const body = {
    ListenAddr: '0.0.0.0:2377',
    AdvertiseAddr: '10.0.0.2',
    RemoteAddrs: ['10.0.0.1:2377'],
    JoinToken: 'SWMTKN-1-x',
    Availability: 'drain',
  };
  expect((await call('POST', '/swarm/join', body)).status).toBe(200);
  expect(swarm.commands).toEqual([
    {
      name: 'join',
      body: {
        dataPathAddr: '',
        listenAddr: '0.0.0.0:2377',
        advertiseAddr: '10.0.0.2',
        remoteAddrs: ['10.0.0.1:2377'],
        joinToken: 'SWMTKN-1-x',
        availability: 'drain',
      },
    },
  ]);
});

test('what comes later is refused in clear words', async () => {
  const later = 'not supported by this version of natswarm yet';
  for (const [method, path, what] of [
    ['POST', '/secrets/create', 'secrets are'],
    ['POST', '/configs/create', 'configs are'],
    ['PUT', '/volumes/x?version=1', 'cluster volumes are'],
  ] as const)
    expect(await says(method, path, {})).toBe(message(501, `${what} ${later}`));
  const cluster = await call('POST', '/volumes/create', { name: 'x', clusterVolumeSpec: {} });
  expect([cluster.status, cluster.text]).toEqual([501, expect.stringContaining(later)]);
  const overlay = await call('POST', '/networks/create', { name: 'x', driver: 'overlay' });
  expect([overlay.status, overlay.text]).toEqual([501, expect.stringContaining(later)]);
  expect(await says('GET', '/secrets')).toBe('200 []');
});

test.each([
  ['host', 'host'],
  ['bridge', 'bridge'],
])('services find the network %s of the engine under its name', async (name, driver) => {
  const path = `/networks/${name}?scope=swarm`;
  const { status, text } = await call('GET', path);
  expect(status).toBe(200);
  expect(JSON.parse(text)).toMatchObject({
    Name: name,
    Id: name,
    Scope: 'swarm',
    Driver: driver,
    Labels: { 'com.docker.swarm.predefined': 'true' },
  });
  swarm.state = 'inactive';
  expect(await says('GET', path)).toBe(message(404, `network ${name} not found`));
});

test('commands get what the client sent', async () => {
  const spec = { name: 'web', taskTemplate: { containerSpec: { image: 'x' } } };
  swarm.answer = () => ({ id: serviceId, warnings: null });
  expect(await says('POST', '/v1.44/services/create', spec, { 'X-Registry-Auth': 'abc' })).toBe(
    `201 {"ID":"${serviceId}","Warnings":null}`,
  );
  expect(
    await says(
      'POST',
      '/services/web/update?version=7&registryAuthFrom=spec&rollback=previous',
      spec,
    ),
  ).toBe('200 {"Warnings":null}');
  expect(await says('DELETE', '/services/svc1')).toBe('200 ');
  expect(await says('POST', '/nodes/host1/update?version=7', { Role: 'worker' })).toBe('200 ');
  expect(await says('DELETE', '/nodes/host1?force=1')).toBe('200 ');
  expect(await says('POST', '/swarm/update?version=7&rotateWorkerToken=true', {})).toBe('200 ');
  expect(await says('POST', '/swarm/leave?force=1')).toBe('200 ');
  expect(swarm.commands).toEqual([
    { name: 'service.create', body: { spec, registryAuth: 'abc', apiVersion: '1.44' } },
    {
      name: 'service.update',
      body: {
        id: serviceId,
        version: 7,
        spec,
        rollback: 'previous',
        registryAuthFrom: 'spec',
        apiVersion: '1.51',
      },
    },
    { name: 'service.remove', body: { id: serviceId } },
    { name: 'node.update', body: { id: nodeId, version: 7, spec: { Role: 'worker' } } },
    { name: 'node.remove', body: { id: nodeId, force: true } },
    {
      name: 'cluster.update',
      body: {
        version: 7,
        spec: {},
        rotateWorkerToken: true,
        rotateManagerToken: false,
        rotateManagerUnlockKey: false,
      },
    },
    { name: 'leave', body: { force: true } },
  ]);
});

test('an update of nothing tells first what is wrong with the spec', async () => {
  expect(await says('POST', '/services/x/update?version=1', {})).toBe(
    message(400, 'mismatched Runtime and *Spec fields'),
  );
  expect(await says('POST', '/nodes/x/update?version=1', {})).toBe(
    message(400, 'invalid Role: ""'),
  );
  expect(swarm.commands).toEqual([]);
});

test('lists are filtered and in order of their ids', async () => {
  const ids = async (path: string): Promise<string[]> =>
    (JSON.parse((await call('GET', path)).text) as { ID: string }[]).map(({ ID }) => ID);
  const other = 'a'.padEnd(25, '0');
  swarm.apply(
    {
      op: 'put',
      kind: 'service',
      object: aService({
        id: other,
        spec: { ...aService().spec, Name: 'db', Mode: { Global: {} } },
      }),
    },
    { op: 'put', kind: 'task', object: aTask({ id: other, desired: 'shutdown' }) },
    { op: 'put', kind: 'node', object: aNode({ id: other, role: 'worker' }) },
  );
  expect(await ids('/services')).toEqual([other, serviceId]);
  expect(await ids(`/services?filters=${filters({ name: ['w'] })}`)).toEqual([serviceId]);
  expect(await ids(`/services?filters=${filters({ mode: ['global'] })}`)).toEqual([other]);
  expect(await ids(`/services?filters=${filters({ runtime: ['plugin'] })}`)).toEqual([]);
  expect(await ids(`/tasks?filters=${filters({ 'desired-state': ['Running'] })}`)).toEqual([
    taskId,
  ]);
  expect(await ids(`/tasks?filters=${filters({ service: ['web'], node: ['node1'] })}`)).toEqual([
    other,
    taskId,
  ]);
  expect(await ids(`/tasks?filters=${filters({ name: ['web.1.t'] })}`)).toEqual([taskId]);
  expect(await ids(`/tasks?filters=${filters({ label: ['team=blue'] })}`)).toEqual([]);
  expect(await ids(`/nodes?filters=${filters({ role: ['worker'] })}`)).toEqual([other]);
  expect(await ids(`/nodes?filters=${filters({ 'node.label': ['zone=a'] })}`)).toHaveLength(2);
  expect(await ids(`/nodes?filters=${filters({ membership: ['pending'] })}`)).toEqual([]);
});

test('tasks that are not up to date can be left out', async () => {
  const { spec } = aService();
  const changed = { ...spec, TaskTemplate: { ...spec.TaskTemplate, ForceUpdate: 1 } };
  const count = async (): Promise<number> =>
    (
      JSON.parse(
        (await call('GET', `/tasks?filters=${filters({ '_up-to-date': ['true'] })}`)).text,
      ) as []
    ).length;
  expect(await count()).toBe(1);
  swarm.apply({
    op: 'patch',
    kind: 'service',
    id: serviceId,
    fields: { spec: changed, specVersion: 2 },
  });
  expect(await count()).toBe(0);
});

test('the status of services comes from version 1.41 on', async () => {
  const status = async (version: string): Promise<unknown> =>
    (JSON.parse((await call('GET', `/v${version}/services?status=true`)).text) as [object])[0];
  expect(await status('1.41')).toHaveProperty('ServiceStatus.RunningTasks', 1);
  expect(await status('1.40')).not.toHaveProperty('ServiceStatus');
});

test('a body of 10 MB is refused, and the connection goes on', async () => {
  const large = JSON.stringify({ Name: 'x'.repeat(10 * 1024 * 1024) });
  const socket = connect(front.socket);
  let seen = '';
  const both = new Promise<void>((resolve) =>
    socket.on('data', (chunk) => {
      seen += chunk.toString();
      if (/HTTP\/1\.1 200/.test(seen)) resolve();
    }),
  );
  socket.write(
    `POST /services/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${large.length}\r\n\r\n${large}`,
  );
  socket.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
  await both;
  socket.destroy();
  expect(seen).toMatch(/^HTTP\/1\.1 413 .*\r\n/);
  expect(seen).toContain('{"message":"the request body is larger than 4194304 bytes"}');
  expect(swarm.commands).toEqual([]);
});

test('a chunked body of 10 MB is refused as well', async () => {
  const answer = await new Promise<number | undefined>((resolve, reject) => {
    let status: number | undefined;
    const req = request({
      socketPath: front.socket,
      method: 'POST',
      path: '/services/create',
      headers: { 'Content-Type': 'application/json' },
    });
    req.on('response', (res) => (status = res.resume().statusCode));
    req.on('error', reject).on('close', () => resolve(status));
    for (let i = 0; i < 10; i++) req.write('x'.repeat(1024 * 1024));
    req.end();
  });
  expect(answer).toBe(413);
});

test('unexpected errors are told and logged', async () => {
  swarm.answer = () => {
    throw new TypeError('broken');
  };
  expect(await says('DELETE', '/services/web')).toBe(message(500, 'broken'));
  expect(front.logged).toEqual([
    {
      event: 'request_failed',
      fields: expect.objectContaining({ status: 500, message: 'broken' }),
    },
  ]);
});

test('without an engine the swarm goes on', async () => {
  const away = message(
    503,
    `Cannot connect to the Docker Engine at unix://${front.dir}/engine.sock. Is it running?`,
  );
  expect(await says('GET', '/containers/json')).toBe(away);
  const info = await call('GET', '/v1.51/info');
  expect(JSON.parse(info.text)).toMatchObject({
    Swarm: { LocalNodeState: 'active', ControlAvailable: true },
    Warnings: [expect.stringContaining('Cannot connect to the Docker Engine')],
  });
  expect(await says('POST', '/containers/x/attach')).toBe(away);
  expect(await says('GET', '/services')).toMatch(/^200 /);
  const ping = await call('GET', '/_ping');
  expect([ping.status, ping.text, ping.headers['swarm']]).toEqual([200, 'OK', 'active/manager']);
});

test('the socket is for root and its group', async () => {
  expect((await lstat(front.socket)).mode & 0o777).toBe(0o660);
});

test('a socket is taken over from the dead only', async () => {
  const api = createApi({
    swarm,
    engineSocket: join(front.dir, 'engine.sock'),
    log: () => undefined,
    wallNow: () => 0,
    tlsInfo,
  });
  await expect(api.listen(`unix://${front.socket}`)).rejects.toThrow(
    `cannot listen on ${front.socket}: another daemon is listening there`,
  );
  const file = join(front.dir, 'file');
  await writeFile(file, '');
  await expect(api.listen(file)).rejects.toThrow('it exists and is no socket');
  await expect(api.listen('tcp://0.0.0.0:2375')).rejects.toThrow('only unix:///path');
  const lost = join(front.dir, 'nowhere', 'a.sock');
  await expect(api.listen(lost)).rejects.toThrow(`${lost}: its directory does not exist`);
  const stale = join(front.dir, 'stale.sock');
  await leaveStaleSocket(stale);
  await api.listen(`unix://${stale}`, { mode: 0o600 });
  expect((await lstat(stale)).mode & 0o777).toBe(0o600);
  expect((await ask(stale, 'GET', '/_ping')).status).toBe(200);
  await api.close(0);
  await expect(lstat(stale)).rejects.toThrow('ENOENT');
});

/** A socket file that nobody listens on. */
async function leaveStaleSocket(path: string): Promise<void> {
  const { rename } = await import('node:fs/promises');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.x`, resolve));
  await rename(`${path}.x`, path);
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

test('closing ends streams and idle connections', async () => {
  const ended = new Promise<void>((resolve, reject) => {
    const req = request({ socketPath: front.socket, path: '/events' }, (res) => {
      res.resume().on('end', resolve).on('error', reject);
      void front.api.close(5_000);
    });
    req.on('error', reject);
    req.end();
  });
  await ended;
  await expect(call('GET', '/_ping')).rejects.toThrow('ENOENT');
  expect(swarm.watchers).toBe(0);
});

test('the log of the swarm and who leads it', async () => {
  const { status, text } = await call('GET', '/natswarm/log');
  expect({ status, body: JSON.parse(text) as unknown }).toEqual({
    status: 200,
    body: {
      Generation: 2,
      Form: 'several',
      Index: 7,
      FeatureLevel: 1,
      Leader: nodeId,
      Copies: 1,
      Servers: [],
    },
  });
  expect((await call('POST', `/natswarm/log/leader/${nodeId}`)).status).toBe(200);
  expect(swarm.commands).toEqual([{ name: 'lead log', body: nodeId }]);
  expect(await says('POST', '/natswarm/log/leader/nope')).toBe(message(404, 'node nope not found'));
  expect(await says('GET', '/natswarm/nope')).toBe(message(404, 'page not found'));
});
