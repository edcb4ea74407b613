// Stored objects that are not of their form: shown as far as they can be, in JSON that Docker's clients read.

import { expect, test } from '@jest/globals';
import { swarmInfo } from '../../../api/view/info.ts';
import { swarmView } from '../../../api/view/cluster.ts';
import { nodeView } from '../../../api/view/node.ts';
import { modeOf, serviceStatus, serviceView } from '../../../api/view/service.ts';
import { taskView } from '../../../api/view/task.ts';
import type { Cluster, Node, Service, Task } from '../../../domain/model/objects.ts';
import { Store } from '../../../domain/store/store.ts';
import {
  aCluster,
  aNode,
  aService,
  aTask,
  FakeSwarm,
  nodeId,
  spec,
  tlsInfo,
  wall,
} from '../../support/api.ts';
import { randomOf } from '../orchestrate/world.ts';

/** What Go's json reads into a field: null and what is missing into any. */
type Form =
  | 'text'
  | 'int'
  | 'count'
  | 'bool'
  | 'float'
  | 'time'
  | 'bytes'
  | 'map'
  | [Form]
  | { [key: string]: Form };

const sized = (value: unknown, least: bigint, most: bigint): boolean =>
  typeof value === 'number' &&
  Number.isInteger(value) &&
  /^-?\d+$/.test(JSON.stringify(value)) &&
  BigInt(JSON.stringify(value)) >= least &&
  BigInt(JSON.stringify(value)) <= most;
const isText = (value: unknown) => typeof value === 'string';
const plain: Record<string, (value: unknown) => boolean> = {
  text: isText,
  int: (value) => sized(value, -(2n ** 63n), 2n ** 63n - 1n),
  count: (value) => sized(value, 0n, 2n ** 64n - 1n),
  bool: (value) => typeof value === 'boolean',
  float: (value) => typeof value === 'number',
  time: (value) => isText(value) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(String(value)),
  bytes: (value) =>
    isText(value) && Buffer.from(String(value), 'base64').toString('base64') === value,
  map: (value) =>
    typeof value === 'object' && !Array.isArray(value) && Object.values(value ?? {}).every(isText),
};

/** The first part that Go would refuse. */
function refused(value: unknown, form: Form, path = ''): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof form === 'string')
    return plain[form]?.(value) === true
      ? undefined
      : `${path}: ${JSON.stringify(value)} is no ${form}`;
  if (typeof value !== 'object' || Array.isArray(value) !== Array.isArray(form))
    return `${path} is of another kind`;
  const parts = Array.isArray(form)
    ? (value as unknown[]).map((item, i) => refused(item, form[0], `${path}[${i}]`))
    : Object.entries(form).map(([key, part]) =>
        refused((value as Record<string, unknown>)[key], part, `${path}.${key}`),
      );
  return parts.find((part) => part !== undefined);
}

const meta: Record<string, Form> = {
  ID: 'text',
  Version: { Index: 'count' },
  CreatedAt: 'time',
  UpdatedAt: 'time',
};
const generic: Form = [
  {
    NamedResourceSpec: { Kind: 'text', Value: 'text' },
    DiscreteResourceSpec: { Kind: 'text', Value: 'int' },
  },
];
const port: Form = {
  Name: 'text',
  Protocol: 'text',
  TargetPort: 'count',
  PublishedPort: 'count',
  PublishMode: 'text',
};
const tls: Form = { TrustRoot: 'text', CertIssuerSubject: 'bytes', CertIssuerPublicKey: 'bytes' };
const node: Form = {
  ...meta,
  Spec: { Name: 'text', Labels: 'map', Role: 'text', Availability: 'text' },
  Description: {
    Hostname: 'text',
    Platform: { Architecture: 'text', OS: 'text' },
    Resources: { NanoCPUs: 'int', MemoryBytes: 'int', GenericResources: generic },
    Engine: { EngineVersion: 'text', Labels: 'map', Plugins: [{ Type: 'text', Name: 'text' }] },
    TLSInfo: tls,
  },
  Status: { State: 'text', Message: 'text', Addr: 'text' },
  ManagerStatus: { Leader: 'bool', Reachability: 'text', Addr: 'text' },
};
const taskSpec: Form = {
  ContainerSpec: {
    Image: 'text',
    Labels: 'map',
    Command: ['text'],
    Args: ['text'],
    Env: ['text'],
    Mounts: [{ Type: 'text', Source: 'text', Target: 'text', ReadOnly: 'bool' }],
    StopGracePeriod: 'int',
    Healthcheck: { Test: ['text'], Interval: 'int', Retries: 'int' },
    DNSConfig: { Nameservers: ['text'], Search: ['text'], Options: ['text'] },
    Init: 'bool',
    Isolation: 'text',
  },
  Resources: {
    Limits: { NanoCPUs: 'int', MemoryBytes: 'int', Pids: 'int' },
    Reservations: { NanoCPUs: 'int', MemoryBytes: 'int', GenericResources: generic },
  },
  RestartPolicy: { Condition: 'text', Delay: 'int', MaxAttempts: 'count', Window: 'int' },
  Placement: {
    Constraints: ['text'],
    Preferences: [{ Spread: { SpreadDescriptor: 'text' } }],
    MaxReplicas: 'count',
    Platforms: [{ Architecture: 'text', OS: 'text' }],
  },
  Networks: [{ Target: 'text', Aliases: ['text'], DriverOpts: 'map' }],
  LogDriver: { Name: 'text', Options: 'map' },
  ForceUpdate: 'count',
  Runtime: 'text',
};
const update: Form = {
  Parallelism: 'count',
  Delay: 'int',
  FailureAction: 'text',
  Monitor: 'int',
  MaxFailureRatio: 'float',
  Order: 'text',
};
const serviceSpec: Form = {
  Name: 'text',
  Labels: 'map',
  TaskTemplate: taskSpec,
  Mode: { Replicated: { Replicas: 'count' }, Global: {} },
  UpdateConfig: update,
  RollbackConfig: update,
  EndpointSpec: { Mode: 'text', Ports: [port] },
};
const service: Form = {
  ...meta,
  Spec: serviceSpec,
  PreviousSpec: serviceSpec,
  Endpoint: {
    Spec: { Mode: 'text', Ports: [port] },
    Ports: [port],
    VirtualIPs: [{ NetworkID: 'text' }],
  },
  UpdateStatus: { State: 'text', StartedAt: 'time', CompletedAt: 'time', Message: 'text' },
};
const task: Form = {
  ...meta,
  Labels: 'map',
  Spec: taskSpec,
  ServiceID: 'text',
  Slot: 'int',
  NodeID: 'text',
  Status: {
    Timestamp: 'time',
    State: 'text',
    Message: 'text',
    Err: 'text',
    ContainerStatus: { ContainerID: 'text', PID: 'int', ExitCode: 'int' },
    PortStatus: { Ports: [port] },
  },
  DesiredState: 'text',
};
const cluster: Form = {
  ...meta,
  Spec: {
    Name: 'text',
    Labels: 'map',
    Orchestration: { TaskHistoryRetentionLimit: 'int' },
    Raft: {
      SnapshotInterval: 'count',
      KeepOldSnapshots: 'count',
      LogEntriesForSlowFollowers: 'count',
      ElectionTick: 'int',
      HeartbeatTick: 'int',
    },
    Dispatcher: { HeartbeatPeriod: 'int' },
    CAConfig: {
      NodeCertExpiry: 'int',
      ExternalCAs: [{ Protocol: 'text', URL: 'text' }],
      ForceRotate: 'count',
    },
    EncryptionConfig: { AutoLockManagers: 'bool' },
  },
  TLSInfo: tls,
  RootRotationInProgress: 'bool',
  DefaultAddrPool: ['text'],
  SubnetSize: 'count',
  DataPathPort: 'count',
  JoinTokens: { Worker: 'text', Manager: 'text' },
};

const richSpec = () =>
  spec({
    Labels: { a: 'b' },
    EndpointSpec: {
      Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' }],
    },
    UpdateConfig: { Parallelism: 2, Delay: 1e9, MaxFailureRatio: 0.5 },
    TaskTemplate: {
      ContainerSpec: {
        Image: 'app:1',
        Env: ['A=b'],
        Args: ['x'],
        Labels: { c: 'd' },
        Mounts: [{ Type: 'volume', Source: 's', Target: '/t' }],
        StopGracePeriod: 1e9,
        DNSConfig: { Nameservers: ['1.1.1.1'] },
        Healthcheck: { Test: ['CMD'], Interval: 1e9 },
      },
      Resources: { Limits: { NanoCPUs: 1e9 }, Reservations: { MemoryBytes: 1e9 } },
      RestartPolicy: { Condition: 'any', Delay: 1e9, MaxAttempts: 3 },
      Placement: {
        Constraints: ['node.role==worker'],
        Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.a' } }],
      },
      Networks: [{ Target: 'host' }],
      LogDriver: { Name: 'json-file', Options: { 'max-size': '1m' } },
    },
  });
const rich = {
  node: () =>
    aNode({
      description: {
        ...aNode().description,
        resources: {
          nanoCpus: 2e9,
          memoryBytes: 4e9,
          generic: [{ NamedResourceSpec: { Kind: 'gpu', Value: 'a' } }],
        },
      } as NonNullable<Node['description']>,
    }),
  service: () =>
    aService({
      spec: richSpec(),
      previousSpec: richSpec(),
      updateStatus: { state: 'completed', message: 'done', startedAt: wall, completedAt: wall },
    }),
  task: () =>
    aTask({
      spec: richSpec().TaskTemplate,
      status: {
        ...aTask().status,
        err: 'no',
        ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' }],
      },
    }),
  cluster: (): Cluster => aCluster(),
};

const shownAs: { [K in keyof typeof rich]: { form: Form; views: (object: never) => unknown[] } } = {
  node: { form: node, views: (object: Node) => [nodeView(object, nodeId), nodeView(object, '')] },
  service: {
    form: service,
    views: (object: Service) => {
      modeOf(object);
      serviceStatus(object, [aTask()]);
      return [serviceView(object), serviceView(object, true)];
    },
  },
  task: {
    form: task,
    views: (object: Task) => {
      serviceStatus(aService(), [object]);
      return [taskView(object)];
    },
  },
  cluster: {
    form: cluster,
    views: (object: Cluster) => {
      const store = Store.load(1, { cluster: [object], node: [aNode()], service: [], task: [] });
      const info = swarmInfo(new FakeSwarm().local(), store, tlsInfo) as { Cluster?: unknown };
      return [swarmView(object, tlsInfo), info.Cluster];
    },
  },
};

const junk: readonly unknown[] = [
  null,
  undefined,
  5,
  -1,
  0.5,
  1e300,
  -1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 64,
  10n,
  'x',
  '',
  '\u001b[2J',
  true,
  [],
  [null],
  ['x'],
  [[]],
  {},
  { a: 1 },
  { a: { b: 1 } },
  { length: 9 },
  { __proto__: null },
];

/** One part of `value` is something else. */
function spoiled(value: unknown, random: () => number): unknown {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (entries.length === 0 || random() < 0.1) return junk[Math.floor(random() * junk.length)];
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<
    string,
    unknown
  >;
  const [key = '', part] = entries[Math.floor(random() * entries.length)] ?? [];
  if (random() < 0.1) delete copy[key];
  else copy[key] = spoiled(part, random);
  return copy;
}

test.each(Object.keys(rich) as (keyof typeof rich)[])(
  'whatever one %s has become, it is shown, and in types that clients read',
  (kind) => {
    const { form, views } = shownAs[kind];
    for (const view of views(rich[kind]() as never))
      expect(refused(JSON.parse(JSON.stringify(view)), form)).toBeUndefined();
    for (let seed = 1; seed <= 3_000; seed++) {
      const random = randomOf(seed);
      const { id, ...object } = rich[kind]();
      let odd: unknown = object;
      for (let i = 0; i <= random() * 3; i++) odd = spoiled(odd, random);
      if (typeof odd !== 'object' || odd === null) continue;
      for (const view of views({ id, ...odd } as never)) {
        const json = JSON.parse(JSON.stringify(view)) as { readonly ID: string };
        const found = refused(json, form);
        if (found !== undefined || json.ID !== id) throw new Error(`seed ${seed}: ${found}`);
      }
    }
  },
);

const shape = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('what can be read of an odd object is shown as ever', () => {
  const whole = shape(nodeView(rich.node(), nodeId)) as {
    Description: { Engine: object; TLSInfo: object };
  };
  const description = {
    ...rich.node().description,
    engine: {
      version: 7,
      labels: { disk: 'ssd', a: { b: 1 } },
      plugins: [null, { type: 'Log', name: 'x' }],
    },
    tls: { trustRoot: 'PEM', issuerSubject: 'not base64', issuerPublicKey: 'a2V5' },
  };
  expect(shape(nodeView(aNode({ description: description as never }), nodeId))).toEqual({
    ...whole,
    Description: {
      ...whole.Description,
      Engine: {
        Labels: { disk: 'ssd' },
        Plugins: [
          { Type: '', Name: '' },
          { Type: 'Log', Name: 'x' },
        ],
      },
      TLSInfo: { TrustRoot: 'PEM', CertIssuerSubject: '', CertIssuerPublicKey: 'a2V5' },
    },
  });
  const status = { ...rich.task().status, at: 1e300 };
  expect(shape(taskView({ ...rich.task(), status }))).toEqual({
    ...(shape(taskView(rich.task())) as object),
    Status: {
      ...(shape(taskView(rich.task())) as { Status: object }).Status,
      Timestamp: '0001-01-01T00:00:00Z',
    },
  });
});

test('clients look at the image and at the number of replicas without a check', () => {
  const odd = { ...richSpec(), Mode: { Replicated: { Replicas: 'x' } }, TaskTemplate: 5 } as never;
  expect(shape(serviceView(aService({ spec: odd })))).toMatchObject({
    Spec: {
      Name: 'web',
      Mode: { Replicated: { Replicas: 1 } },
      TaskTemplate: { ContainerSpec: { Image: '' } },
    },
  });
  expect(shape(taskView(aTask({ spec: null as never })))).toMatchObject({
    Spec: { ContainerSpec: { Image: '' } },
  });
});
