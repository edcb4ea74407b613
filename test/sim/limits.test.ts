import { afterEach, expect, test } from '@jest/globals';
import { limits } from '../../domain/limits.ts';
import { drawOptions } from './options.ts';
import type { Outcome } from './check/acknowledged.ts';
import { unconverged } from './check/converged.ts';
import { boot } from './world/boot.ts';
import { Cluster } from './world/cluster.ts';

let cluster: Cluster;
afterEach(() => cluster.end());

/** A manager and its one node, on a bus that takes no message over the limit, without faults. */
async function build(over: Partial<ReturnType<typeof drawOptions>> = {}): Promise<void> {
  const options = { ...drawOptions(1), nodes: 1, managers: 1, engineCallMs: 2, historyLimit: 5 };
  cluster = new Cluster({ ...options, ...over }, { checks: [] });
  await boot(cluster);
  await cluster.run(2_000);
}

interface Wanted {
  readonly replicas: number;
  readonly bytes?: number;
  readonly image?: string;
}
const specOf = (name: string, { replicas, bytes = 0, image = 'steady:1' }: Wanted) => ({
  Name: name,
  TaskTemplate: {
    ContainerSpec: { Image: image, Env: bytes === 0 ? [] : ['x'.repeat(bytes)] },
    RestartPolicy: { Condition: 'any', Delay: 0 },
  },
  Mode: { Replicated: { Replicas: replicas } },
});

async function send(name: string, body: object): Promise<Outcome> {
  let outcome: Outcome | undefined;
  void cluster.command(name, body).then((answer) => (outcome = answer));
  await cluster.run(10_000, () => outcome !== undefined);
  return outcome ?? { kind: 'unknown', message: 'no answer' };
}
const create = (name: string, wanted: Wanted): Promise<Outcome> =>
  send('service.create', { spec: specOf(name, wanted) });
const remove = (name: string): Promise<Outcome> =>
  send('service.remove', { id: cluster.view().serviceByName(name)?.id });

const running = (): number =>
  [...cluster.view().list('task')].filter(({ status }) => status.state === 'running').length;
async function until(what: string, isSo: () => boolean, limitMs = 120_000): Promise<void> {
  let looks = 0;
  await cluster.run(limitMs, () => looks++ % 500 === 0 && isSo());
  if (!isSo()) throw new Error(`not within ${limitMs} ms: ${what}; ${running()} run`);
}

test('a hundred replicas of a spec at its limit run, are updated and stay through a new leader', async () => {
  await build();
  const bytes = limits.specBytesMax - 2_000;
  await create('large', { replicas: 100, bytes });
  await until('all run', () => running() === 100);
  const { id, meta } = cluster.view().serviceByName('large') ?? {};
  const spec = specOf('large', { replicas: 100, bytes, image: 'steady:2' });
  await send('service.update', { id, version: meta?.version, spec });
  cluster.hosts[0]?.kill();
  cluster.hosts[0]?.start();
  await until(
    'the update is done',
    () => cluster.view().service(id ?? '')?.updateStatus?.state === 'completed',
    600_000,
  );
  expect(unconverged(cluster)).toEqual([]);
});

test('two thousand tasks on one node run, and go', async () => {
  await build();
  await create('many', { replicas: 2_000 });
  await until('all run', () => running() === 2_000);
  await remove('many');
  await until('all are gone', () => unconverged(cluster).length === 0);
  expect(cluster.view().count('task')).toBe(0);
});

const slots = 50;
test('crash loops whose history takes more than a message keep no other service from running', async () => {
  await build();
  await create('loop', { replicas: slots, bytes: 20_000, image: 'crashing:1' });
  const history = (): number =>
    [...cluster.view().list('task')].filter(({ status }) => status.state === 'failed').length;
  await until('each has a history', () => history() >= slots * 4, 600_000);
  cluster.hosts[0]?.kill();
  cluster.hosts[0]?.start();
  await cluster.run(10_000);
  await create('after', { replicas: 1 });
  const { id = '' } = cluster.view().serviceByName('after') ?? {};
  await until('the other one runs', () =>
    [...cluster.view().tasksOfService(id)].some(({ status }) => status.state === 'running'),
  );
});
