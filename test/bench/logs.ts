import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/engine.ts';
import { type Host, startHosts } from '../support/hosts.ts';
import { join, nodeIdOf } from '../support/swarm-hosts.ts';

const megabytes = Number(process.env['LOGS_MB'] ?? 1_000);
const lineBytes = 1_000;
/** The engine's frames have a head of 8 bytes. */
const wanted = megabytes * 1_000 * (lineBytes + 8);
const restMs = 5_000;

/**
 * The log of one task on a worker, read once through the manager by a client that rests for 5 s in the middle, and once
 * from the worker's engine. `…RssMb`: by how much the daemons grew at most.
 */
export async function bench(progress: (line: string) => void): Promise<Record<string, number>> {
  const hosts = await startHosts(2);
  try {
    const [manager, worker] = [hosts.host(1), hosts.host(2)];
    await hosts.loadImage();
    await hosts.startDaemons();
    await manager.mustDocker('swarm', 'init', '--advertise-addr', manager.ip);
    await join(worker, manager, 'worker');
    const container = await pour(manager, worker);
    progress(`${megabytes} MB are written`);
    const path = `/v1.48/containers/${container}/logs?stdout=1&timestamps=1`;
    const began = performance.now();
    await read(worker.engine.socket, path, () => undefined);
    const engineS = (performance.now() - began) / 1_000;
    progress(`the engine alone: ${engineS.toFixed(1)} s`);
    const daemons = [manager, worker].map((host) => new Growth(host.pid('daemon')));
    const took = await read(manager.daemon.socket, '/v1.51/services/pours/logs?stdout=1', () => {
      for (const daemon of daemons) daemon.look();
    });
    const [managerRssMb = 0, workerRssMb = 0] = daemons.map(({ most }) => most);
    const mbPerS = megabytes / ((took - restMs) / 1_000);
    return { mb: megabytes, mbPerS, engineMbPerS: megabytes / engineS, managerRssMb, workerRssMb };
  } finally {
    await hosts.down();
  }
}

/** Starts the task, and gives its container when all is written. */
async function pour(manager: Host, worker: Host): Promise<string> {
  const create = 'service create --quiet --no-resolve-image --name pours --constraint'.split(' ');
  const script = `yes ${'x'.repeat(lineBytes - 1)} | head -c ${megabytes}000000; echo >/tmp/done; sleep 10000`;
  const node = `node.id==${await nodeIdOf(worker)}`;
  await manager.mustDocker(...create, node, 'natswarm-sleep:1', 'sh', '-c', script);
  const [id = ''] = (await worker.engine.mustDocker('ps', '-q')).split('\n');
  const isDone = async (): Promise<boolean> =>
    (await worker.engine.docker('exec', id, 'cat', '/tmp/done')).code === 0;
  await until(isDone, 600_000, 'the lines');
  return id;
}

/** Reads an answer to its end, with a rest in the middle of the wanted bytes; ms. */
async function read(socketPath: string, path: string, look: () => void): Promise<number> {
  const began = performance.now();
  const [res] = (await once(request({ socketPath, path }).end(), 'response')) as [IncomingMessage];
  let received = 0;
  for await (const chunk of res as AsyncIterable<Buffer>) {
    const isMiddle = received < wanted / 2 && received + chunk.length >= wanted / 2;
    received += chunk.length;
    look();
    if (isMiddle && path.startsWith('/v1.51')) await sleep(restMs);
  }
  if (received < wanted) throw new Error(`${received} of ${wanted} bytes came`);
  return performance.now() - began;
}

class Growth {
  most = 0;
  readonly #pid: number;
  readonly #before: number;
  #looks = 0;
  constructor(pid: number) {
    this.#pid = pid;
    this.#before = rssMb(pid);
  }
  look(): void {
    if (this.#looks++ % 100 === 0) this.most = Math.max(this.most, rssMb(this.#pid) - this.#before);
  }
}

const rssMb = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
