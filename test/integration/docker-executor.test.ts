import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineClient } from '../../actors/agent/adapters/docker-client.ts';
import { createDockerExecutor } from '../../actors/agent/adapters/docker-executor.ts';
import type { Executor } from '../../actors/agent/ports.ts';
import type { Task } from '../../domain/model/objects.ts';
import type { ContainerSpec, Healthcheck } from '../../domain/model/spec.ts';
import { type Behaviour, executorContract, type ExecutorHarness } from '../contract/executor.ts';
import { type Engine, loadImages, SLEEP, startEngine, until } from '../support/engine.ts';
import { freeze, thaw } from '../support/hosts/processes.ts';

const rest = 'while :; do sleep 3600 & wait $!; done';
const forever = `trap 'exit 0' TERM; ${rest}`;
const shell = (script: string): ContainerSpec => ({
  Image: SLEEP,
  Command: ['/bin/sh', '-c', script],
});
const checked = (test: string, Retries = 1): ContainerSpec => {
  const health: Healthcheck = { Test: ['CMD-SHELL', test], Interval: 2e8, Retries };
  return { ...shell(forever), Healthcheck: health };
};

function containerOf(behaviour: Behaviour): ContainerSpec {
  switch (behaviour.kind) {
    case 'forever':
      return shell(forever);
    case 'exits':
      return shell(`sleep ${behaviour.afterMs / 1000}; exit ${behaviour.code}`);
    case 'signalled':
      return shell(`trap 'exit ${behaviour.code}' USR1; ${rest}`);
    case 'stubborn':
      return shell(`trap '' TERM; ${rest}`);
    case 'prints':
      return shell(
        [...behaviour.lines.map((line) => `echo ${line}`), behaviour.exits ? 'exit' : forever].join(
          '; ',
        ),
      );
    case 'prints to both':
      return shell(`echo ${behaviour.lines[0]} >&2; echo ${behaviour.lines[1]}`);
    case 'broken':
      return { Image: SLEEP, Command: ['/no-such'] };
    case 'eats memory':
      // containerd does not hear of it when it happens in the container's first moments
      return shell('sleep 0.3; x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; while :; do x=$x$x; done');
    case 'healthy':
      return checked('true');
    case 'unhealthy':
      return checked('false');
    case 'sick later':
      return checked('if [ -e /tmp/seen ]; then false; else touch /tmp/seen; fi');
    case 'healthy, exits': {
      // The engine may count a check that the end has cut off as a failed one.
      const end = `until [ -e /tmp/seen ]; do sleep 0.1; done; sleep 3; exit ${behaviour.code}`;
      return { ...checked('touch /tmp/seen', 3), ...shell(end) };
    }
  }
}

async function real(): Promise<ExecutorHarness> {
  const engine = await startEngine({ name: 'executor', extraArgs: ['--live-restore'] });
  await loadImages(engine);
  const scopes: AbortController[] = [];
  return {
    executor: () => {
      const scope = new AbortController();
      scopes.push(scope);
      return createDockerExecutor({ socketPath: engine.socket, scope: scope.signal });
    },
    taskSpec: (behaviour) => ({
      container: containerOf(behaviour),
      ...(behaviour.kind === 'eats memory' ? { memory: 16 * 1024 ** 2 } : {}),
    }),
    // A shell has set its traps when its first child runs; until then it is runc, or has none.
    hears: (pid) => {
      const proc = `/proc/${engine.pid}/root/proc/${pid}`;
      const read = (file: string): string => readFileSync(`${proc}/${file}`, 'utf8');
      const up = (): boolean => read('comm') === 'sh\n' && read(`task/${pid}/children`) !== '';
      return until(up, 60_000, 'the shell and its child');
    },
    rename: async (taskId, name) => {
      const label = `label=com.docker.swarm.task.id=${taskId}`;
      const id = (await engine.mustDocker('ps', '-aq', '--filter', label)).trim();
      await engine.mustDocker('rename', id, name);
    },
    down: () => engine.kill(),
    up: () => engine.start(),
    hang: () => freeze(engine.pid),
    resume: async () => thaw(engine.pid),
    reboot: () => engine.reboot(),
    close: async () => {
      for (const scope of scopes) scope.abort();
      await engine.stop();
    },
  };
}

executorContract('the Docker executor', real);

describe('what only a real engine shows', () => {
  let engine: Engine;
  const closed = new AbortController();
  const scope = (): AbortSignal => new AbortController().signal;
  let executor: Executor;
  let count = 0;

  function task(container: ContainerSpec, more: Partial<Task> = {}): Task {
    count += 1;
    return {
      id: String(count).padStart(25, '0'),
      meta: { version: 1, createdAt: 0, updatedAt: 0 },
      serviceId: 's',
      slot: count,
      nodeId: 'n',
      spec: { ContainerSpec: container, ForceUpdate: 0 },
      specVersion: 1,
      serviceName: 'real',
      serviceLabels: {},
      status: { state: 'assigned', at: 0, message: '' },
      desired: 'running',
      ...more,
    };
  }

  beforeAll(async () => {
    engine = await startEngine({ name: 'extras' });
    await loadImages(engine);
    executor = createDockerExecutor({ socketPath: engine.socket, scope: closed.signal });
  });
  afterAll(async () => {
    closed.abort();
    await engine.stop();
  });

  test('the engine takes every field of a spec', async () => {
    const made = task(
      {
        ...shell(forever),
        Labels: { mine: 'x' },
        Hostname: '{{.Service.Name}}-{{.Task.Slot}}',
        Env: ['NODE={{.Node.Hostname}}'],
        Dir: '/tmp',
        User: '1000:1000',
        Groups: ['1234'],
        OpenStdin: true,
        ReadOnly: true,
        Mounts: [
          { Type: 'bind', Source: '/etc', Target: '/host', ReadOnly: true },
          { Type: 'volume', Source: 'kept', Target: '/v', VolumeOptions: { NoCopy: true } },
          { Type: 'volume', Target: '/anonymous' },
          { Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 65_536, Mode: 0o700 } },
        ],
        StopSignal: 'SIGINT',
        StopGracePeriod: 3e9,
        Hosts: ['10.0.0.1 one two'],
        DNSConfig: { Nameservers: ['10.0.0.2'], Search: ['example'], Options: ['ndots:2'] },
        Isolation: 'default',
        Init: true,
        Sysctls: { 'net.ipv4.ip_default_ttl': '33' },
        CapabilityAdd: ['CAP_NET_ADMIN'],
        CapabilityDrop: ['CAP_CHOWN'],
        Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }],
        OomScoreAdj: 100,
        Privileges: { NoNewPrivileges: true, Seccomp: { Mode: 'unconfined' } },
      },
      {
        endpoint: {
          Ports: [
            { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8099, PublishMode: 'host' },
            { Name: 'any', Protocol: 'udp', TargetPort: 53, PublishMode: 'host' },
          ],
        },
      },
    );
    const bounds = { Limits: { NanoCPUs: 5e8, MemoryBytes: 3e7, Pids: 50 } };
    const spec = { ...made.spec, Resources: bounds, LogDriver: { Name: 'local' } };
    const controller = executor.controller({ ...made, spec });
    await controller.prepare(scope());
    const run = await controller.start(scope());
    expect(run.ports).toEqual([
      {
        Name: 'any',
        Protocol: 'udp',
        TargetPort: 53,
        PublishedPort: expect.any(Number),
        PublishMode: 'host',
      },
      { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8099, PublishMode: 'host' },
    ]);

    const name = `real.${made.slot}.${made.id}`;
    const [info] = JSON.parse(await engine.mustDocker('inspect', name)) as [
      { Config: object; HostConfig: object; Mounts: { Destination: string }[] },
    ];
    expect(info.Config).toMatchObject({
      Hostname: `real-${made.slot}`,
      User: '1000:1000',
      WorkingDir: '/tmp',
      OpenStdin: true,
      StopSignal: 'SIGINT',
      StopTimeout: 3,
      Labels: { mine: 'x', 'com.docker.swarm.task.name': name },
    });
    expect(info.HostConfig).toMatchObject({
      GroupAdd: ['1234'],
      ReadonlyRootfs: true,
      ExtraHosts: ['one:10.0.0.1'],
      Dns: ['10.0.0.2'],
      DnsSearch: ['example'],
      DnsOptions: ['ndots:2'],
      Init: true,
      Sysctls: { 'net.ipv4.ip_default_ttl': '33' },
      CapAdd: ['CAP_NET_ADMIN'],
      CapDrop: ['CAP_CHOWN'],
      Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }],
      OomScoreAdj: 100,
      SecurityOpt: ['seccomp=unconfined', 'no-new-privileges=true'],
      NanoCpus: 5e8,
      Memory: 3e7,
      PidsLimit: 50,
      LogConfig: { Type: 'local' },
      RestartPolicy: { Name: 'no' },
      AutoRemove: false,
    });
    expect(info.Mounts.map((mount) => mount.Destination).toSorted()).toEqual([
      '/anonymous',
      '/host',
      '/t',
      '/v',
    ]);
    const env = await engine.mustDocker('exec', name, 'sh', '-c', 'echo $NODE');
    expect(env).toBe((await executor.describe(scope())).hostname);

    await controller.remove(scope());
    expect(await engine.mustDocker('volume', 'ls', '--quiet')).toBe('kept');
  });

  test('a host port that is taken fails the start, in the engine’s words', async () => {
    const endpoint = {
      Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 8098, PublishMode: 'host' }],
    } as const;
    const [first, second] = [
      task(shell(forever), { endpoint }),
      task(shell(forever), { endpoint }),
    ];
    for (const made of [first, second]) await executor.controller(made).prepare(scope());
    await executor.controller(first).start(scope());
    await expect(executor.controller(second).start(scope())).rejects.toMatchObject({
      message: expect.stringMatching(/^starting container failed: .*port is already allocated/),
      retryable: false,
    });
  });

  test('a bind source that is missing rejects the task', async () => {
    const Mounts = [{ Type: 'bind', Source: '/no/such', Target: '/t' }] as const;
    const made = task({ ...shell(forever), Mounts });
    await expect(executor.controller(made).prepare(scope())).rejects.toMatchObject({
      message: 'invalid mount config for type "bind": bind source path does not exist: /no/such',
      retryable: false,
    });
  });

  const everything = {
    stdout: true,
    stderr: true,
    follow: true,
    timestamps: false,
    details: false,
    since: '',
    tail: 'all',
  };

  test("a terminal's log, with times and details", async () => {
    const made = task({ ...shell('echo one; echo two >&2'), TTY: true });
    const controller = executor.controller(made);
    await controller.prepare(scope());
    await controller.start(scope());
    await controller.wait(scope());
    const options = { ...everything, timestamps: true, details: true };
    const lines: string[] = [];
    for await (const { stream, data } of executor.logs(made, options, scope()))
      lines.push(`${stream} ${Buffer.from(data).toString()}`);
    expect(lines).toEqual([
      expect.stringMatching(/^stdout \d{4}-\d\d-\d\dT[\d:.]+Z\s+one\r\n$/),
      expect.stringMatching(/^stdout \d{4}-\d\d-\d\dT[\d:.]+Z\s+two\r\n$/),
    ]);
  });

  test('an engine that dies ends a log with an error; what ran has ended when it is back', async () => {
    const made = task(shell(`echo begun; ${forever}`));
    const controller = executor.controller(made);
    await controller.prepare(scope());
    await controller.start(scope());
    const ended = controller.wait(scope());
    const log = executor.logs(made, everything, scope())[Symbol.asyncIterator]();
    await log.next();
    const rest = log.next();
    await Promise.all([expect(rest).rejects.toMatchObject({ retryable: true }), engine.kill()]);
    await engine.start();
    expect((await ended).container.pid).toBe(0);
  });
});

test('an answer that is cut off is an error, not a wait without end', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'natswarm-cut-'));
  const socketPath = join(dir, 'engine.sock');
  const cut = (response: ServerResponse): void => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('{"half":', () => response.destroy());
  };
  const server = createServer((_, response) => cut(response)).listen(socketPath);
  await once(server, 'listening');
  const closed = new AbortController();
  try {
    const client = new EngineClient(socketPath, closed.signal);
    await expect(client.request({ path: '/info' })).rejects.toMatchObject({ retryable: true });
  } finally {
    closed.abort();
    server.close();
    await rm(dir, { recursive: true });
  }
});
