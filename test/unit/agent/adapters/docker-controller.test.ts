import { expect, test } from '@jest/globals';
import {
  DockerController,
  type Shared,
} from '../../../../actors/agent/adapters/docker-controller.ts';
import { Gate } from '../../../../actors/agent/gate.ts';
import { EngineError } from '../../../../actors/agent/ports.ts';
import type { Task } from '../../../../domain/model/objects.ts';
import { settle } from '../../../support/settle.ts';
import { exited, inspected, reply, running, ScriptedClient, taskOf } from './builders.ts';

/** Events happen when the test says so; images are what the test says. */
function harness(task: Task = taskOf()) {
  const client = new ScriptedClient();
  let count = 0;
  const waiting: (() => void)[] = [];
  const images: string[] = [];
  let fetched: string | undefined;
  const shared: Shared = {
    client,
    events: {
      open: () => undefined,
      now: () => count,
      isUnchanged: (_, seen) => seen >= count,
      changed: (_, seen) =>
        seen < count ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve)),
    },
    images: {
      refresh: async (image) => void images.push(`refresh ${image}`),
      fetch: async (image) => {
        images.push(`fetch ${image}`);
        return fetched;
      },
    },
    gate: new Gate(2),
    templateNode: async () => ({
      Hostname: 'host',
      Platform: { Architecture: 'x86_64', OS: 'linux' },
    }),
  };
  return {
    client,
    images,
    controller: new DockerController(task, shared),
    change: () => {
      count += 1;
      for (const wake of waiting.splice(0)) wake();
    },
    failFetch: (reason: string) => {
      fetched = reason;
    },
  };
}
const scope = (): AbortSignal => new AbortController().signal;
const noImage = () => reply(404, 'No such image: web:1');

test('a task costs three calls, and none while it runs', async () => {
  const h = harness();
  h.client.on('POST create', { Id: 'c1' }).on('POST start', undefined);
  h.client.on('GET json', inspected(running), inspected(exited(3)));
  await h.controller.prepare(scope());
  await h.controller.start(scope());
  const ended = h.controller.wait(scope());
  await settle();
  expect(h.client.calls).toEqual(['POST create', 'POST start', 'GET json']);
  h.change();
  expect(await ended).toEqual({ container: { id: 'c1', pid: 0, exitCode: 3 } });
  expect(h.client.calls.length).toBe(4);
  expect(h.client.seen[0]).toMatchObject({
    query: { name: `web.2.${taskOf().id}` },
    body: { Image: 'web:1' },
  });
});

test('templates know the node', async () => {
  const h = harness(taskOf({ Hostname: '{{.Node.Hostname}}' }));
  h.client.on('POST create', { Id: 'c1' });
  await h.controller.prepare(scope());
  expect(h.client.seen[0]?.body).toMatchObject({ Hostname: 'host' });
});

test('a missing image is fetched, and create tried once more', async () => {
  const h = harness();
  h.client.on('POST create', noImage(), { Id: 'c1' });
  await h.controller.prepare(scope());
  expect(h.images).toEqual(['refresh web:1', 'fetch web:1']);
});

test('an image that cannot be had is told with its reason', async () => {
  const h = harness();
  h.client.on('POST create', noImage(), noImage());
  h.failFetch('denied');
  const failure = new EngineError('No such image: web:1: denied', false);
  await expect(h.controller.prepare(scope())).rejects.toEqual(failure);
  h.failFetch('');
  await expect(h.controller.prepare(scope())).rejects.toMatchObject({
    message: 'No such image: web:1',
  });
});

test('a container of the same task is adopted, a foreign one of its name is not', async () => {
  const conflict = () => reply(409, 'Conflict. The container name is already in use');
  const h = harness();
  h.client.on('POST create', conflict()).on('GET json', inspected());
  await h.controller.prepare(scope());
  const other = harness();
  other.client.on('POST create', conflict()).on('GET json', inspected({}, {}, 'another'));
  await expect(other.controller.prepare(scope())).rejects.toThrow(/^Conflict/);
});

test('what has been started before is not started again', async () => {
  const h = harness();
  h.client.on('GET json', inspected(exited(0)), inspected(exited(0)));
  expect(await h.controller.start(scope())).toMatchObject({ container: { pid: 0 } });
  expect(await h.controller.wait(scope())).toMatchObject({ container: { exitCode: 0 } });
  expect(h.client.calls).toEqual(['GET json']);
});

test('after a start whose answer was lost the next one looks first', async () => {
  const h = harness();
  h.client.on('POST create', { Id: 'c1' });
  h.client.on('POST start', new EngineError('the engine is away', true));
  h.client.on('GET json', inspected(running));
  await h.controller.prepare(scope());
  await expect(h.controller.start(scope())).rejects.toMatchObject({ retryable: true });
  expect(await h.controller.start(scope())).toMatchObject({ container: { pid: 7 } });
  expect(h.client.calls).toEqual(['POST create', 'POST start', 'GET json']);
});

test("a refused start is told in Swarm's words", async () => {
  const h = harness();
  h.client.on('POST create', { Id: 'c1' }).on('POST start', reply(400, 'no such file'));
  await h.controller.prepare(scope());
  await expect(h.controller.start(scope())).rejects.toEqual(
    new EngineError('starting container failed: no such file', false),
  );
  h.client.on('GET json', reply(404, 'No such container'));
  await expect(h.controller.start(scope())).rejects.toThrow(/^No such container: web\.2\./);
});

test('start waits until the container is healthy', async () => {
  const h = harness();
  const health = (Status: string) => inspected({ ...running, Health: { Status } });
  h.client.on('POST create', { Id: 'c1' }).on('POST start', undefined);
  h.client.on('GET json', health('starting'), health('healthy'));
  await h.controller.prepare(scope());
  let isDone = false;
  const started = h.controller.start(scope()).then(() => (isDone = true));
  await settle();
  expect(isDone).toBe(false);
  h.change();
  await started;
});

test('an unhealthy container is stopped, which is a failure however it ends', async () => {
  const h = harness();
  const Health = { Status: 'unhealthy' };
  h.client.on('GET json', inspected({ ...running, Health }), inspected({ ...exited(0), Health }));
  h.client.on('POST stop', undefined);
  const ended = h.controller.wait(scope());
  await settle();
  expect(h.client.calls).toEqual(['GET json', 'POST stop']);
  h.change();
  const exit = { container: { id: 'c1', pid: 0, exitCode: 0 }, reason: 'unhealthy container' };
  expect(await ended).toEqual(exit);
  h.client.on('GET json', inspected({ ...exited(0), Health }));
  expect(await h.controller.find(scope())).toEqual({ kind: 'exited', exit });
});

test('a container that vanished has ended', async () => {
  const h = harness();
  h.client.on('GET json', inspected(running), reply(404, 'No such container'));
  const ended = h.controller.wait(scope());
  await settle();
  h.change();
  expect(await ended).toEqual({
    container: { id: 'c1', pid: 0, exitCode: 137 },
    reason: 'container destroyed',
  });
});

test('a stop gives the grace period and takes every state as it is', async () => {
  const h = harness(taskOf({ StopGracePeriod: 3e9 }));
  const gone = () => reply(404, 'No such container');
  h.client.on('POST stop', undefined, gone(), undefined);
  h.client.on('GET json', inspected(running), inspected(exited(143)), gone());
  expect(await h.controller.shutdown(scope())).toMatchObject({ container: { exitCode: 143 } });
  expect(h.client.seen[1]).toMatchObject({ query: { t: 3 }, patient: true });
  expect(await h.controller.shutdown(scope())).toBeUndefined();
  h.client.on('GET json', gone());
  expect(await h.controller.shutdown(scope())).toBeUndefined();
  h.client.on('GET json', inspected(), inspected());
  expect(await h.controller.shutdown(scope())).toBeUndefined();
});

test('remove takes anonymous volumes along, and an absent container as removed', async () => {
  const h = harness();
  h.client.on('GET json', inspected(running));
  h.client.on(
    'DELETE c1',
    undefined,
    reply(404, ''),
    reply(409, 'in progress'),
    reply(500, 'busy'),
  );
  for (let i = 0; i < 3; i += 1) await h.controller.remove(scope());
  await expect(h.controller.remove(scope())).rejects.toThrow('busy');
  expect(h.client.seen[1]).toMatchObject({ query: { force: true, v: true } });
});

/** The path of each call. */
const paths = (h: ReturnType<typeof harness>) => h.client.seen.map(({ path }) => path);

test('a container is called by its ID as soon as that is known, whatever its name is by then', async () => {
  const h = harness();
  h.client.on('POST create', { Id: 'c1' }).on('POST start', undefined);
  h.client.on('GET json', inspected(running), inspected(running), inspected(exited(0)));
  h.client.on('POST stop', undefined).on('DELETE c1', undefined);
  expect(await h.controller.prepare(scope())).toEqual({ id: 'c1', pid: 0, exitCode: 0 });
  await h.controller.start(scope());
  await h.controller.find(scope());
  await h.controller.shutdown(scope());
  await h.controller.remove(scope());
  expect(paths(h).slice(1)).toEqual(
    ['/start', '/json', '/json', '/stop', '/json', ''].map((end) => `/containers/c1${end}`),
  );
});

test.each(['accepted', 'running'] as const)(
  'a task that was %s finds its renamed container by its label',
  async (state) => {
    const h = harness(taskOf({}, { status: { state, at: 0, message: '' } }));
    h.client.on('GET json', reply(404, 'No such container'), [{ Id: 'c1' }], inspected(running));
    expect(await h.controller.find(scope())).toMatchObject({ kind: 'running' });
    expect(h.client.seen[1]).toMatchObject({
      path: '/containers/json',
      query: { all: true, filters: `{"label":["com.docker.swarm.task.id=${taskOf().id}"]}` },
    });
    expect(paths(h)[2]).toBe('/containers/c1/json');
  },
);

test('a foreign container under the name of a renamed one is left alone', async () => {
  const h = harness(taskOf({}, { status: { state: 'running', at: 0, message: '' } }));
  h.client.on('GET json', inspected(running, {}, 'another'), [{ Id: 'c1' }], inspected(running));
  h.client.on('DELETE c1', undefined);
  await h.controller.remove(scope());
  expect(h.client.calls.at(-1)).toBe('DELETE c1');
});

test('a new task costs one look for a container that is not there', async () => {
  const h = harness();
  h.client.on('GET json', reply(404, 'No such container'));
  expect(await h.controller.find(scope())).toEqual({ kind: 'absent' });
  expect(h.client.calls).toEqual(['GET json']);
});

test('an aborted create is waited for before the container is removed', async () => {
  const h = harness();
  let made: (value: unknown) => void = () => undefined;
  h.client.on('POST create', new Promise((resolve) => (made = resolve)));
  h.client.on('DELETE c1', undefined);
  const aborted = new AbortController();
  const prepared = h.controller.prepare(aborted.signal);
  await settle();
  aborted.abort();
  const removed = h.controller.remove(scope());
  await settle();
  expect(h.client.calls).toEqual(['POST create']);
  made({ Id: 'c1' });
  await prepared;
  await removed;
  expect(h.client.calls.at(-1)).toMatch(/^DELETE/);
});
