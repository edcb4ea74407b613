import { expect, test } from '@jest/globals';
import { caTools, createCluster } from '../../../pki/mod.ts';
import { clusterDefaults } from '../../../domain/spec/cluster.ts';
import { faultOf } from '../spec/helpers.ts';
import { now, World } from './helpers.ts';

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

test('there is an unlock key while managers lock themselves; it changes when asked to, and with each new beginning', () => {
  const world = new World();
  const lock = (AutoLockManagers: boolean, rotate = false): string | undefined => {
    const { version } = world.cluster().meta;
    const spec = { EncryptionConfig: { AutoLockManagers } };
    update(world, { version, spec, rotateManagerUnlockKey: rotate });
    return world.cluster().unlockKey;
  };
  expect(lock(false, true)).toBeUndefined();
  expect(lock(true)).toBe('key-1');
  expect(lock(true)).toBe('key-1');
  expect(lock(true, true)).toBe('key-2');
  expect(lock(false)).toBeUndefined();
  expect(lock(true, true)).toBe('key-3');
});

const notYet = (what: string): string =>
  `Unimplemented: ${what} not supported by this version of natswarm yet`;
test.each([
  [{ ExternalCAs: [{ Protocol: 'cfssl', URL: 'https://x' }] }, 'external CAs are'],
  [{ ForceRotate: 1 }, 'rotation of the root CA is'],
  [{ SigningCACert: 'x' }, 'rotation of the root CA is'],
  [{ SigningCAKey: 'x' }, 'rotation of the root CA is'],
])('without the tools of a CA: %j', (CAConfig, what) => {
  const world = new World();
  expect(faultOf(() => update(world, { spec: { CAConfig } }))).toBe(notYet(what));
});

/** A world whose root is real, with the tools to change it. */
function withCa(): World {
  const { rootCertPem: certPem, rootKeyPem: keyPem } = createCluster({
    clusterId: 'c',
    nowMs: now,
  });
  const world = new World();
  const { tokens } = world.cluster().rootCa;
  const rootCa = { certPem, keyPem, tokens };
  world.apply([{ op: 'patch', kind: 'cluster', id: world.cluster().id, fields: { rootCa } }]);
  const ca = { ...caTools(() => now), externalAnswers: () => true, externalCrossSign: () => 'X' };
  world.ctx = { ...world.ctx, newJoinToken: (role, pem) => `${role} ${pem === certPem}`, ca };
  return world;
}

test('a rotation of the root begins, is replaced and ends; its key is nowhere but with the root', () => {
  const world = withCa();
  const { rootCa } = world.cluster();
  const change = (CAConfig: object, more: object = {}): unknown =>
    update(world, { version: world.cluster().meta.version, spec: { CAConfig }, ...more });
  change({ ForceRotate: 1 }, { rotateWorkerToken: true });
  const begun = world.cluster();
  expect(begun.rootRotation?.startedAt).toBe(now);
  // The tokens are of the root that joiners see.
  expect(begun.rootCa).toEqual({ ...rootCa, tokens: { worker: 'worker true', manager: 'M' } });
  change({ ForceRotate: 1 });
  expect(world.cluster().rootRotation).toBe(begun.rootRotation);
  const { rootCertPem, rootKeyPem } = createCluster({ clusterId: 'c', nowMs: now });
  change({ ForceRotate: 1, SigningCACert: rootCertPem, SigningCAKey: rootKeyPem });
  const replaced = world.cluster();
  expect(replaced.rootRotation).toMatchObject({ certPem: rootCertPem, keyPem: rootKeyPem });
  expect(replaced.formerRoots).toHaveLength(1);
  expect(JSON.stringify(replaced.spec)).not.toContain('BEGIN');
  change({ ForceRotate: 1, SigningCACert: rootCa.certPem, SigningCAKey: rootCa.keyPem });
  expect(world.cluster()).not.toHaveProperty('rootRotation');
  expect(world.cluster().rootCa).toEqual(begun.rootCa);
  expect(world.cluster().formerRoots).toHaveLength(2);
});

test('the version is looked at last, and nothing of a refused update stays', () => {
  const world = withCa();
  const before = world.cluster();
  const spec = { CAConfig: { ForceRotate: 1 } };
  expect(faultOf(() => update(world, { version: 1, spec }))).toBe(
    'Unknown: update out of sequence',
  );
  const key = { CAConfig: { SigningCAKey: 'x' } };
  expect(faultOf(() => update(world, { version: 1, spec: key }))).toContain(
    'must also be provided',
  );
  expect(world.cluster()).toBe(before);
});
