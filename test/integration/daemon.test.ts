import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { Daemon, startDaemon } from '../support/daemon.ts';
import {
  type Engine,
  loadImages,
  netnsExec,
  SLEEP,
  startEngine,
  until,
} from '../support/engine.ts';
import { patient, soon } from '../support/patience.ts';
import { readProjectFile } from '../support/project-files.ts';

let engine: Engine;

beforeAll(async () => {
  engine = await startEngine({ name: 'daemon' });
  await loadImages(engine);
});

afterAll(async () => {
  await engine?.stop();
});

/** A daemon for one test, ended whatever happens. */
async function withDaemon(
  use: (daemon: Daemon) => Promise<void>,
  options: Parameters<typeof startDaemon>[1] = {},
): Promise<void> {
  const daemon = await startDaemon(engine, options);
  try {
    await use(daemon);
  } finally {
    if (daemon.pid > 0) await daemon.docker('swarm', 'leave', '--force');
    await daemon.stop();
  }
}

const containers = async (): Promise<readonly string[]> =>
  (await engine.mustDocker('ps', '-aq', '--filter', 'label=com.docker.swarm.task.id'))
    .split('\n')
    .filter((line) => line !== '');

describe('outside a swarm', () => {
  test('no server, no certificate, no open port; the socket is 0660', async () => {
    await withDaemon(async (daemon) => {
      expect(daemon.serverPid()).toBe(0);
      expect(readdirSync(daemon.stateDir)).toEqual([]);
      const { stdout } = await netnsExec(engine, ['ss', '-Hltn']);
      expect(stdout).not.toMatch(/:(7946|7947|2377)\b/);
      expect(statSync(daemon.socket).mode & 0o777).toBe(0o660);
      expect(await daemon.mustDocker('info', '--format', '{{.Swarm.LocalNodeState}}')).toBe(
        'inactive',
      );
    });
  });

  test('wrong settings are refused with what to change', async () => {
    const daemon = new Daemon(join(engine.dir, 'refused'), engine, {
      args: ['--bus-port', 'many'],
    });
    await daemon.launch();
    await daemon.exited();
    expect(daemon.log()).toMatch(/--bus-port .*expected a port from 1 to 65535, got "many"/);
  });

  test.each(['state-dir', 'run-dir'])(
    'a --%s that cannot be made is told, and nothing runs',
    async (setting) => {
      const daemon = new Daemon(join(engine.dir, setting), engine, {
        args: [`--${setting}`, '/proc/natswarm'],
      });
      await daemon.launch();
      await daemon.exited();
      expect(daemon.log()).toContain(`natswarm: cannot use --${setting} /proc/natswarm: ENOENT`);
    },
  );

  test('an engine in its own swarm mode is refused, saying what to do', async () => {
    await engine.mustDocker('swarm', 'init', '--advertise-addr', '127.0.0.1');
    const daemon = new Daemon(join(engine.dir, 'own-swarm'), engine, {});
    try {
      await daemon.launch();
      await daemon.exited();
      expect(daemon.log()).toMatch(/runs its own swarm mode .*swarm leave --force/);
    } finally {
      await engine.mustDocker('swarm', 'leave', '--force');
      await daemon.stop();
    }
  });
});

describe('init and leave', () => {
  test('init starts server and certificates, leave removes everything, init works again', async () => {
    await withDaemon(async (daemon) => {
      for (let round = 0; round < 2; round++) {
        await daemon.mustDocker('swarm', 'init');
        expect(daemon.serverPid()).toBeGreaterThan(0);
        expect(readdirSync(join(daemon.stateDir, 'certificates')).toSorted()).toEqual([
          'swarm-node.crt',
          'swarm-node.key',
          'swarm-root-ca.crt',
        ]);
        expect(statSync(join(daemon.stateDir, 'certificates/swarm-node.key')).mode & 0o777).toBe(
          0o600,
        );
        await daemon.mustDocker('service', 'create', '-q', '--replicas', '2', '--name', 'a', SLEEP);
        expect(await containers()).toHaveLength(2);
        const left = await daemon.docker('swarm', 'leave');
        expect(left.stderr).toMatch(/Removing the last manager erases all current state/);
        await daemon.mustDocker('swarm', 'leave', '--force');
        expect(await containers()).toEqual([]);
        expect(daemon.serverPid()).toBe(0);
        expect(readdirSync(daemon.stateDir)).toEqual([]);
      }
    });
  });

  test('a taken bus port is told and leaves nothing behind', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    try {
      await withDaemon(
        async (daemon) => {
          const { code, stderr } = await daemon.docker('swarm', 'init');
          expect(code).toBe(1);
          expect(stderr).toMatch(/listen tcp .*bind: address already in use/);
          expect(readdirSync(daemon.stateDir)).toEqual([]);
          expect(daemon.serverPid()).toBe(0);
        },
        { netns: '', busPort: port },
      );
    } finally {
      taken.close();
    }
  });

  test('a nats-server that cannot be run is told and leaves nothing behind', async () => {
    await withDaemon(
      async (daemon) => {
        const { code, stderr } = await daemon.docker('swarm', 'init');
        expect(code).toBe(1);
        expect(stderr).toMatch(/cannot run nats-server: \/nowhere: not found; .*--nats-server/);
        expect(readdirSync(daemon.stateDir)).toEqual([]);
      },
      { args: ['--nats-server', '/nowhere'] },
    );
  });

  test('a second daemon on the same state directory is refused', async () => {
    await withDaemon(async (daemon) => {
      const second = new Daemon(join(engine.dir, 'second'), engine, {
        args: ['--state-dir', daemon.stateDir],
      });
      await second.launch();
      await second.exited();
      expect(second.log()).toMatch(/--state-dir .* is in use by another natswarm daemon/);
      await second.stop();
    });
  });

  test('on a host with several addresses init asks for one', async () => {
    await netnsExec(engine, ['ip', 'link', 'add', 'two0', 'type', 'veth', 'peer', 'name', 'two1']);
    await netnsExec(engine, ['ip', 'link', 'set', 'two1', 'up']);
    await netnsExec(engine, ['ip', 'addr', 'add', '10.201.0.1/24', 'dev', 'two0']);
    await netnsExec(engine, ['ip', 'addr', 'add', '10.202.0.1/24', 'dev', 'two0']);
    await netnsExec(engine, ['ip', 'link', 'set', 'two0', 'up']);
    try {
      await withDaemon(
        async (daemon) => {
          const { code, stderr } = await daemon.docker('swarm', 'init');
          expect(code).toBe(1);
          expect(stderr).toMatch(
            /could not choose an IP address to advertise since this system has multiple addresses on interface two0 \(10\.201\.0\.1 and 10\.202\.0\.1\) - specify one with --advertise-addr/,
          );
          await daemon.mustDocker('swarm', 'init', '--advertise-addr', '10.201.0.1');
          expect(await daemon.mustDocker('info', '--format', '{{.Swarm.NodeAddr}}')).toBe(
            '10.201.0.1',
          );
        },
        { args: ['--advertise-addr', ''] },
      );
    } finally {
      await netnsExec(engine, ['ip', 'link', 'del', 'two0']);
    }
  });

  test('two daemons run side by side in one network namespace, each before its own engine, where a swarm runs already', async () => {
    // those of the swarm, which may be a real one
    const taken = [2377, 7946, 7947].map((port) => createServer().listen(port));
    await Promise.allSettled(taken.map((server) => once(server, 'listening')));
    const other = await startEngine({ name: 'other' });
    try {
      await withDaemon(
        async (first) => {
          const second = await startDaemon(other, { netns: '' });
          try {
            await Promise.all([first, second].map((d) => d.mustDocker('swarm', 'init')));
            const ids = await Promise.all(
              [first, second].map((d) => d.mustDocker('info', '--format', '{{.Swarm.Cluster.ID}}')),
            );
            expect(new Set(ids).size).toBe(2);
          } finally {
            await second.stop();
          }
        },
        { netns: '' },
      );
    } finally {
      await other.stop();
      for (const server of taken) server.close();
    }
  });
});

describe('ends and crashes', () => {
  test('SIGTERM ends it within 10 s and leaves containers running; the next start adopts them', async () => {
    await withDaemon(async (daemon) => {
      await daemon.mustDocker('swarm', 'init');
      await daemon.mustDocker('service', 'create', '-q', '--replicas', '3', '--name', 'a', SLEEP);
      const before = await running();
      const server = daemon.serverPid();
      const began = performance.now();
      await daemon.signal('SIGTERM');
      expect(performance.now() - began).toBeLessThan(soon(10_000));
      expect(existsSync(`/proc/${server}`)).toBe(false);
      expect(await running()).toEqual(before);
      expect(existsSync(daemon.socket)).toBe(false);
      await daemon.start();
      expect(
        await daemon.mustDocker(
          'info',
          '--format',
          '{{.Swarm.LocalNodeState}} {{.Swarm.Managers}}',
        ),
      ).toBe('active 1');
      await daemon.mustDocker('service', 'scale', 'a=4');
      expect((await running()).filter((line) => before.includes(line))).toEqual(before);
    });
  });

  test('SIGTERM ends it in time at every moment of its start', async () => {
    await withDaemon(async (daemon) => {
      await daemon.mustDocker('swarm', 'init');
      await daemon.signal('SIGTERM');
      for (const moment of ['starting', 'ready', 'bus_server_up', 'leading']) {
        const seen = daemon.log().length;
        await daemon.launch();
        await until(() => daemon.log().slice(seen).includes(`"${moment}"`), soon(20_000), moment);
        const began = performance.now();
        await daemon.signal('SIGTERM');
        expect(performance.now() - began).toBeLessThan(soon(10_000));
      }
      await daemon.start();
      expect(await daemon.mustDocker('node', 'ls', '--format', '{{.Status}}')).toBe('Ready');
    });
  });

  test('SIGTERM ends it while it waits for an engine', async () => {
    const nowhere = { netns: engine.netns, socket: join(engine.dir, 'nobody.sock') };
    const daemon = new Daemon(join(engine.dir, 'waits'), nowhere, {});
    try {
      await daemon.launch();
      await until(() => daemon.log().includes('"starting"'), soon(10_000), 'the start');
      const began = performance.now();
      await daemon.signal('SIGTERM');
      expect(performance.now() - began).toBeLessThan(soon(10_000));
      expect(daemon.log()).toContain('"stopped"');
    } finally {
      await daemon.stop();
    }
  });

  test('kill -9 of the daemon and of nats-server under 20 tasks restarts no container', async () => {
    await withDaemon(async (daemon) => {
      await daemon.mustDocker('swarm', 'init');
      await daemon.mustDocker('service', 'create', '-q', '--replicas', '20', '--name', 'a', SLEEP);
      const before = await running();
      const tasks = await taskLines(daemon);
      expect(before).toHaveLength(20);

      const server = daemon.serverPid();
      await daemon.kill();
      await until(() => !isAlive(server), 2_000, 'nats-server to die with its daemon');
      await daemon.start();
      expect(await taskLines(daemon)).toEqual(tasks);
      await daemon.mustDocker('service', 'scale', 'a=21');
      expect((await running()).filter((line) => before.includes(line))).toEqual(before);

      process.kill(daemon.serverPid(), 'SIGKILL');
      await daemon.mustDocker('service', 'scale', 'a=20');
      // the error of the server's end lasts until it is up again, and no longer
      await until(
        async () => !/Error: /.test(await daemon.mustDocker('info')),
        patient(10_000),
        'the end of the error',
      );
      expect(await daemon.mustDocker('info')).toMatch(/Is Manager: true\n[^]*Managers: 1\n/);
      expect(
        (await running()).filter((line) => before.includes(line)).length,
      ).toBeGreaterThanOrEqual(19);
      expect(await daemon.mustDocker('service', 'ls', '--format', '{{.Replicas}}')).toBe('20/20');
    });
  });

  test('while the engine is away the control plane answers; everything heals when it is back', async () => {
    await withDaemon(async (daemon) => {
      await daemon.mustDocker('swarm', 'init');
      await daemon.mustDocker(
        'service',
        'create',
        '-q',
        '--replicas',
        '2',
        '--restart-delay',
        '0s',
        '--name',
        'a',
        SLEEP,
      );
      await engine.terminate();
      try {
        expect(await daemon.mustDocker('service', 'ls', '--format', '{{.Name}}')).toBe('a');
        expect(await daemon.mustDocker('node', 'ls', '--format', '{{.Self}}')).toBe('true');
        const { status, text } = await daemon.api('GET', '/v1.51/containers/json');
        expect(status).toBe(503);
        expect(text).toMatch(/Cannot connect to the Docker Engine/);
        await daemon.mustDocker('service', 'scale', '-d', 'a=3');
      } finally {
        await engine.start();
      }
      await until(
        async () =>
          (await daemon.mustDocker('service', 'ls', '--format', '{{.Replicas}}')) === '3/3',
        30_000,
        'three replicas',
      );
      expect(await running()).toHaveLength(3);
    });
  });

  test('after a reboot of the host services come back with no duplicate', async () => {
    await withDaemon(async (daemon) => {
      await daemon.mustDocker('swarm', 'init');
      await daemon.mustDocker(
        'service',
        'create',
        '-q',
        '--replicas',
        '3',
        '--restart-delay',
        '0s',
        '--name',
        'a',
        SLEEP,
      );
      await daemon.kill();
      await engine.reboot();
      await daemon.start();
      await until(
        async () =>
          (await running()).length === 3 &&
          (await daemon.mustDocker('service', 'ls', '--format', '{{.Replicas}}')) === '3/3',
        30_000,
        'three replicas',
      );
      const tasks = await daemon.mustDocker(
        'service',
        'ps',
        '--filter',
        'desired-state=running',
        '-q',
        'a',
      );
      expect(tasks.split('\n')).toHaveLength(3);
      expect(await running()).toHaveLength(3);
    });
  });

  test('a log stream that a client holds open outlives the death of nats-server', async () => {
    await withDaemon(async (daemon) => {
      await daemon.mustDocker('swarm', 'init');
      const talk = 'i=0; while sleep 0.2; do i=$((i+1)); echo line $i; done';
      const create = ['service', 'create', '-q', '--stop-grace-period', '1s', '--name', 'talker'];
      await daemon.mustDocker(...create, SLEEP, 'sh', '-c', talk);
      const path = '/v1.51/services/talker/logs?follow=1&stdout=1&tail=0';
      const stream = request({ socketPath: daemon.socket, path }).end();
      const [response] = (await once(stream, 'response')) as [IncomingMessage];
      let text = '';
      let ended = false;
      response.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      response.on('close', () => (ended = true));
      const lines = (): number[] => [...text.matchAll(/line (\d+)/g)].map((m) => Number(m[1]));
      await until(() => lines().length > 1, 10_000, 'first lines');
      const server = daemon.serverPid();
      process.kill(server, 'SIGKILL');
      await until(
        () => daemon.serverPid() > 0 && daemon.serverPid() !== server,
        10_000,
        'a new nats-server',
      );
      const seen = lines().length;
      await until(() => lines().length > seen + 5, 10_000, 'further lines');
      expect(ended).toBe(false);
      stream.destroy();
      expect(lines()).toEqual(lines().map((_, n) => (lines()[0] as number) + n));
    });
  });
});

test('a 10 MB body and garbage are refused and change nothing', async () => {
  await withDaemon(async (daemon) => {
    await daemon.mustDocker('swarm', 'init');
    const big = JSON.stringify({ Name: 'big', Labels: { a: 'x'.repeat(10 * 2 ** 20) } });
    const refused = await daemon.api('POST', '/v1.51/services/create', big);
    expect(refused.status).toBeGreaterThanOrEqual(400);
    expect(refused.text).toMatch(/^\{"message":".*(large|bytes).*"\}/);
    expect((await daemon.api('POST', '/v1.51/services/create', '{"Name":')).status).toBe(400);
    expect((await daemon.api('GET', '/v1.51/services')).body).toEqual([]);
  });
});

test('keys and tokens never reach the log', async () => {
  await withDaemon(
    async (daemon) => {
      await daemon.mustDocker('swarm', 'init');
      await daemon.mustDocker('service', 'create', '-q', '--name', 'a', SLEEP);
      const token = await daemon.mustDocker('swarm', 'join-token', '-q', 'manager');
      const keys = JSON.parse(readFileSync(join(daemon.stateDir, 'keys.json'), 'utf8')) as object;
      for (const secret of [token, ...Object.values(keys)])
        expect(daemon.log()).not.toContain(secret);
      expect(daemon.log()).not.toContain('PRIVATE KEY');
    },
    { args: ['--log-level', 'trace'] },
  );
});

/** `name id startedAt` of every running task container. */
async function running(): Promise<readonly string[]> {
  const ids = (await engine.mustDocker('ps', '-q', '--filter', 'label=com.docker.swarm.task.id'))
    .split('\n')
    .filter((line) => line !== '');
  if (ids.length === 0) return [];
  const out = await engine.mustDocker(
    'inspect',
    '--format',
    '{{.Name}} {{.Id}} {{.State.StartedAt}}',
    ...ids,
  );
  return out.split('\n').toSorted();
}

async function taskLines(daemon: Daemon): Promise<readonly string[]> {
  const out = await daemon.mustDocker(
    'service',
    'ps',
    '--no-trunc',
    '--format',
    '{{.ID}} {{.Name}} {{.DesiredState}} {{.Error}}',
    'a',
  );
  return out.split('\n').toSorted();
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('the example of the README runs, and runs again', async () => {
  await withDaemon(async (daemon) => {
    await daemon.mustDocker('swarm', 'init', '--advertise-addr', '127.0.0.1');
    const example = /```js\n([\s\S]*?)```/.exec(readProjectFile('README.md'))?.[1] ?? '';
    const here = example
      .replace('/var/lib/natswarm', daemon.stateDir)
      .replace('127.0.0.1:7946', `127.0.0.1:${daemon.busPort}`);
    for (let run = 0; run < 2; run += 1) {
      const told = await netnsExec(engine, ['node', '--input-type=module', '--eval', here]);
      expect(told).toMatchObject({ code: 0, stdout: '', stderr: '' });
      expect(await daemon.mustDocker('service', 'ls', '--quiet')).toBe('');
    }
  });
});
