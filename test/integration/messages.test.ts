import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type Engine, loadImages, SLEEP, startEngine, until } from '../support/engine.ts';

/** What grows past one message of the bus, on a real nats-server and a real engine. */
let engine: Engine;
let daemon: Daemon;

beforeAll(async () => {
  engine = await startEngine({ name: 'messages' });
  await loadImages(engine);
  daemon = await startDaemon(engine);
  await daemon.mustDocker('swarm', 'init', '--advertise-addr', '127.0.0.1');
});

afterAll(async () => {
  await daemon?.stop();
  await engine?.stop();
});

/** Five variables of 100 KB: the kernel takes no single one of more than 128 KiB. */
const environment = Array.from({ length: 5 }, (_, i) => `V${i}=${String(i).repeat(100_000)}`);

async function create(name: string, replicas: number, env: readonly string[]): Promise<string> {
  const { status, text, body } = await daemon.api('POST', '/v1.51/services/create', {
    Name: name,
    TaskTemplate: { ContainerSpec: { Image: SLEEP, Env: env, StopGracePeriod: 1 } },
    Mode: { Replicated: { Replicas: replicas } },
  });
  if (status !== 201) throw new Error(text);
  return (body as { readonly ID: string }).ID;
}

const running = async (name: string): Promise<number> => {
  const filters = encodeURIComponent(
    JSON.stringify({ service: [name], 'desired-state': ['running'] }),
  );
  const { body } = await daemon.api('GET', `/v1.51/tasks?filters=${filters}`);
  const states = (body as readonly { readonly Status: { readonly State: string } }[]).map(
    ({ Status }) => Status.State,
  );
  return states.filter((state) => state === 'running').length;
};
const runs = (name: string, replicas: number): Promise<void> =>
  until(async () => (await running(name)) === replicas, 60_000, `${replicas} of ${name}`);

test('services whose tasks together take more than a message run, on one node, and after a restart', async () => {
  for (let i = 0; i < 3; i++) await create(`large${i}`, 1, [...environment, `N=${i}`]);
  await create('ten', 10, environment);
  await runs('ten', 10);
  for (let i = 0; i < 3; i++) await runs(`large${i}`, 1);
  await daemon.kill();
  await daemon.start();
  await create('after', 1, []);
  await runs('after', 1);
  await runs('ten', 10);
  await daemon.mustDocker('service', 'rm', 'ten', 'large0', 'large1', 'large2');
  await until(
    async () => {
      const left = await engine.mustDocker(
        'ps',
        '-aq',
        '--filter',
        'label=com.docker.swarm.task.id',
      );
      return left.split('\n').filter((line) => line !== '').length === 1;
    },
    60_000,
    'the containers of removed services to go',
  );
  expect(await running('after')).toBe(1);
});
