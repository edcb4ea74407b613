import { expect, test } from '@jest/globals';
import type { ContainerInspectInfo } from 'dockerode';
import {
  descriptionOf,
  exitOf,
  factsOf,
  foundOf,
  hasEnded,
} from '../../../../actors/agent/adapters/docker-facts.ts';
import { exited, inspected, running, taskOf } from './builders.ts';

const facts = (state: object, ports: unknown = {}, task = taskOf()) =>
  factsOf(
    inspected(state as Record<string, unknown>, ports) as unknown as ContainerInspectInfo,
    task,
  );

test('a container is absent, created, running or exited', () => {
  expect(foundOf(undefined)).toEqual({ kind: 'absent' });
  expect(foundOf(facts({}))).toEqual({
    kind: 'created',
    container: { id: 'c1', pid: 0, exitCode: 0 },
  });
  expect(foundOf(facts(running))).toEqual({
    kind: 'running',
    run: { container: { id: 'c1', pid: 7, exitCode: 0 }, ports: [] },
  });
  expect(foundOf(facts(exited(3)))).toEqual({
    kind: 'exited',
    exit: { container: { id: 'c1', pid: 0, exitCode: 3 } },
  });
  expect([facts({}), facts(running), facts(exited(0))].map(hasEnded)).toEqual([false, false, true]);
});

test('a failure is explained by what the engine knows of it, a success is not', () => {
  const reason = (state: object) => exitOf(facts(state)).reason;
  expect(reason({ ...exited(137), OOMKilled: true })).toBe('out of memory');
  expect(reason({ ...exited(0), OOMKilled: true })).toBeUndefined();
  // the engine says so of every container that had a health check
  expect(reason({ ...exited(137), Health: { Status: 'unhealthy' } })).toBeUndefined();
  expect(reason(exited(1))).toBeUndefined();
});

test('health "none" is no health check', () => {
  expect(facts({ ...running, Health: { Status: 'none' } }).health).toBeUndefined();
  expect(facts({ ...running, Health: { Status: 'starting' } }).health).toBe('starting');
});

test('bound ports come once, sorted, with their names', () => {
  const port = { Protocol: 'tcp', TargetPort: 80, PublishMode: 'host' } as const;
  const endpoint = {
    Ports: [
      { ...port, Name: 'fixed', PublishedPort: 8080 },
      { ...port, Name: 'any' },
    ],
  };
  const both = (HostPort: string) => [
    { HostIp: '0.0.0.0', HostPort },
    { HostIp: '::', HostPort },
  ];
  const ports = {
    '443/tcp': null,
    '80/tcp': [...both('32768'), ...both('8080')],
    '53/udp': both('53'),
  };
  expect(facts(running, ports, taskOf({}, { endpoint })).ports).toEqual([
    { Protocol: 'udp', TargetPort: 53, PublishedPort: 53, PublishMode: 'host' },
    { Name: 'fixed', Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' },
    { Name: 'any', Protocol: 'tcp', TargetPort: 80, PublishedPort: 32768, PublishMode: 'host' },
  ]);
  expect(facts(running, null).ports).toEqual([]);
});

test("a node is described as Swarm's are", () => {
  const info = {
    Name: 'host1',
    Architecture: 'x86_64',
    OSType: 'linux',
    NCPU: 2,
    MemTotal: 1024,
    ServerVersion: '28.5.2',
    Labels: ['a=b=c', 'flag'],
    Plugins: {
      Volume: ['local'],
      Network: ['overlay', 'bridge', 'overlay'],
      Authorization: null,
      Log: ['json-file'],
    },
  };
  expect(descriptionOf(info)).toEqual({
    hostname: 'host1',
    platform: { architecture: 'x86_64', os: 'linux' },
    resources: { nanoCpus: 2e9, memoryBytes: 1024 },
    engine: {
      version: '28.5.2',
      labels: { a: 'b=c', flag: '' },
      plugins: [
        { type: 'Log', name: 'json-file' },
        { type: 'Network', name: 'bridge' },
        { type: 'Network', name: 'overlay' },
        { type: 'Volume', name: 'local' },
      ],
    },
  });
});
