import { expect, test } from '@jest/globals';
import {
  clusterDefaults,
  clusterSpecForInit,
  clusterSpecForUpdate,
  decodeInitRequest,
} from '../../../domain/spec/cluster.ts';
import { nodeSpecFrom } from '../../../domain/spec/node.ts';
import { faultOf } from './helpers.ts';

test('init merges over the defaults', () => {
  expect(clusterSpecForInit(null)).toStrictEqual(clusterDefaults);
  const spec = clusterSpecForInit({
    Labels: { a: 'b' },
    Orchestration: { TaskHistoryRetentionLimit: 0 },
    Raft: { SnapshotInterval: 5 },
    CAConfig: { NodeCertExpiry: 7200e9 },
  });
  expect(spec).toStrictEqual({
    ...clusterDefaults,
    Labels: { a: 'b' },
    Orchestration: { TaskHistoryRetentionLimit: 0 },
    Raft: { ...clusterDefaults.Raft, SnapshotInterval: 5 },
    CAConfig: { NodeCertExpiry: 7200e9 },
  });
});

test('an update replaces the whole: absent numbers become zero', () => {
  const { spec } = clusterSpecForUpdate({ Name: 'default', Dispatcher: { HeartbeatPeriod: 1e9 } });
  expect(spec).toStrictEqual({
    Name: 'default',
    Labels: {},
    Orchestration: { TaskHistoryRetentionLimit: 0 },
    Raft: {
      SnapshotInterval: 0,
      KeepOldSnapshots: 0,
      LogEntriesForSlowFollowers: 0,
      ElectionTick: 0,
      HeartbeatTick: 0,
    },
    Dispatcher: { HeartbeatPeriod: 1e9 },
    CAConfig: { NodeCertExpiry: 0 },
    TaskDefaults: {},
    EncryptionConfig: { AutoLockManagers: false },
  });
  expect(clusterSpecForUpdate(clusterDefaults).spec).toStrictEqual(clusterDefaults);
});

const bad: readonly [unknown, string][] = [
  [{ Name: 'x' }, 'daemon InvalidArgument: swarm spec must be named "default"'],
  [
    { Raft: 5 },
    'daemon InvalidArgument: invalid JSON: json: cannot unmarshal number into Go struct field Spec.Raft of type swarm.RaftConfig',
  ],
  [
    { CAConfig: { ExternalCAs: [{ Protocol: 'x' }] } },
    'daemon InvalidArgument: invalid protocol: "x"',
  ],
  [
    { CAConfig: { NodeCertExpiry: 1 } },
    'InvalidArgument: minimum certificate expiry time is: 1h0m0s',
  ],
  [
    { Dispatcher: { HeartbeatPeriod: -1 } },
    'InvalidArgument: heartbeat time period cannot be a negative duration',
  ],
  [
    { CAConfig: { ExternalCAs: Array.from({ length: 33 }, () => ({ Protocol: 'cfssl' })) } },
    'InvalidArgument: at most 32 external CAs can be given',
  ],
];
test.each(bad)('%j', (input, text) => {
  expect(faultOf(() => clusterSpecForUpdate(input))).toBe(text);
  expect(faultOf(() => clusterSpecForInit(input))).toBe(text);
});

const notAtFirst: readonly [unknown, string][] = [
  [
    { CAConfig: { ForceRotate: 1 } },
    'Unimplemented: rotation of the root CA is not supported by this version of natswarm yet',
  ],
  [
    { CAConfig: { SigningCACert: 'x' } },
    'Unimplemented: rotation of the root CA is not supported by this version of natswarm yet',
  ],
];
test.each(notAtFirst)('a new cluster cannot begin with %j', (input, text) => {
  expect(faultOf(() => clusterSpecForInit(input))).toBe(text);
});

test('a new cluster can have external CAs', () => {
  const ExternalCAs = [{ Protocol: 'CFSSL', URL: 'https://x', CACert: 'PEM' }];
  expect(clusterSpecForInit({ CAConfig: { ExternalCAs } }).CAConfig.ExternalCAs).toEqual([
    { Protocol: 'cfssl', URL: 'https://x', CACert: 'PEM' },
  ]);
});

test('what an update asks of the CA: the signing certificate and key are no part of the spec', () => {
  const CAConfig = {
    NodeCertExpiry: 7200e9,
    ExternalCAs: [
      { Protocol: 'CFSSL', URL: 'https://ca', CACert: 'PEM', Options: { a: 'b' } },
      null,
    ],
    SigningCACert: 'SIGNING-CERT',
    SigningCAKey: 'SIGNING-KEY',
    ForceRotate: 3,
  };
  const { spec, ca } = clusterSpecForUpdate({ CAConfig });
  const externalCas = [
    { Protocol: 'cfssl', URL: 'https://ca', Options: { a: 'b' }, CACert: 'PEM' },
  ];
  expect(spec.CAConfig).toStrictEqual({
    NodeCertExpiry: 7200e9,
    ExternalCAs: externalCas,
    ForceRotate: 3,
  });
  expect(JSON.stringify(spec)).not.toContain('SIGNING');
  expect(ca).toStrictEqual({
    signingCert: 'SIGNING-CERT',
    signingKey: 'SIGNING-KEY',
    forceRotate: 3,
    externalCas,
  });
});

test('the body of init', () => {
  const request = decodeInitRequest({ listenaddr: 'x', DataPathPort: 5, SubnetSize: 20 }, '1.39');
  expect(request).toMatchObject({
    ListenAddr: 'x',
    DataPathPort: 0,
    SubnetSize: 20,
    DefaultAddrPool: [],
  });
  expect(clusterSpecForInit(request.Spec)).toStrictEqual(clusterDefaults);
  expect(faultOf(() => decodeInitRequest({ Spec: { Raft: { ElectionTick: 'x' } } }, ''))).toContain(
    'string into Go struct field InitRequest.Spec.Raft.ElectionTick of type int',
  );
});

test('node specs', () => {
  expect(nodeSpecFrom({ Role: 'MANAGER', Availability: 'Pause', Name: '' })).toStrictEqual({
    Labels: {},
    Role: 'manager',
    Availability: 'pause',
  });
  const told = (input: unknown): string => faultOf(() => nodeSpecFrom(input));
  expect(told({})).toBe('daemon InvalidArgument: invalid Role: ""');
  expect(told({ Role: 'x' })).toBe('daemon InvalidArgument: invalid Role: "x"');
  expect(told({ Role: 'worker' })).toBe('daemon InvalidArgument: invalid Availability: ""');
  expect(told({ Role: 5 })).toContain(
    'number into Go struct field NodeSpec.Role of type swarm.NodeRole',
  );
});
