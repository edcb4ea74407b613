// A manager and a worker as tests of the CA need them: two engines, whose daemons meet on loopback.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { nodeTlsInfo, verifyNodeCertificate } from '../../pki/mod.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { type Engine, loadImages, startEngine, until } from './engine.ts';
import { freePort } from './free-port.ts';

export class Pair {
  readonly engines: readonly Engine[];
  readonly manager: Daemon;
  readonly worker: Daemon;
  /** The manager's join listener. */
  readonly remote: string;

  /** Use `startPair`. */
  constructor(engines: readonly Engine[], daemons: readonly [Daemon, Daemon], remote: string) {
    this.engines = engines;
    [this.manager, this.worker] = daemons;
    this.remote = remote;
  }

  async stop(): Promise<void> {
    for (const daemon of [this.worker, this.manager]) {
      if (daemon.pid > 0) await daemon.docker('swarm', 'leave', '--force');
      await daemon.stop();
      rmSync(daemon.runDir, { recursive: true, force: true });
    }
    for (const engine of this.engines) await engine.stop();
  }

  /** One more daemon in front of the worker's engine, outside of the swarm; it leaves and ends afterwards. */
  async withThird(run: (third: Daemon) => Promise<void>): Promise<void> {
    const third = await daemonOf(this.engines[1] as Engine, await freePort());
    try {
      await run(third);
    } finally {
      await third.docker('swarm', 'leave', '--force');
      await third.stop();
      rmSync(third.runDir, { recursive: true, force: true });
    }
  }

  token(role = 'worker'): Promise<string> {
    return this.manager.mustDocker('swarm', 'join-token', '-q', role);
  }
  async join(daemon = this.worker, role = 'worker'): Promise<void> {
    await daemon.mustDocker('swarm', 'join', '--token', await this.token(role), this.remote);
  }
  /** The present root, as `swarm ca` shows it. */
  root(): Promise<string> {
    return this.manager.mustDocker('swarm', 'ca');
  }
  async nodes(format: string): Promise<readonly string[]> {
    return (await this.manager.mustDocker('node', 'ls', '--format', format)).split('\n');
  }
  allReady(count: number): Promise<void> {
    return until(
      async () => (await this.nodes('{{.Status}}')).join() === Array(count).fill('Ready').join(),
      15_000,
      `${count} nodes to be ready`,
    );
  }
  async workerDown(): Promise<void> {
    await this.worker.kill();
    await until(
      async () => (await this.nodes('{{.Status}}')).includes('Down'),
      15_000,
      'the worker to be down',
    );
  }

  rotate(...flags: string[]) {
    return this.manager.dockerWith({ timeoutMs: 300_000 }, 'swarm', 'ca', '--rotate', ...flags);
  }
  async rotates(): Promise<boolean> {
    const field = '{{.Swarm.Cluster.RootRotationInProgress}}';
    return (await this.manager.mustDocker('info', '--format', field)) === 'true';
  }
  rotated(): Promise<void> {
    return until(async () => !(await this.rotates()), 30_000, 'the rotation to end');
  }

  /** Waits until every node has a certificate of this root, says so, and trusts the root before all others. */
  async allHave(root: string, daemons: readonly Daemon[] = [this.manager, this.worker]) {
    const isSpread = (daemon: Daemon): boolean =>
      certificate(daemon, 'root-ca').trim().startsWith(root);
    await until(() => daemons.every(isSpread), 15_000, 'the root to be spread');
    const cluster = await this.manager.mustDocker('info', '--format', '{{.Swarm.Cluster.ID}}');
    for (const daemon of daemons) {
      const pem = certificate(daemon, 'node');
      const verified = verifyNodeCertificate(pem, root, cluster, Date.now());
      if (!verified.ok) throw new Error(`the certificate is refused: ${verified.reason}`);
      nodeTlsInfo(pem, root);
    }
    await until(
      async () => (await this.nodes('{{.TLSStatus}}')).every((status) => status === 'Ready'),
      15_000,
      'nodes to say that they have the root',
    );
  }
}

export const certificate = (daemon: Daemon, name: 'node' | 'root-ca'): string =>
  readFileSync(join(daemon.stateDir, 'certificates', `swarm-${name}.crt`), 'utf8');

const daemonOf = async (engine: Engine, port: number): Promise<Daemon> =>
  startDaemon(engine, {
    netns: '',
    args: ['--listen-addr', `127.0.0.1:${port}`],
    // as on a host: what lies there is on no disk
    runDir: mkdtempSync('/dev/shm/natswarm-run-'),
  });

/** Both daemons are outside of a swarm. */
export async function startPair(name: string): Promise<Pair> {
  const engines = [
    await startEngine({ name: `${name}-a` }),
    await startEngine({ name: `${name}-b` }),
  ] as const;
  for (const engine of engines) await loadImages(engine);
  const port = await freePort();
  const manager = await daemonOf(engines[0], port);
  const worker = await daemonOf(engines[1], await freePort());
  return new Pair(engines, [manager, worker], `127.0.0.1:${port}`);
}
