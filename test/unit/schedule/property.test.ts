import { strict as assert } from 'node:assert';
import { test } from '@jest/globals';
import type { Node, Task } from '../../../domain/model/objects.ts';
import { needsOf } from '../../../domain/schedule/needs.ts';
import { isTerminal, isWanted, taskStateRank } from '../../../domain/task-state.ts';
import { randomOf } from '../orchestrate/world.ts';
import { Cluster } from './cluster.ts';

const seeds = Array.from({ length: 30 }, (_, i) => i + 1);

test.each(seeds)(
  'seed %i: reservations, ports and replicas per node are never exceeded',
  (seed) => {
    const random = randomOf(seed);
    const pick = (max: number): number => Math.floor(random() * max);
    const cluster = new Cluster();
    for (let i = 0; i < 6; i++) cluster.node(`n${i}`, { memory: 20 + pick(80) });
    const ids: string[] = [];
    for (let step = 0; step < 150; step++) {
      cluster.now += 1_000;
      const service = pick(4);
      const action = random();
      if (action < 0.5)
        ids.push(
          ...cluster.tasks(1 + pick(5), `s${service}`, {
            specVersion: 1 + service,
            memory: service * 7,
            ...(service === 1 && { hostPort: 80 }),
            ...(service === 2 && { placement: { MaxReplicas: 2 } }),
          }),
        );
      else if (action < 0.8 && ids.length > 0) endSome(cluster, ids[pick(ids.length)] as string);
      else if (action < 0.9)
        cluster.node(`n${pick(6)}`, {
          memory: 20 + pick(80),
          state: random() < 0.3 ? 'down' : 'ready',
        });
      const before = loads(cluster);
      // Some passes are lost on the way to the log.
      if (random() < 0.2) cluster.scheduler.pass(cluster.store, { now: cluster.now });
      cluster.pass(1 + pick(20));
      for (const node of cluster.store.list('node')) check(cluster, node, before);
    }
  },
);

function endSome(cluster: Cluster, id: string): void {
  const task = cluster.store.task(id) as Task;
  if (task.nodeId === '' || isTerminal(task.status.state)) return;
  if (isWanted(task.desired) && task.specVersion % 2 === 1)
    cluster.apply([{ op: 'patch', kind: 'task', id, fields: { desired: 'shutdown' } }]);
  else cluster.end(id, task.specVersion % 3 === 0 ? 'failed' : 'shutdown');
}

const live = (cluster: Cluster, node: Node): Task[] =>
  [...cluster.store.tasksOfNode(node.id)].filter(
    ({ status: { state } }) => taskStateRank[state] >= taskStateRank.assigned && !isTerminal(state),
  );

const memoryOf = (cluster: Cluster, node: Node): number =>
  live(cluster, node).reduce((sum, task) => sum + needsOf(task).memoryBytes, 0);

const loads = (cluster: Cluster): ReadonlyMap<string, number> =>
  new Map([...cluster.store.list('node')].map((node) => [node.id, memoryOf(cluster, node)]));

function check(cluster: Cluster, node: Node, before: ReadonlyMap<string, number>): void {
  const memory = memoryOf(cluster, node);
  // A node that shrank may be overdrawn, but nothing is added to it then.
  const limit = Math.max(node.description?.resources.memoryBytes ?? 0, before.get(node.id) ?? 0);
  assert(memory <= limit, 'memory');
  const ports = live(cluster, node).flatMap((task) => needsOf(task).ports);
  assert(new Set(ports).size === ports.length, 'ports');
  const limited = live(cluster, node).filter((t) => t.serviceId === 's2' && isWanted(t.desired));
  assert(limited.length <= 2, 'replicas per node');
}
