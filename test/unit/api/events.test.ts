import { expect, test } from '@jest/globals';
import { eventLine, eventOf, type SwarmEvent } from '../../../api/events/event.ts';
import { includesEvent } from '../../../api/events/filter.ts';
import { Recorder } from '../../../api/events/recorder.ts';
import { Filters } from '../../../api/filters.ts';
import type { Node, Service } from '../../../domain/model/objects.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import { aNode, aService, aTask, nodeId, serviceId, spec, wall } from '../../support/api.ts';

const service = (before: Service | undefined, after: Service | undefined): Applied => ({
  kind: 'service',
  id: serviceId,
  before,
  after,
});
const node = (before: Node | undefined, after: Node | undefined): Applied => ({
  kind: 'node',
  id: nodeId,
  before,
  after,
});
const later = { version: 8, createdAt: wall, updatedAt: wall + 1000 };

test('a service comes, changes and goes', () => {
  const changed = aService({
    meta: later,
    spec: spec({
      TaskTemplate: { ContainerSpec: { Image: 'natswarm-web:2' } },
      Mode: { Replicated: { Replicas: 3 } },
    }),
    updateStatus: { state: 'updating', message: '' },
  });
  expect(eventOf(service(undefined, aService()), 1)).toEqual({
    type: 'service',
    action: 'create',
    id: serviceId,
    attributes: { name: 'web' },
    at: wall,
  });
  expect(eventOf(service(aService(), changed), 1)).toEqual({
    type: 'service',
    action: 'update',
    id: serviceId,
    attributes: {
      name: 'web',
      'image.old': 'natswarm-web:1',
      'image.new': 'natswarm-web:2',
      'replicas.old': '1',
      'replicas.new': '3',
      'updatestate.new': 'updating',
    },
    at: wall + 1000,
  });
  expect(eventOf(service(aService(), undefined), 5)).toMatchObject({ action: 'remove', at: 5 });
});

test('notes of the updater, tasks and the cluster are no events', () => {
  const before = aService();
  const after = { ...before, meta: later, updateProgress: { failed: 0, total: 1 } };
  expect(eventOf(service(before, after), 1)).toBeUndefined();
  expect(eventOf({ kind: 'task', id: 't', before: undefined, after: aTask() }, 1)).toBeUndefined();
});

test('a node changes', () => {
  const after = aNode({
    meta: later,
    spec: { Labels: {}, Role: 'manager', Availability: 'drain' },
    status: { state: 'down', message: 'heartbeat failure', addr: '' },
    manager: { addr: '', bus: '', route: '', reachability: 'unreachable' },
  });
  expect(eventOf(node(aNode(), after), 1)?.attributes).toEqual({
    name: 'host1',
    'availability.old': 'active',
    'availability.new': 'drain',
    'state.old': 'ready',
    'state.new': 'down',
    'reachability.old': 'reachable',
    'reachability.new': 'unreachable',
  });
});

const event: SwarmEvent = {
  type: 'node',
  action: 'update',
  id: nodeId,
  attributes: { name: 'host1', 'state.old': 'unknown', 'state.new': 'ready' },
  at: 1_795_458_048_392,
};

test('the line of the stream is that of dockerd', () => {
  expect(eventLine(event)).toBe(
    `{"Type":"node","Action":"update","Actor":{"ID":"${nodeId}","Attributes":{"name":"host1","state.new":"ready","state.old":"unknown"}},"scope":"swarm","time":1795458048,"timeNano":1795458048392000000}\n`,
  );
});

test.each([
  [{}, true],
  [{ scope: ['swarm'] }, true],
  [{ scope: ['local'] }, false],
  [{ type: ['service', 'node'] }, true],
  [{ type: ['service'] }, false],
  [{ event: ['update'] }, true],
  [{ event: ['create'] }, false],
  [{ node: ['host1'] }, true],
  [{ node: ['node1'] }, true],
  [{ node: ['other'] }, false],
  [{ container: ['x'] }, false],
  [{ image: ['x'] }, false],
  [{ label: ['state.new=ready'] }, true],
  [{ label: ['state.new'] }, true],
  [{ label: ['state.new=down'] }, false],
  [{ nokey: ['x'] }, true],
])('filter %j: %s', (fields, included) => {
  expect(includesEvent(Filters.parse(JSON.stringify(fields)), event)).toBe(included);
});

test('the last 256 events are kept', () => {
  let now = 0;
  const recorder = new Recorder(() => now);
  const seen: number[] = [];
  const unlisten = recorder.listen(({ at }) => seen.push(at));
  for (now = 1; now <= 1000; now++) recorder.take([service(aService(), undefined)]);
  expect(seen).toHaveLength(1000);
  expect(recorder.between(0n, 2n ** 63n)).toHaveLength(256);
  expect(recorder.between(999_000_000n, 999_000_000n).map(({ at }) => at)).toEqual([999]);
  unlisten();
  recorder.take([service(aService(), undefined)]);
  expect(seen).toHaveLength(1000);
});
