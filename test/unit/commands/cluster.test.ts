import { expect, test } from '@jest/globals';
import { clusterDefaults } from '../../../domain/spec/cluster.ts';
import { faultOf } from '../spec/helpers.ts';
import { World } from './helpers.ts';

const update = (world: World, fields: object = {}): unknown =>
  world.run('cluster.update', { version: 1, spec: clusterDefaults, ...fields });

test('an update replaces the spec and leaves the rest', () => {
  const world = new World();
  const spec = { Name: 'default', Orchestration: { TaskHistoryRetentionLimit: 2 } };
  expect(update(world, { spec })).toStrictEqual({});
  expect(world.cluster()).toMatchObject({
    spec: {
      Orchestration: { TaskHistoryRetentionLimit: 2 },
      Dispatcher: { HeartbeatPeriod: 0 },
    },
    rootCa: { keyPem: 'key', tokens: { worker: 'W', manager: 'M' } },
    meta: { version: 2 },
  });
});

test('tokens rotate one by one', () => {
  const world = new World();
  update(world, { rotateWorkerToken: true, rotateManagerUnlockKey: true });
  expect(world.cluster().rootCa).toStrictEqual({
    certPem: 'cert',
    keyPem: 'key',
    tokens: { worker: 'new-worker', manager: 'M' },
  });
  update(world, { version: 2, rotateManagerToken: true });
  expect(world.cluster().rootCa.tokens).toStrictEqual({
    worker: 'new-worker',
    manager: 'new-manager',
  });
});

const refused: readonly [object, string][] = [
  [{ version: 9 }, 'Unknown: update out of sequence'],
  [{ spec: { Name: 'x' } }, 'daemon InvalidArgument: swarm spec must be named "default"'],
  [
    { version: 9, spec: { CAConfig: { NodeCertExpiry: 1 } } },
    'InvalidArgument: minimum certificate expiry time is: 1h0m0s',
  ],
  [
    { rotateWorkerToken: 'yes' },
    'InvalidArgument: cluster.update: "rotateWorkerToken" must be true or false',
  ],
];
test.each(refused)('refused: %j', (fields, text) => {
  const world = new World();
  const before = world.cluster();
  expect(faultOf(() => update(world, fields))).toBe(text);
  expect(world.cluster()).toBe(before);
});
