import { expect, test } from '@jest/globals';
import { body, faultOf, serviceSpecFrom } from './helpers.ts';

/* Texts of the first two groups were taken from dockerd 28.5.2 in swarm mode. */

const port = (PublishedPort: number, PublishMode = 'host', Protocol = 'tcp') => ({
  TargetPort: 80,
  PublishedPort,
  PublishMode,
  Protocol,
});

const daemon: readonly [string, unknown][] = [
  ['mismatched Runtime and *Spec fields', null],
  ['mismatched Runtime and *Spec fields', { TaskTemplate: { Runtime: 'plugin' } }],
  ['unsupported runtime', body({}, { Runtime: 'attachment' })],
  ['unsupported runtime', body({}, { Runtime: 'x' })],
  [
    'plugins must not use replicated mode',
    { TaskTemplate: { Runtime: 'plugin', PluginSpec: {} }, Mode: { Replicated: {} } },
  ],
  ['invalid MountType: "image"', body({ Mounts: [{ Type: 'image', Target: '/a' }] })],
  ['invalid MountType: "a\\"b"', body({ Mounts: [{ Type: 'a"b' }] })],
  ['invalid MountPropagation: "x"', body({ Mounts: [{ BindOptions: { Propagation: 'x' } }] })],
  ['invalid RestartCondition: "ANY"', body({}, { RestartPolicy: { Condition: 'ANY' } })],
  ['unrecognized update failure action x', body({}, {}, { UpdateConfig: { FailureAction: 'x' } })],
  ['unrecognized update order x', body({}, {}, { RollbackConfig: { Order: 'x' } })],
  ['invalid resolution mode: "VIP"', body({}, {}, { EndpointSpec: { Mode: 'VIP' } })],
  [
    'a service can use only one of the networks host and bridge',
    body({}, { Networks: [{ Target: 'host' }, { Target: 'bridge' }] }),
  ],
  ['must specify only one service mode', body({}, {}, { Mode: { Replicated: {}, Global: {} } })],
  ['must specify only one service mode', body({}, {}, { Mode: { GlobalJob: {}, Replicated: {} } })],
];

const manager: readonly [string, unknown][] = [
  ['name must be valid as a DNS name component', body({}, {}, { Name: '-' })],
  ['name must be valid as a DNS name component', body({}, {}, { Name: 'a.b' })],
  ['name must be valid as a DNS name component', body({}, {}, { Name: 'a\n' })],
  ['name must be valid as a DNS name component', body({}, {}, { Name: `${'x'.repeat(64)}-` })],
  ['name must be 63 characters or fewer', body({}, {}, { Name: 'x'.repeat(64) })],
  [
    'invalid cpu value 0.0005: Must be at least 0.001',
    body({}, { Resources: { Limits: { NanoCPUs: 500_000 } } }),
  ],
  [
    'invalid cpu value 9.9999e-05: Must be at least 0.001',
    body({}, { Resources: { Limits: { NanoCPUs: 99_999 } } }),
  ],
  [
    'invalid cpu value -5e+09: Must be at least 0.001',
    body({}, { Resources: { Reservations: { NanoCPUs: -5e18 } } }),
  ],
  [
    'invalid memory value 1: Must be at least 4MiB',
    body({}, { Resources: { Limits: { MemoryBytes: 1 } } }),
  ],
  [
    'TaskSpec: restart-delay cannot be negative',
    body({}, { RestartPolicy: { Delay: -1, Window: -1 } }),
  ],
  ['TaskSpec: restart-window cannot be negative', body({}, { RestartPolicy: { Window: -1 } })],
  ['ContainerSpec: image reference must be provided', body({ Image: '' })],
  ['ContainerSpec: "X" is not a valid repository/tag', body({ Image: 'X' })],
  ['ContainerSpec: "q\\"q\\n" is not a valid repository/tag', body({ Image: 'q"q\n' })],
  [
    'ContainerSpec: duplicate mount point: /a',
    body({ Mounts: [{ Target: '/a' }, { Target: '/a' }] }),
  ],
  [
    'ContainerSpec: duplicate mount point: 1',
    body({ Mounts: [{ Target: '{{.Task.Slot}}' }, { Target: '1' }] }),
  ],
  [
    'ContainerSpec: Interval in HealthConfig cannot be less than 1ms',
    body({ Healthcheck: { Interval: 1, Retries: -1 } }),
  ],
  [
    'ContainerSpec: Timeout in HealthConfig cannot be less than 1ms',
    body({ Healthcheck: { Timeout: -1 } }),
  ],
  [
    'ContainerSpec: StartPeriod in HealthConfig cannot be less than 1ms',
    body({ Healthcheck: { StartPeriod: 1 } }),
  ],
  [
    'ContainerSpec: StartInterval in HealthConfig cannot be less than 1ms',
    body({ Healthcheck: { StartInterval: 1 } }),
  ],
  [
    'ContainerSpec: Retries in HealthConfig cannot be negative',
    body({ Healthcheck: { Retries: -1 } }),
  ],
  [
    'Number of replicas must be non-negative',
    body({}, {}, { Mode: { Replicated: { Replicas: 2 ** 63 } } }),
  ],
  ['TaskSpec: update-delay cannot be negative', body({}, {}, { UpdateConfig: { Delay: -1 } })],
  ['TaskSpec: update-monitor cannot be negative', body({}, {}, { UpdateConfig: { Monitor: -1 } })],
  [
    'TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1',
    body({}, {}, { UpdateConfig: { MaxFailureRatio: 1.1 } }),
  ],
  [
    "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
    body({}, {}, { EndpointSpec: { Mode: 'dnsrr', Ports: [{ TargetPort: 80 }] } }),
  ],
  [
    'EndpointSpec: duplicate published ports provided',
    body({}, {}, { EndpointSpec: { Ports: [port(80, 'ingress'), port(80)] } }),
  ],
  [
    'expanding mounts failed: expanding mount source "{{.Foo}}": template: expansion:1:2: executing "expansion" at <.Foo>: can\'t evaluate field Foo in type *template.Context',
    body({ Mounts: [{ Source: '{{.Foo}}', Target: '/a' }] }),
  ],
  [
    'expanding mounts failed: expanding mount target "{{": template: expansion:1: unclosed action',
    body({ Mounts: [{ Source: '/a', Target: '{{' }] }),
  ],
  [
    'expanding mounts failed: expanding volume labels: expanding map entry "a"="{{": template: expansion:1: unclosed action',
    body({ Mounts: [{ Type: 'volume', Target: '/a', VolumeOptions: { Labels: { a: '{{' } } }] }),
  ],
  [
    'expanding mounts failed: expanding volume driver config: expanding map entry "a"="{{": template: expansion:1: unclosed action',
    body({
      Mounts: [{ Target: '/a', VolumeOptions: { DriverConfig: { Options: { a: '{{' } } } }],
    }),
  ],
  ['expanding hostname failed: template: expansion:1: unclosed action', body({ Hostname: '{{' })],
  // natswarm's own limit
  [
    'Number of replicas must be at most 100000',
    body({}, {}, { Mode: { Replicated: { Replicas: 1e6 } } }),
  ],
];

const reference = {
  File: { Name: 'a' },
  SecretID: 'a',
  SecretName: 'b',
  ConfigID: 'a',
  ConfigName: 'b',
};
const unsupported: readonly [string, unknown][] = [
  ['services of runtime "plugin"', { TaskTemplate: { Runtime: 'plugin', PluginSpec: {} } }],
  ['jobs (modes replicated-job and global-job)', body({}, {}, { Mode: { ReplicatedJob: {} } })],
  ['jobs (modes replicated-job and global-job)', body({}, {}, { Mode: { GlobalJob: {} } })],
  ['network "overlay1": networks of the swarm', body({}, { Networks: [{ Target: 'overlay1' }] })],
  ['network "x": networks of the swarm', body({}, {}, { Networks: [{ Target: 'x' }] })],
  ['secrets', body({ Secrets: [reference] })],
  ['configs', body({ Configs: [reference] })],
  ['credential specs (Windows)', body({ Privileges: { CredentialSpec: { File: 'x' } } })],
  ['mounts of type cluster', body({ Mounts: [{ Type: 'cluster', Source: 'x', Target: '/a' }] })],
];

const told = (input: unknown): string => faultOf(() => serviceSpecFrom(input));

test.each(daemon)('%s', (text, input) => {
  expect(told(input)).toBe(`daemon InvalidArgument: ${text}`);
});

test.each(manager)('%s', (text, input) => {
  expect(told(input)).toBe(`InvalidArgument: ${text}`);
});

test('constraints have the code of Swarm', () => {
  expect(told(body({}, { Placement: { Constraints: ['x'] } }))).toBe(
    'Unknown: constraint expected one operator from ==, !=',
  );
});

test.each(unsupported)('not yet: %s', (what, input) => {
  const text = told(input);
  expect(text).toMatch(/^Unimplemented: .* (is|are) not supported by this version of natswarm yet/);
  expect(text).toContain(what);
});

test('a port of the routing mesh is refused with what to do instead', () => {
  const mesh = { Ports: [{ TargetPort: 80, PublishedPort: 8080 }] };
  expect(told(body({}, {}, { EndpointSpec: mesh }))).toBe(
    'Unimplemented: port 80/tcp: publish mode "ingress" (routing mesh) is not supported by this version of natswarm yet; publish it on the nodes that run the tasks with mode=host: --publish mode=host,published=8080,target=80,protocol=tcp',
  );
});
