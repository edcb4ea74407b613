import { describe, expect, test } from '@jest/globals';
import {
  containerName,
  createBody,
  hasTemplates,
  isPinned,
  stopGraceSeconds,
  withTag,
} from '../../../../actors/agent/adapters/docker-config.ts';
import { EngineError } from '../../../../actors/agent/ports.ts';
import type { ContainerSpec, Mount } from '../../../../domain/model/spec.ts';
import { taskOf } from './builders.ts';

const digest = `sha256:${'a'.repeat(64)}`;
/** As it goes over the wire. */
const bodyOf = (...args: Parameters<typeof createBody>): Record<string, unknown> =>
  JSON.parse(JSON.stringify(createBody(...args)));

test('names follow slots, or nodes for global services', () => {
  expect(containerName(taskOf())).toBe(`web.2.${taskOf().id}`);
  expect(containerName(taskOf({}, { slot: 0 }))).toBe(`web.node1.${taskOf().id}`);
});

test('a bare spec leaves everything to the image and the engine', () => {
  const name = containerName(taskOf());
  expect(bodyOf(taskOf())).toEqual({
    Image: 'web:1',
    Labels: {
      'com.docker.swarm.task': '',
      'com.docker.swarm.task.id': taskOf().id,
      'com.docker.swarm.task.name': name,
      'com.docker.swarm.node.id': 'node1',
      'com.docker.swarm.service.id': 'svc',
      'com.docker.swarm.service.name': 'web',
    },
    ExposedPorts: {},
    HostConfig: { RestartPolicy: { Name: 'no' }, PortBindings: {}, SecurityOpt: [] },
  });
});

test.each<[string, Partial<ContainerSpec>, object]>([
  ['env', { Env: ['A=1', 'B'] }, { Env: ['A=1', 'B'] }],
  ['command', { Command: ['sh'], Args: ['-c'] }, { Entrypoint: ['sh'], Cmd: ['-c'] }],
  ['args alone', { Command: [], Args: ['x'] }, { Cmd: ['x'] }],
  [
    'identity',
    { Hostname: 'h', User: 'u:g', Dir: '/d' },
    { Hostname: 'h', User: 'u:g', WorkingDir: '/d' },
  ],
  ['terminal', { TTY: true, OpenStdin: true }, { Tty: true, OpenStdin: true }],
  [
    'stop',
    { StopSignal: 'SIGINT', StopGracePeriod: 2_900_000_000 },
    { StopSignal: 'SIGINT', StopTimeout: 2 },
  ],
  [
    'health',
    { Healthcheck: { Test: ['NONE'], Retries: 2 } },
    { Healthcheck: { Test: ['NONE'], Retries: 2 } },
  ],
  ['image without tag', { Image: 'localhost:5000/web' }, { Image: 'localhost:5000/web:latest' }],
])('container: %s', (_, spec, expected) => {
  expect(bodyOf(taskOf(spec))).toMatchObject(expected);
});

test.each<[string, Partial<ContainerSpec>, object]>([
  ['groups', { Groups: ['g'] }, { GroupAdd: ['g'] }],
  ['read-only', { ReadOnly: true }, { ReadonlyRootfs: true }],
  ['init', { Init: false }, { Init: false }],
  ['sysctls', { Sysctls: { 'net.x': '1' } }, { Sysctls: { 'net.x': '1' } }],
  [
    'capabilities',
    { CapabilityAdd: ['A'], CapabilityDrop: ['B'] },
    { CapAdd: ['A'], CapDrop: ['B'] },
  ],
  [
    'ulimits',
    { Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }] },
    { Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }] },
  ],
  ['oom score', { OomScoreAdj: -5 }, { OomScoreAdj: -5 }],
  ['isolation', { Isolation: 'default' }, { Isolation: 'default' }],
  ['hosts', { Hosts: ['10.0.0.1 a b', '::1  c', 'junk'] }, { ExtraHosts: ['a:10.0.0.1', 'c:::1'] }],
  [
    'DNS',
    { DNSConfig: { Nameservers: ['1.1.1.1'], Search: ['x'], Options: ['ndots:1'] } },
    { Dns: ['1.1.1.1'], DnsSearch: ['x'], DnsOptions: ['ndots:1'] },
  ],
  [
    'no new privileges',
    { Privileges: { NoNewPrivileges: true } },
    { SecurityOpt: ['no-new-privileges=true'] },
  ],
  [
    'SELinux',
    {
      Privileges: {
        SELinuxContext: { Disable: false, User: 'u', Role: '', Type: 't', Level: 'l' },
      },
    },
    { SecurityOpt: ['label=user:u', 'label=type:t', 'label=level:l'] },
  ],
  [
    'SELinux off',
    { Privileges: { SELinuxContext: { Disable: true } } },
    { SecurityOpt: ['label=disable'] },
  ],
  [
    'profiles off',
    { Privileges: { Seccomp: { Mode: 'unconfined' }, AppArmor: { Mode: 'disabled' } } },
    { SecurityOpt: ['seccomp=unconfined', 'apparmor=unconfined'] },
  ],
  [
    'own seccomp profile',
    {
      Privileges: {
        Seccomp: { Mode: 'custom', Profile: Buffer.from('{"x":1}').toString('base64') },
      },
    },
    { SecurityOpt: ['seccomp={"x":1}'] },
  ],
  [
    'default profiles',
    { Privileges: { Seccomp: { Mode: 'default' }, AppArmor: { Mode: 'default' } } },
    { SecurityOpt: [] },
  ],
])('host: %s', (_, spec, expected) => {
  expect(bodyOf(taskOf(spec))['HostConfig']).toMatchObject(expected);
});

test("limits reach the container, reservations do not; so does the task's log driver", () => {
  const task = taskOf();
  const spec = {
    ...task.spec,
    Resources: {
      Limits: { NanoCPUs: 5e8, MemoryBytes: 1e8, Pids: 9 },
      Reservations: { NanoCPUs: 1, MemoryBytes: 2 },
    },
    LogDriver: { Name: 'none' },
  };
  expect(bodyOf({ ...task, spec })['HostConfig']).toEqual({
    RestartPolicy: { Name: 'no' },
    PortBindings: {},
    SecurityOpt: [],
    NanoCpus: 5e8,
    Memory: 1e8,
    PidsLimit: 9,
    LogConfig: { Type: 'none', Config: {} },
  });
});

test('only a predefined first network is known at creation', () => {
  const mode = (...targets: string[]) => {
    const task = taskOf();
    const Networks = targets.map((Target) => ({ Target }));
    const body = bodyOf({ ...task, spec: { ...task.spec, Networks } });
    return (body['HostConfig'] as { NetworkMode?: string }).NetworkMode;
  };
  expect([mode(), mode('host', 'x'), mode('x', 'host')]).toEqual([undefined, 'host', undefined]);
});

test("Swarm's labels win over the user's", () => {
  const Labels = { mine: 'x', 'com.docker.swarm.task.id': 'forged' };
  expect(bodyOf(taskOf({ Labels }))['Labels']).toMatchObject({
    mine: 'x',
    'com.docker.swarm.task.id': taskOf().id,
  });
});

test('ports are bound in host mode only; without a number the engine chooses', () => {
  const port = { Protocol: 'tcp', TargetPort: 80 } as const;
  const endpoint = {
    Ports: [
      { ...port, PublishedPort: 8080, PublishMode: 'host' },
      { ...port, PublishMode: 'host' },
      { ...port, TargetPort: 53, Protocol: 'udp', PublishedPort: 53, PublishMode: 'host' },
      { ...port, TargetPort: 81, PublishedPort: 81, PublishMode: 'ingress' },
    ],
  } as const;
  const body = bodyOf(taskOf({}, { endpoint }));
  expect(body['ExposedPorts']).toEqual({ '80/tcp': {}, '53/udp': {} });
  expect(body['HostConfig']).toMatchObject({
    PortBindings: {
      '80/tcp': [{ HostPort: '8080' }, { HostPort: '' }],
      '53/udp': [{ HostPort: '53' }],
    },
  });
});

describe('templates', () => {
  const node = { Hostname: 'host', Platform: { Architecture: 'x86_64', OS: 'linux' } };

  test('are filled in where Swarm fills them in', () => {
    const spec: Partial<ContainerSpec> = {
      Hostname: '{{.Service.Name}}-{{.Task.Slot}}',
      Env: ['NODE={{.Node.Hostname}}', 'TIER={{index .Service.Labels "tier"}}'],
      Mounts: [{ Type: 'volume', Source: 'v-{{.Node.ID}}', Target: '/{{.Task.Name}}' }],
    };
    expect(hasTemplates(taskOf(spec))).toBe(true);
    expect(bodyOf(taskOf(spec), node)).toMatchObject({
      Hostname: 'web-2',
      Env: ['NODE=host', 'TIER=front'],
      HostConfig: {
        Mounts: [{ Type: 'volume', Source: 'v-node1', Target: `/web.2.${taskOf().id}` }],
      },
    });
    expect(bodyOf(taskOf(spec, { slot: 0 }), node)['Hostname']).toBe('web-node1');
  });

  test("that are wrong are the task's failure", () => {
    expect(hasTemplates(taskOf({ Env: ['A=b'] }))).toBe(false);
    expect(() => createBody(taskOf({ Hostname: '{{.Nope}}' }), node)).toThrow(EngineError);
  });
});

test.each<[Mount, string]>([
  [
    { Type: 'bind', Source: 'x', Target: '/t' },
    'invalid bind mount source, must be an absolute path: x',
  ],
  [
    { Type: 'volume', Source: '/x', Target: '/t' },
    'invalid volume mount source, must not be an absolute path: /x',
  ],
  [{ Type: 'tmpfs', Source: 'x', Target: '/t' }, 'invalid tmpfs source, source must be empty'],
  [{ Type: 'npipe', Target: 't' }, 'invalid npipe source, source must not be empty'],
  [
    { Type: 'volume', Source: 'x', Target: 't' },
    'invalid mount target, must be an absolute path: t',
  ],
])('mount %j is refused', (mount, message) => {
  expect(() => createBody(taskOf({ Mounts: [mount] }))).toThrow(new EngineError(message, false));
});

test('image references', () => {
  expect(['a', 'a:1', 'h:5000/a', 'h:5000/a:1', `a@${digest}`, digest].map(withTag)).toEqual([
    'a:latest',
    'a:1',
    'h:5000/a:latest',
    'h:5000/a:1',
    `a@${digest}`,
    digest,
  ]);
  expect([`a:1@${digest}`, digest, 'a:1'].map(isPinned)).toEqual([true, true, false]);
});

test('grace periods are whole seconds, ten by default', () => {
  const seconds = (StopGracePeriod?: number) =>
    stopGraceSeconds({ Image: 'x', ...(StopGracePeriod === undefined ? {} : { StopGracePeriod }) });
  expect([seconds(), seconds(1.9e9), seconds(0)]).toEqual([10, 1, 0]);
});
