import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import process from 'node:process';
import { startDaemon } from '../support/daemon.ts';
import { type Engine, loadImages, SLEEP, startEngine } from '../support/engine.ts';
import { median } from './statistics.ts';

const megabytes = Number(process.env['PASSTHROUGH_MB'] ?? 500);
const rounds = Number(process.env['PASSTHROUGH_ROUNDS'] ?? 5);
const pings = 300;
const image = 'natswarm-bulk:1';

/** Seconds by kind of work, through the front and straight to the engine. */
type Times = Record<'load' | 'execIn' | 'save' | 'ping' | 'list', number[]>;
type Side = readonly [socket: string, times: Times];
const none = (): Times => ({ load: [], execIn: [], save: [], ping: [], list: [] });

/**
 * Bulk data and small questions of the docker CLI and of an API client, alternating between natswarm's socket and the
 * engine's own. The ratios are of medians; 1 is the engine itself.
 */
export async function bench(progress: (line: string) => void): Promise<Record<string, number>> {
  const engine = await startEngine({ name: 'passthrough' });
  try {
    await loadImages(engine);
    const files = await makeFiles(engine);
    const daemon = await startDaemon(engine, { netns: '' });
    try {
      await daemon.mustDocker('swarm', 'init');
      const front: Side = [daemon.socket, none()];
      const direct: Side = [engine.socket, none()];
      for (let round = 1; round <= rounds; round++)
        for (const [socket, times] of inTurn(round, front, direct)) {
          await measure(socket, files, times);
          const last = Object.entries(times).map(
            ([kind, all]) => `${kind} ${all.at(-1)?.toFixed(4)}`,
          );
          progress(`round ${round}/${rounds} ${socket} ${last.join(' ')}`);
        }
      return figuresOf(front[1], direct[1]);
    } finally {
      await daemon.stop();
    }
  } finally {
    await engine.stop();
  }
}

/** Who goes first changes: the second finds more in the caches. */
const inTurn = (round: number, a: Side, b: Side): readonly Side[] =>
  round % 2 === 0 ? [a, b] : [b, a];

function figuresOf(front: Times, direct: Times): Record<string, number> {
  const ratio = (kind: keyof Times): number => median(front[kind]) / median(direct[kind]);
  const extraMs = (kind: keyof Times): number =>
    (median(front[kind]) - median(direct[kind])) * 1_000;
  return {
    loadRatio: ratio('load'),
    execInRatio: ratio('execIn'),
    saveRatio: ratio('save'),
    pingExtraMs: extraMs('ping'),
    listExtraMs: extraMs('list'),
    loadS: median(direct.load),
    execInS: median(direct.execIn),
    saveS: median(direct.save),
    pingMs: median(direct.ping) * 1_000,
  };
}

interface Files {
  readonly random: string;
  readonly archive: string;
}

/** What is sent: random bytes, an image of them, and the container that takes them. */
async function makeFiles(engine: Engine): Promise<Files> {
  const random = join(engine.dir, 'random');
  const archive = join(engine.dir, 'archive.tar');
  const tar = join(engine.dir, 'layer.tar');
  await shell(
    `head -c ${megabytes}000000 /dev/urandom >${random} && tar -C ${engine.dir} -cf ${tar} random`,
  );
  await engine.mustDocker('import', tar, image);
  await engine.mustDocker('save', '-o', archive, image);
  await rm(tar);
  await engine.mustDocker('run', '--detach', '--name', 'takes', SLEEP);
  return { random, archive };
}

async function measure(socket: string, { random, archive }: Files, times: Times): Promise<void> {
  times.save.push(await docker(socket, '/dev/null', 'save', image));
  await docker(socket, '/dev/null', 'rmi', image);
  times.load.push(await docker(socket, archive, 'load', '--quiet'));
  times.execIn.push(
    await docker(socket, random, 'exec', '-i', 'takes', 'sh', '-c', 'cat >/dev/null'),
  );
  times.ping.push(await asks(socket, '/_ping'));
  times.list.push(await asks(socket, '/v1.48/containers/json'));
}

/** Runs the CLI with a file as its input; seconds. */
async function docker(socket: string, input: string, ...args: string[]): Promise<number> {
  // Otherwise the disk writes of the call before, an image load for one, would count into the time of this one.
  await shell('sync');
  const stdin = openSync(input, 'r');
  const began = performance.now();
  const child = spawn('docker', ['--host', `unix://${socket}`, ...args], {
    stdio: [stdin, 'ignore', 'inherit'],
  });
  closeSync(stdin);
  const [code] = (await once(child, 'exit')) as [number];
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: exit ${code}`);
  return (performance.now() - began) / 1_000;
}

/** The median of questions one after the other on one connection, seconds. */
async function asks(socketPath: string, path: string): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  for (let i = 0; i < pings; i++) {
    const began = performance.now();
    await new Promise<void>((resolve, reject) => {
      request({ socketPath, path, agent }, (res) => res.resume().on('end', resolve))
        .on('error', reject)
        .end();
    });
    times.push((performance.now() - began) / 1_000);
  }
  agent.destroy();
  return median(times);
}

async function shell(command: string): Promise<void> {
  const [code] = (await once(spawn('sh', ['-c', command], { stdio: 'inherit' }), 'exit')) as [
    number,
  ];
  if (code !== 0) throw new Error(`${command}: exit ${code}`);
}
