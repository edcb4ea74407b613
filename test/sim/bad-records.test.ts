// A record that nobody can read, as a version before may have written it: everything else goes on, and it is said.

import { expect, test } from '@jest/globals';
import type { Service, Task } from '../../domain/model/objects.ts';
import type { Change, Draft } from '../../domain/store/changes.ts';
import { drawOptions } from './options.ts';
import { boot } from './world/boot.ts';
import { Cluster } from './world/cluster.ts';

const rubbish = { Placement: { Constraints: ['rubbish'] } };
const TaskTemplate = { ContainerSpec: { Image: 'steady:1' }, ForceUpdate: 0 };
const badService = (id: string, Mode: Service['spec']['Mode']): Draft<'service'> => ({
  id,
  spec: { Name: id, Labels: {}, TaskTemplate: { ...TaskTemplate, ...rubbish }, Mode },
  specVersion: 1,
});

test('services that cannot be read say why, and cost the others nothing, under each new leader', async () => {
  const reports: string[] = [];
  const options = { ...drawOptions(1), nodes: 3, managers: 1, engineCallMs: 20 };
  const onTrace = (line: string): void => void reports.push(line);
  const cluster = new Cluster(options, { checks: [], onTrace });
  await boot(cluster);
  await cluster.run(10_000);
  const changes: Change[] = [
    { op: 'put', kind: 'service', object: badService('bad', { Replicated: { Replicas: 2 } }) },
    { op: 'put', kind: 'service', object: badService('everywhere', { Global: {} }) },
  ];
  void cluster.hosts[0]?.manager?.propose(() => ({ changes, result: undefined }));
  await cluster.run(5_000);
  const tasksOf = (name: string): Task[] => {
    const { store } = cluster.audit;
    return [...store.tasksOfService(store.serviceByName(name)?.id ?? '')];
  };
  const why = 'the scheduler cannot read this task: constraint expected one operator from ==, !=';
  for (const name of ['first', 'after-a-restart']) {
    const spec = {
      Name: name,
      TaskTemplate: { ...TaskTemplate, Placement: { Constraints: ['node.role != x'] } },
      Mode: { Replicated: { Replicas: 4 } },
    };
    void cluster.command('service.create', { spec });
    await cluster.run(30_000);
    expect(tasksOf(name).map(({ status }) => status.state)).toEqual(Array(4).fill('running'));
    expect(tasksOf('bad').map(({ status }) => status.err)).toEqual([why, why]);
    const told = (event: string, about: string): number =>
      reports.filter((line) => line.includes(event) && line.includes(about)).length;
    expect(told('scheduling_failed', '"service":"bad"')).toBeGreaterThan(0);
    expect(told('plan_failed', '"service":"everywhere"')).toBeGreaterThan(0);
    // not again and again: the plan is tried ever more rarely, and the scheduler says it once
    expect(told('scheduling_failed', '"service":"bad"')).toBeLessThanOrEqual(2);
    expect(told('plan_failed', '"service":"everywhere"')).toBeLessThan(60);
    reports.length = 0;
    cluster.hosts[0]?.kill();
    cluster.hosts[0]?.start();
    await cluster.run(30_000);
  }
});
