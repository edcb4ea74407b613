import { expect, test } from '@jest/globals';
import { insertDefaults } from '../../../domain/spec/defaults.ts';
import { body, faultOf, serviceSpecFrom as specOf } from './helpers.ts';

/** The form in which dockerd 28.5.2 gives back a service that was created with a name and an image only. */
const minimal = {
  Name: 'web',
  Labels: {},
  TaskTemplate: {
    ContainerSpec: { Image: 'nginx', Isolation: 'default' },
    ForceUpdate: 0,
    Runtime: 'container',
  },
  Mode: { Replicated: { Replicas: 1 } },
};

test('a minimal spec', () => {
  expect(JSON.stringify(specOf(body()))).toBe(JSON.stringify(minimal));
});

test('a canonical spec stays as it is', () => {
  const once = specOf(body({ Privileges: {}, Mounts: [{ Target: '/a' }] }, { RestartPolicy: {} }));
  expect(JSON.stringify(specOf(once))).toBe(JSON.stringify(once));
});

test('a service without a name gets a drawn one', () => {
  expect(specOf(body({}, {}, { Name: undefined })).Name).toBe('drawn_name');
});

test('empty groups become what a round trip through Swarm makes of them', () => {
  const spec = specOf(
    body(
      JSON.parse(
        '{"DNSConfig":{},"Healthcheck":{},"Privileges":{},"Labels":{},"Env":[],"Init":false,"StopGracePeriod":0,"Mounts":[],"Secrets":[],"Configs":[],"Ulimits":[],"Sysctls":{}}',
      ),
      JSON.parse(
        '{"Resources":{"Limits":{},"Reservations":{}},"RestartPolicy":{},"Placement":{},"Networks":[],"ForceUpdate":0,"Runtime":"container"}',
      ),
      JSON.parse(
        '{"Labels":null,"UpdateConfig":{},"RollbackConfig":{},"EndpointSpec":{},"Mode":{"Replicated":{"Replicas":0}}}',
      ),
    ),
  );
  const update = {
    Parallelism: 0,
    FailureAction: 'pause',
    MaxFailureRatio: 0,
    Order: 'stop-first',
  };
  expect(spec).toStrictEqual({
    Name: 'web',
    Labels: {},
    TaskTemplate: {
      ContainerSpec: {
        Image: 'nginx',
        Privileges: { CredentialSpec: null, SELinuxContext: null, NoNewPrivileges: false },
        Init: false,
        StopGracePeriod: 0,
        Healthcheck: {},
        DNSConfig: {},
        Isolation: 'default',
      },
      Resources: { Limits: {}, Reservations: {} },
      RestartPolicy: { Condition: 'any', MaxAttempts: 0 },
      Placement: {},
      ForceUpdate: 0,
      Runtime: 'container',
    },
    Mode: { Replicated: { Replicas: 0 } },
    UpdateConfig: update,
    RollbackConfig: update,
    EndpointSpec: { Mode: 'vip' },
  });
});

test('mounts', () => {
  const { Mounts } = specOf(
    body({
      Mounts: [
        {
          Source: '/a',
          Target: '/b',
          BindOptions: { Propagation: 'RSHARED', CreateMountpoint: true },
        },
        { Type: 'VOLUME', Target: '/c', Consistency: 'cached', VolumeOptions: {} },
        { Type: 'tmpfs', Target: '/d', TmpfsOptions: { Mode: 511, Options: [['noexec']] } },
        { Type: 'volume', Source: 'v', Target: '/e', VolumeOptions: { DriverConfig: {} } },
        { Type: 'bind', Source: '/q', Target: '/g', BindOptions: {} },
        { Type: 'bind', Source: '/q', Target: '/h', BindOptions: { NonRecursive: true } },
        { Type: 'volume', Source: 'v-{{.Task.Slot}}', Target: '/i', ReadOnly: true },
      ],
    }),
  ).TaskTemplate.ContainerSpec;
  expect(Mounts).toStrictEqual([
    { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { Propagation: 'rshared' } },
    { Type: 'volume', Target: '/c', VolumeOptions: {} },
    { Type: 'tmpfs', Target: '/d', TmpfsOptions: { Mode: 511, Options: [['noexec']] } },
    { Type: 'volume', Source: 'v', Target: '/e', VolumeOptions: { DriverConfig: {} } },
    { Type: 'bind', Source: '/q', Target: '/g' },
    {
      Type: 'bind',
      Source: '/q',
      Target: '/h',
      BindOptions: { Propagation: 'rprivate', NonRecursive: true },
    },
    { Type: 'volume', Source: 'v-{{.Task.Slot}}', Target: '/i', ReadOnly: true },
  ]);
});

test('privileges, isolation, health check, ulimits', () => {
  const { ContainerSpec } = specOf(
    body({
      Isolation: 'HYPERV',
      Privileges: {
        Seccomp: { Mode: 'nonsense', Profile: 'e3\n0=' },
        AppArmor: { Mode: 'disabled' },
        SELinuxContext: { Disable: true },
      },
      Healthcheck: { Test: ['NONE'], Interval: 1e6, Retries: 2 ** 32 + 1 },
      Ulimits: [{ Name: 'nofile', Soft: 1, Hard: -1 }],
    }),
  ).TaskTemplate;
  expect(ContainerSpec).toMatchObject({
    Isolation: 'hyperv',
    Privileges: {
      CredentialSpec: null,
      SELinuxContext: { Disable: true, User: '', Role: '', Type: '', Level: '' },
      Seccomp: { Mode: 'default', Profile: 'e30=' },
      AppArmor: { Mode: 'disabled' },
      NoNewPrivileges: false,
    },
    Healthcheck: { Test: ['NONE'], Interval: 1e6, Retries: 1 },
    Ulimits: [{ Name: 'nofile', Hard: -1, Soft: 1 }],
  });
});

test('resources, restart policy, placement, update configuration', () => {
  const spec = specOf(
    body(
      {},
      {
        Resources: {
          Limits: { Pids: 5 },
          Reservations: {
            GenericResources: [
              { DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } },
              { NamedResourceSpec: { Kind: 'n', Value: 'v' } },
              {},
            ],
          },
        },
        RestartPolicy: { Condition: 'none', Delay: 0, MaxAttempts: 2, Window: 0 },
        Placement: {
          Constraints: ['node.role == manager'],
          Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.x' } }, {}],
          MaxReplicas: 2,
          Platforms: [{ Architecture: 'amd64', OS: 'linux' }],
        },
      },
      {
        UpdateConfig: { Parallelism: 2, Delay: 5, Monitor: 0, MaxFailureRatio: 0.3 },
        RollbackConfig: { Monitor: 7, FailureAction: 'rollback', Order: 'start-first' },
      },
    ),
  );
  expect(spec.TaskTemplate).toMatchObject({
    Resources: {
      Limits: { Pids: 5 },
      Reservations: {
        GenericResources: [
          { DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } },
          { NamedResourceSpec: { Kind: 'n', Value: 'v' } },
        ],
      },
    },
    RestartPolicy: { Condition: 'none', Delay: 0, MaxAttempts: 2, Window: 0 },
    Placement: { Preferences: [{ Spread: { SpreadDescriptor: 'node.labels.x' } }], MaxReplicas: 2 },
  });
  expect(spec.UpdateConfig).toStrictEqual({
    Parallelism: 2,
    Delay: 5,
    FailureAction: 'pause',
    MaxFailureRatio: 0.3,
    Order: 'stop-first',
  });
  expect(spec.RollbackConfig).toMatchObject({ FailureAction: 'rollback', Monitor: 7 });
});

test('ports and modes', () => {
  const spec = specOf(
    body(
      {},
      {},
      {
        Mode: { Global: {} },
        EndpointSpec: {
          Mode: 'dnsrr',
          Ports: [
            { Name: 'n', Protocol: 'UDP', TargetPort: 53, PublishedPort: 0, PublishMode: 'HOST' },
            { Protocol: 'nonsense', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' },
          ],
        },
      },
    ),
  );
  expect(spec.Mode).toStrictEqual({ Global: {} });
  expect(spec.EndpointSpec).toStrictEqual({
    Mode: 'dnsrr',
    Ports: [
      { Name: 'n', Protocol: 'udp', TargetPort: 53, PublishMode: 'host' },
      { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' },
    ],
  });
});

test('networks of the engine are kept by name, the deprecated place counts too', () => {
  const host = [{ Target: 'host' }];
  expect(specOf(body({}, { Networks: host })).TaskTemplate.Networks).toStrictEqual(host);
  expect(specOf(body({}, {}, { Networks: host })).TaskTemplate.Networks).toStrictEqual(host);
});

const rich = {
  Sysctls: { a: 'b' },
  CapabilityAdd: ['CAP_A'],
  CapabilityDrop: ['CAP_B'],
  Ulimits: [{ Name: 'nofile' }],
  Healthcheck: { StartInterval: 1e6 },
  OomScoreAdj: 4,
  Privileges: { NoNewPrivileges: true, Seccomp: {}, AppArmor: {} },
  Mounts: [{ Type: 'tmpfs', Target: '/a', TmpfsOptions: { Options: [['a']] } }],
};
const since40 = ['Sysctls', 'MaxReplicas'];
const since41 = [...since40, 'CapabilityAdd', 'CapabilityDrop', 'Ulimits', 'Pids'];
const since44 = [...since41, 'StartInterval', 'Seccomp', 'AppArmor'];
const newer: readonly [string, readonly string[]][] = [
  ['1.39', []],
  ['1.40', since40],
  ['1.43', since41],
  ['1.44', since44],
];
test.each(newer)('a client of API %s loses the fields that it cannot mean', (version, kept) => {
  const input = body(rich, { Placement: { MaxReplicas: 3 }, Resources: { Limits: { Pids: 4 } } });
  const json = JSON.stringify(specOf(input, version));
  const gated = since44.filter((field) => json.includes(`"${field}"`));
  expect(gated).toStrictEqual(kept);
  expect(json).not.toMatch(/OomScoreAdj|Options":\[/);
  expect(json).toContain(`"NoNewPrivileges":${version === '1.44'}`);
});

test('modes of jobs mean nothing to old clients', () => {
  const job = body({}, {}, { Mode: { ReplicatedJob: {} } });
  expect(specOf(job, '1.40').Mode).toStrictEqual({ Replicated: { Replicas: 1 } });
});

test('defaults fill missing parts only', () => {
  const update = {
    Parallelism: 1,
    FailureAction: 'pause',
    Monitor: 5e9,
    MaxFailureRatio: 0,
    Order: 'stop-first',
  };
  expect(insertDefaults(specOf(body()))).toStrictEqual({
    ...minimal,
    TaskTemplate: {
      ...minimal.TaskTemplate,
      ContainerSpec: {
        ...minimal.TaskTemplate.ContainerSpec,
        StopGracePeriod: 10e9,
        DNSConfig: {},
      },
      Resources: {},
      RestartPolicy: { Condition: 'any', Delay: 5e9, MaxAttempts: 0 },
      Placement: {},
    },
    UpdateConfig: update,
    RollbackConfig: update,
  });
  const given = specOf(
    body(
      { StopGracePeriod: 0 },
      { RestartPolicy: { Condition: 'none', Delay: 0 } },
      { UpdateConfig: { Parallelism: 3, Monitor: 7 } },
    ),
  );
  expect(insertDefaults(given)).toMatchObject({
    TaskTemplate: {
      ContainerSpec: { StopGracePeriod: 0 },
      RestartPolicy: { Condition: 'none', Delay: 0 },
    },
    UpdateConfig: { Parallelism: 3, Monitor: 7 },
  });
});

test('of several mistakes the one that Docker finds first is told', () => {
  const input = {
    Name: '-',
    TaskTemplate: {
      ContainerSpec: { Image: '', Env: ['A={{'], Mounts: [{ Type: 'x' }] },
      RestartPolicy: { Condition: 'z' },
      Resources: { Limits: { NanoCPUs: 1 } },
    },
    UpdateConfig: { Order: 'z' },
    Mode: { Global: {}, Replicated: {} },
  };
  const fixes: readonly [(spec: typeof input) => void, string][] = [
    [
      (s) => s.TaskTemplate.ContainerSpec.Mounts.pop(),
      'daemon InvalidArgument: invalid MountType: "x"',
    ],
    [
      (s) => (s.TaskTemplate.RestartPolicy.Condition = ''),
      'daemon InvalidArgument: invalid RestartCondition: "z"',
    ],
    [(s) => (s.UpdateConfig.Order = ''), 'daemon InvalidArgument: unrecognized update order z'],
    [
      (s) => delete (s.Mode as Partial<typeof s.Mode>).Replicated,
      'daemon InvalidArgument: must specify only one service mode',
    ],
    [(s) => (s.Name = 'a'), 'InvalidArgument: name must be valid as a DNS name component'],
    [
      (s) => (s.TaskTemplate.Resources.Limits.NanoCPUs = 0),
      'InvalidArgument: invalid cpu value 1e-09: Must be at least 0.001',
    ],
    [
      (s) => s.TaskTemplate.ContainerSpec.Env.pop(),
      'InvalidArgument: expanding env failed: expanding env "A={{": template: expansion:1: unclosed action',
    ],
    [
      (s) => (s.TaskTemplate.ContainerSpec.Image = 'x'),
      'InvalidArgument: ContainerSpec: image reference must be provided',
    ],
  ];
  for (const [fix, text] of fixes) {
    expect(faultOf(() => specOf(input))).toBe(text);
    fix(input);
  }
  expect(faultOf(() => specOf(input))).toBe('no fault');
});
