import { describe, expect, test } from '@jest/globals';
import { crash, isCrash, kindOf, oneOfEachKind } from '../support/crash.ts';
import { checkAdvance } from './check/advance.ts';
import { subjects } from '../../bus/subjects.ts';
import { isTerminal } from '../../domain/task-state.ts';
import { unconverged } from './check/converged.ts';
import { checkExclusive } from './check/slots.ts';
import { drawOptions } from './options.ts';
import { boot } from './world/boot.ts';
import { Cluster } from './world/cluster.ts';
import type { SimHost } from './world/daemon.ts';

const convergeLimitMs = 120_000;
/** An actor that crashes whenever it runs does so for so long, and is looked for so often. */
const stubbornMs = 12_000;
const lookMs = 100;
/** The longest pause before an actor is started again, and a start. */
const restartMs = 10_000;

async function buildCluster(): Promise<Cluster> {
  const cluster = new Cluster(
    { ...drawOptions(1), nodes: 5, managers: 3, heartbeatPeriodMs: 5_000, clockSkewMs: 0 },
    { checks: [checkAdvance, checkExclusive], tolerates: isCrash },
  );
  await boot(cluster);
  const spec = {
    Name: 'web',
    TaskTemplate: { ContainerSpec: { Image: 'steady:1' } },
    Mode: { Replicated: { Replicas: 10 } },
  };
  void cluster.command('service.create', { spec });
  await converge(cluster);
  // a node that has tasks and changes has a plan
  for (const { id, meta, spec: node } of cluster.audit.store.list('node'))
    void cluster.command('node.update', {
      id,
      version: meta.version,
      spec: { ...node, Labels: { zone: 'a' } },
    });
  await converge(cluster);
  return cluster;
}

async function converge(cluster: Cluster): Promise<void> {
  const deadline = cluster.clock.now() + convergeLimitMs;
  for (;;) {
    await cluster.run(500);
    const open = [...unconverged(cluster), ...unattended(cluster)];
    if (open.length === 0) return;
    if (cluster.clock.now() > deadline) throw new Error(open.join('; '));
  }
}

/** Tasks that are to run and do not, or whose end nobody would notice. */
const unattended = ({ audit: { store }, hosts }: Cluster): readonly string[] =>
  [...store.list('task')]
    .filter(({ desired, status }) => desired === 'running' && !isTerminal(status.state))
    .filter(({ id, nodeId, status }) => {
      const actor = hosts
        .find((host) => host.id === nodeId)
        ?.registry.get(`agent/${nodeId}/tasks/${id}`);
      return status.state !== 'running' || actor === undefined;
    })
    .map(({ id, status }) => `task ${id} is ${status.state} and has no actor`);

/** Something to do for whatever has crashed. */
async function scale(cluster: Cluster, replicas: number): Promise<void> {
  const [service] = cluster.audit.store.list('service');
  const { spec, id, meta } = service!;
  const next = { ...spec, Mode: { Replicated: { Replicas: replicas } } };
  for (;;) {
    const asked = cluster.command('service.update', { id, version: meta.version, spec: next });
    await cluster.run(1_000);
    const now = cluster.audit.store.service(id)?.spec.Mode.Replicated?.Replicas;
    if (now === replicas) return;
    await Promise.race([asked, cluster.run(5_000)]);
  }
}

/** The host that has the kind now: a leader may have changed. */
const hostWith = (cluster: Cluster, kind: string): SimHost | undefined =>
  [cluster.leader, ...cluster.hosts].find(
    (host) => host !== undefined && oneOfEachKind(host.registry.tree()).has(kind),
  );

function crashOne(cluster: Cluster, kind: string): void {
  const { registry } = hostWith(cluster, kind)!;
  crash(registry, oneOfEachKind(registry.tree()).get(kind)!);
}

const kindsOf = (cluster: Cluster): readonly string[] =>
  [
    ...new Set(cluster.hosts.flatMap(({ registry }) => [...oneOfEachKind(registry.tree()).keys()])),
  ].toSorted();

describe('whatever actor crashes, the cluster converges', () => {
  const known = [
    'agent',
    'agent/*/engine',
    'agent/*/logs',
    'agent/*/session',
    'agent/*/tasks',
    'agent/*/tasks/*',
    'agent/*/tree',
    'manager',
    'manager/leader/ca',
    'manager/leader/dispatcher',
    'manager/leader/feature-level',
    'manager/leader/lease',
    'manager/leader/log-servers',
    'manager/leader/node-plans/*',
    'manager/leader/nodes/*',
    'manager/leader/scheduler',
    'manager/leader/services/*',
    'manager/leadership',
    'renewal',
    'renewal/certificate',
  ];

  test('the kinds of actors', async () => {
    const cluster = await buildCluster();
    expect(kindsOf(cluster)).toEqual(known);
    cluster.end();
  });

  test('each stands below its supervisor, on managers and on workers', async () => {
    const cluster = await buildCluster();
    const ofAgent = known.filter((kind) => /^(agent|renewal)/.test(kind));
    const ofManager = ['manager', 'manager/leadership'];
    for (const { id, registry } of cluster.hosts) {
      const tree = registry.tree();
      const isManager = cluster.audit.store.node(id)?.role === 'manager';
      const expected =
        cluster.leader?.id === id ? known : isManager ? [...ofAgent, ...ofManager] : ofAgent;
      const kinds = new Set(['agent/*/tasks/*', ...tree.map(({ address }) => kindOf(address))]);
      expect([...kinds].toSorted()).toEqual([...expected].toSorted());
      for (const { address, supervisor } of tree)
        expect(supervisors).toContain(`${kindOf(supervisor)}:${kindOf(address).split('/').at(-1)}`);
    }
    cluster.end();
  });

  test('a node shows what it is in', async () => {
    const cluster = await buildCluster();
    const { registry } = cluster.leader!;
    const host = cluster.hosts.find(
      (one) => one.registry !== registry && tasksOn(cluster, one) > 0,
    )!;
    const phase = (): unknown =>
      registry.tree().find(({ address }) => address === `manager/leader/nodes/${host.id}`)?.phase;
    const seen = [phase()];
    const watch = async (until: string): Promise<void> => {
      while (seen.at(-1) !== until) {
        await cluster.run(1);
        if (phase() !== seen.at(-1)) seen.push(phase());
        if (seen.length > 10) throw new Error(seen.join());
      }
    };
    const setAvailability = (Availability: 'active' | 'drain'): void => {
      const { id, meta, spec } = cluster.audit.store.node(host.id)!;
      void cluster.command('node.update', {
        id,
        version: meta.version,
        spec: { ...spec, Availability },
      });
    };
    setAvailability('drain');
    await watch('drained');
    setAvailability('active');
    await watch('ready');
    host.kill();
    await watch('down');
    expect(seen).toEqual(['ready', 'draining', 'drained', 'ready', 'silent', 'down']);
    cluster.end();
  });

  test('a service shows what it is in', async () => {
    const cluster = await buildCluster();
    const phases = (): readonly unknown[] =>
      cluster
        .leader!.registry.tree()
        .filter(({ address }) => kindOf(address) === 'manager/leader/services/*')
        .map(({ phase }) => phase);
    expect(phases()).toEqual(['converged']);
    const [service] = cluster.audit.store.list('service');
    const id = service!.id;
    void cluster.command('service.remove', { id });
    const seen = new Set<unknown>();
    while ([...cluster.audit.store.tasksOfService(id)].length > 0) {
      await cluster.run(10);
      for (const phase of phases()) seen.add(phase);
    }
    expect([...seen]).toEqual(['converged', 'removing']);
    cluster.end();
  });

  test.each(known)('%s, once, and whenever it runs for a while', async (kind) => {
    const cluster = await buildCluster();
    crashOne(cluster, kind);
    await scale(cluster, 8);
    await converge(cluster);
    await cluster.run(restartMs);
    expect(kindsOf(cluster)).toEqual(known);
    const until = cluster.clock.now() + stubbornMs;
    while (cluster.clock.now() < until) {
      if (hostWith(cluster, kind) !== undefined) crashOne(cluster, kind);
      await cluster.run(lookMs);
    }
    await scale(cluster, 12);
    await converge(cluster);
    await cluster.run(restartMs);
    expect(kindsOf(cluster)).toEqual(known);
    cluster.end();
  });
});

/** Each supervisor with the kinds of its children; '' is the daemon's own. */
const supervisors = Object.entries({
  '': ['agent', 'manager', 'renewal'],
  'agent/*': ['engine', 'logs', 'session', 'tasks', 'tree'],
  'agent/*/tasks': ['*'],
  'manager/leader': ['ca', 'dispatcher', 'feature-level', 'lease', 'log-servers', 'scheduler'],
  'manager/leader/node-plans': ['*'],
  'manager/leader/nodes': ['*'],
  'manager/leader/services': ['*'],
  manager: ['leadership'],
  renewal: ['certificate'],
}).flatMap(([above, children]) => children.map((child) => `${above}:${child}`));

/** A cluster in which the leader's actor of one worker has just crashed. */
async function withCrashedNode(): Promise<{ cluster: Cluster; host: SimHost }> {
  const cluster = await buildCluster();
  const host = cluster.hosts[4]!;
  const { registry } = cluster.leader!;
  crash(registry, `manager/leader/nodes/${host.id}`);
  expect(registry.get(`manager/leader/nodes/${host.id}`)).toBeUndefined();
  return { cluster, host };
}
const tasksOn = (cluster: Cluster, { id }: SimHost): number =>
  [...cluster.audit.store.tasksOfNode(id)].filter(({ desired }) => desired === 'running').length;

test('a host whose actor has crashed and that loses its power is down, and its tasks run elsewhere', async () => {
  const { cluster, host } = await withCrashedNode();
  host.kill();
  await cluster.run(20_000);
  expect(cluster.audit.store.node(host.id)?.status).toMatchObject({ state: 'down' });
  expect(tasksOn(cluster, host)).toBe(0);
  cluster.end();
});

test('a node that leaves just then is down at once', async () => {
  const { cluster, host } = await withCrashedNode();
  host.agentBus?.publish(subjects.agent(host.id, 'leave'), {});
  await cluster.run(50);
  expect(cluster.audit.store.node(host.id)?.status).toMatchObject({ state: 'down' });
  cluster.end();
});

test('a node that leaves while the dispatcher is started again is down without its silence', async () => {
  const cluster = await buildCluster();
  const host = cluster.hosts[4]!;
  crash(cluster.leader!.registry, 'manager/leader/dispatcher');
  void host.agent?.removeAll();
  await cluster.run(2_000);
  expect(cluster.audit.store.node(host.id)?.status).toMatchObject({ state: 'down' });
  cluster.end();
});

test('a node with which no session can be held says so, gets nothing new, and is ready when one can', async () => {
  const { cluster, host } = await withCrashedNode();
  const before = tasksOn(cluster, host);
  const { registry } = cluster.leader!;
  const address = `manager/leader/nodes/${host.id}`;
  for (let ms = 0; ms < 5_000; ms += lookMs) {
    if (registry.get(address) !== undefined) crash(registry, address);
    await cluster.run(lookMs);
  }
  expect(cluster.audit.store.node(host.id)?.status).toMatchObject({
    state: 'unknown',
    message: 'the leader cannot hold a session with this node: made to crash by a test',
  });
  await scale(cluster, 20);
  expect(tasksOn(cluster, host)).toBe(before);
  await cluster.run(60_000);
  expect(cluster.audit.store.node(host.id)?.status).toMatchObject({ state: 'ready', message: '' });
  cluster.end();
});
