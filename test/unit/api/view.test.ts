import { expect, test } from '@jest/globals';
import { clusterView, swarmView } from '../../../api/view/cluster.ts';
import { mergeInfo, swarmHeader, swarmInfo } from '../../../api/view/info.ts';
import { goTime } from '../../../api/view/meta.ts';
import { explainedNode, nodeView } from '../../../api/view/node.ts';
import { explainedService, serviceStatus, serviceView } from '../../../api/view/service.ts';
import { taskView } from '../../../api/view/task.ts';
import type { Node } from '../../../domain/model/objects.ts';
import {
  aCluster,
  aNode,
  aService,
  aTask,
  FakeSwarm,
  nodeId,
  serviceId,
  spec,
  taskId,
  tlsInfo,
  wall,
} from '../../support/api.ts';

const time = '2026-11-23T17:59:48.12Z';
const meta = { Version: { Index: 7 }, CreatedAt: time, UpdatedAt: time };
const shape = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test.each([
  [Date.UTC(2026, 10, 23, 17, 59, 48, 123), '2026-11-23T17:59:48.123Z'],
  [Date.UTC(2026, 10, 23, 17, 59, 48, 100), '2026-11-23T17:59:48.1Z'],
  [Date.UTC(2026, 10, 23, 17, 59, 40, 0), '2026-11-23T17:59:40Z'],
  [Date.UTC(2026, 10, 23, 10, 0, 0, 0), '2026-11-23T10:00:00Z'],
  [Date.UTC(2026, 10, 23, 10, 0, 0, 5), '2026-11-23T10:00:00.005Z'],
])('%d is printed as %s', (ms, text) => {
  expect(goTime(ms)).toBe(text);
});

test('a service as dockerd shows it', () => {
  expect(shape(serviceView(aService()))).toEqual({
    ID: serviceId,
    ...meta,
    Spec: {
      Name: 'web',
      Labels: { team: 'red' },
      TaskTemplate: {
        ContainerSpec: { Image: 'natswarm-web:1', Isolation: 'default' },
        ForceUpdate: 0,
        Runtime: 'container',
      },
      Mode: { Replicated: { Replicas: 1 } },
    },
    Endpoint: { Spec: {} },
  });
});

test('published ports, previous spec and update status are shown', () => {
  const ports = [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' }];
  const service = aService({
    spec: spec({ EndpointSpec: { Ports: ports } }),
    previousSpec: spec({}),
    updateStatus: { state: 'updating', message: 'update in progress', startedAt: wall },
  });
  expect(shape(serviceView(service))).toMatchObject({
    Endpoint: { Spec: { Mode: 'vip', Ports: ports }, Ports: ports },
    PreviousSpec: { Name: 'web', TaskTemplate: { Runtime: 'container' } },
    UpdateStatus: { State: 'updating', StartedAt: time, Message: 'update in progress' },
  });
  expect(shape(serviceView(service))).not.toHaveProperty('UpdateStatus.CompletedAt');
});

test('a network of the engine is shown as one without an address', () => {
  const TaskTemplate = {
    ContainerSpec: { Image: 'natswarm-web:1' },
    Networks: [{ Target: 'host' }],
    ForceUpdate: 0,
  };
  const VirtualIPs = [{ NetworkID: 'host' }];
  const endpointOf = (fields: object): unknown =>
    (shape(serviceView(aService({ spec: spec({ TaskTemplate, ...fields }) }))) as Shown).Endpoint;
  expect(endpointOf({})).toEqual({ Spec: {}, VirtualIPs });
  expect(endpointOf({ EndpointSpec: {} })).toEqual({ Spec: { Mode: 'vip' }, VirtualIPs });
  expect(endpointOf({ EndpointSpec: { Mode: 'dnsrr' } })).toEqual({ Spec: {} });
});
interface Shown {
  readonly Endpoint: unknown;
}

test('defaults are filled in only when asked for', () => {
  expect(shape(serviceView(aService(), true))).toMatchObject({
    Spec: {
      TaskTemplate: {
        ContainerSpec: { StopGracePeriod: 10e9, DNSConfig: {} },
        Resources: {},
        RestartPolicy: { Condition: 'any', Delay: 5e9, MaxAttempts: 0 },
        Placement: {},
      },
      UpdateConfig: { Parallelism: 1, FailureAction: 'pause', Monitor: 5e9, Order: 'stop-first' },
      RollbackConfig: { MaxFailureRatio: 0 },
    },
  });
});

test('credentials and keys are never shown', () => {
  const secret = spec({});
  const withAuth = {
    ...secret,
    TaskTemplate: {
      ...secret.TaskTemplate,
      ContainerSpec: {
        ...secret.TaskTemplate.ContainerSpec,
        PullOptions: { RegistryAuth: 'SECRET-AUTH' },
      },
    },
  };
  const cluster = {
    ...aCluster(),
    spec: {
      ...aCluster().spec,
      CAConfig: { NodeCertExpiry: 1, SigningCAKey: 'SECRET-CA', SigningCACert: 'SECRET-CERT' },
    },
  };
  const texts = [
    serviceView(aService({ spec: withAuth, previousSpec: withAuth })),
    serviceView(aService({ spec: withAuth }), true),
    taskView(aTask({ spec: withAuth.TaskTemplate })),
    swarmView(cluster, tlsInfo),
  ].map((view) => JSON.stringify(view));
  for (const text of texts) expect(text).not.toContain('SECRET');
  expect(JSON.stringify(clusterView(cluster, tlsInfo))).not.toContain('JoinTokens');
});

test('a rotation of the root: the issuer is the new root, the trust root still the present one', () => {
  const cluster = {
    ...aCluster(),
    rootRotation: {
      certPem: 'NEW-PEM',
      keyPem: 'SECRET-KEY',
      crossSignedPem: 'SECRET-OF-NO-USE',
      startedAt: wall,
    },
    formerRoots: [{ certPem: 'SECRET-OF-NO-USE', retiredAt: wall }],
  };
  const issuerOf = (pem: string) => ({ ...tlsInfo(pem), CertIssuerPublicKey: `key of ${pem}` });
  const view = swarmView(cluster, issuerOf);
  expect(view).toMatchObject({
    RootRotationInProgress: true,
    TLSInfo: { TrustRoot: 'PEM', CertIssuerPublicKey: 'key of NEW-PEM' },
  });
  expect(JSON.stringify(view)).not.toContain('SECRET');
});

test('how many tasks run and are wanted', () => {
  const tasks = [
    aTask(),
    aTask({ status: { state: 'starting', at: wall, message: '' } }),
    aTask({ desired: 'shutdown', status: { state: 'failed', at: wall, message: '' } }),
  ];
  const replicated = aService({ spec: spec({ Mode: { Replicated: { Replicas: 5 } } }) });
  const global = aService({ spec: spec({ Mode: { Global: {} } }) });
  expect(serviceStatus(replicated, tasks)).toEqual({
    RunningTasks: 1,
    DesiredTasks: 5,
    CompletedTasks: 0,
  });
  expect(serviceStatus(global, tasks)).toMatchObject({ RunningTasks: 1, DesiredTasks: 2 });
});

test('a running task as dockerd shows it', () => {
  expect(shape(taskView(aTask()))).toEqual({
    ID: taskId,
    ...meta,
    Labels: {},
    Spec: { ContainerSpec: { Image: 'natswarm-web:1', Isolation: 'default' }, ForceUpdate: 0 },
    ServiceID: serviceId,
    Slot: 1,
    NodeID: nodeId,
    Status: {
      Timestamp: time,
      State: 'running',
      Message: 'started',
      ContainerStatus: { ContainerID: 'c1', PID: 42, ExitCode: 0 },
      PortStatus: {},
    },
    DesiredState: 'running',
    Volumes: null,
  });
});

test('a task without node, slot or container has none of their fields', () => {
  const status = { state: 'pending', at: wall, message: '', err: 'no suitable node' } as const;
  const view = shape(taskView(aTask({ nodeId: '', slot: 0, status })));
  expect(view).not.toHaveProperty('NodeID');
  expect(view).not.toHaveProperty('Slot');
  expect(view).toHaveProperty('Status', {
    Timestamp: time,
    State: 'pending',
    Err: 'no suitable node',
    PortStatus: {},
  });
});

test('a task that ended without a container has an empty one', () => {
  const status = {
    state: 'rejected',
    at: wall,
    message: 'preparing',
    err: 'No such image',
  } as const;
  expect(shape(taskView(aTask({ status })))).toMatchObject({
    Status: { ContainerStatus: { ContainerID: '', PID: 0, ExitCode: 0 } },
  });
});

test('a manager node as dockerd shows it', () => {
  const view = shape(nodeView(aNode(), nodeId));
  expect(view).toEqual({
    ID: nodeId,
    ...meta,
    Spec: { Labels: { zone: 'a' }, Role: 'manager', Availability: 'active' },
    Description: {
      Hostname: 'host1',
      Platform: { Architecture: 'x86_64', OS: 'linux' },
      Resources: { NanoCPUs: 2e9, MemoryBytes: 4e9 },
      Engine: {
        EngineVersion: '28.5.2',
        Labels: { disk: 'ssd' },
        Plugins: [
          { Type: 'Log', Name: 'json-file' },
          { Type: 'Volume', Name: 'local' },
        ],
      },
      TLSInfo: {
        TrustRoot: 'PEM',
        CertIssuerSubject: 'c3ViamVjdA==',
        CertIssuerPublicKey: 'a2V5',
      },
    },
    Status: { State: 'ready', Addr: '10.0.0.1' },
    ManagerStatus: { Leader: true, Reachability: 'reachable', Addr: '10.0.0.1:2377' },
  });
  expect(shape(nodeView(aNode(), ''))).not.toHaveProperty('ManagerStatus.Leader');
});

test('a node that has told nothing yet has an empty description', () => {
  const { description: _d, manager: _m, ...bare } = aNode();
  expect(shape(nodeView(bare satisfies Node, nodeId))).toMatchObject({
    Description: { Platform: {}, Resources: {}, Engine: {}, TLSInfo: {} },
  });
  expect(shape(nodeView(bare, nodeId))).not.toHaveProperty('ManagerStatus');
});

test('the swarm as dockerd shows it', () => {
  expect(shape(swarmView(aCluster(), tlsInfo))).toEqual({
    ID: aCluster().id,
    ...meta,
    Spec: {
      Name: 'default',
      Labels: {},
      Orchestration: { TaskHistoryRetentionLimit: 5 },
      Raft: {
        SnapshotInterval: 10000,
        KeepOldSnapshots: 0,
        LogEntriesForSlowFollowers: 500,
        ElectionTick: 10,
        HeartbeatTick: 1,
      },
      Dispatcher: { HeartbeatPeriod: 5e9 },
      CAConfig: { NodeCertExpiry: 7776e12 },
      TaskDefaults: {},
      EncryptionConfig: { AutoLockManagers: false },
    },
    TLSInfo: tlsInfo('PEM'),
    RootRotationInProgress: false,
    DefaultAddrPool: ['10.0.0.0/8'],
    SubnetSize: 24,
    DataPathPort: 4789,
    JoinTokens: { Worker: 'W', Manager: 'M' },
  });
});

test('the swarm part of /info', () => {
  const swarm = new FakeSwarm();
  const active = swarmInfo(swarm.local(), swarm.store, tlsInfo);
  expect(active).toMatchObject({
    NodeID: nodeId,
    LocalNodeState: 'active',
    ControlAvailable: true,
    RemoteManagers: [{ NodeID: nodeId, Addr: '10.0.0.1:2377' }],
    Nodes: 1,
    Managers: 1,
    Cluster: { ID: aCluster().id },
  });
  expect(active).not.toHaveProperty('Cluster.JoinTokens');
  expect(swarmInfo(swarm.local(), { error: 'no leader' }, tlsInfo)).toMatchObject({
    Error: 'no leader',
    ControlAvailable: true,
  });
  swarm.state = 'inactive';
  expect(swarmInfo(swarm.local(), undefined, tlsInfo)).toEqual({
    NodeID: '',
    NodeAddr: '',
    LocalNodeState: 'inactive',
    ControlAvailable: false,
    Error: '',
    RemoteManagers: null,
  });
});

test('two managers are warned of, in both places', () => {
  const swarm = new FakeSwarm({ node: [aNode(), aNode({ id: 'n2'.padEnd(25, '0') })] });
  const info = swarmInfo(swarm.local(), swarm.store, tlsInfo);
  const merged = shape(mergeInfo({ ID: 'x', Warnings: ['first'] }, info));
  expect(merged).toMatchObject({
    ID: 'x',
    Swarm: { Managers: 2, Warnings: [expect.stringContaining('two-manager')] },
    Warnings: ['first', expect.stringContaining('two-manager')],
  });
  expect(mergeInfo({ Warnings: null }, info)).toMatchObject({
    Warnings: [expect.stringContaining('two-manager')],
  });
});

test('the header of a ping', () => {
  const swarm = new FakeSwarm();
  expect(swarmHeader(swarm.local())).toBe('active/manager');
  expect(swarmHeader({ ...swarm.local(), manager: false })).toBe('active/worker');
  expect(swarmHeader({ ...swarm.local(), state: 'locked' })).toBe('locked');
});

test('an update under way says what it waits for; a node without another message why it gets nothing', () => {
  const updateStatus = {
    state: 'updating',
    message: 'update in progress',
    startedAt: wall,
  } as const;
  const paused = { ...updateStatus, state: 'paused', message: 'update paused' } as const;
  const why = ['waiting for the updated tasks to run (2)'];
  const shown = (status: typeof updateStatus | typeof paused) =>
    explainedService(serviceView({ ...aService(), updateStatus: status }), why);
  expect(shown(updateStatus)).toMatchObject({
    UpdateStatus: { Message: 'update in progress: waiting for the updated tasks to run (2)' },
    Reasons: why,
  });
  expect(shown(paused)).toMatchObject({ UpdateStatus: { Message: 'update paused' }, Reasons: why });
  expect(explainedService(serviceView(aService()), [])).toEqual(serviceView(aService()));
  const node = nodeView(aNode(), '');
  expect(explainedNode(node, ['no tasks: the node is drained'])).toMatchObject({
    Status: { State: 'ready', Message: 'no tasks: the node is drained' },
  });
  const told = { ...node, Status: { ...node.Status, Message: 'heartbeat failure' } };
  expect(explainedNode(told, ['no new tasks: the node is down'])).toMatchObject({
    Status: { Message: 'heartbeat failure' },
    Reasons: ['no new tasks: the node is down'],
  });
});
