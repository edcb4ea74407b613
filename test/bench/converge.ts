import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Daemon, residentBytes, startDaemon } from '../support/daemon.ts';
import { type Engine, loadImages, SLEEP, startEngine } from '../support/engine.ts';
import { median } from './statistics.ts';

const replicas = 30;
/** Rounds in which the parallelisms of the bare loop are compared, and rounds in which the best is measured beside a service. */
const rounds = { compared: 3, measured: 15 } as const;
const parallelism = [4, 8, 16, 30] as const;

/**
 * From the POST of a service with 30 replicas to the 30th RUNNING in GET /tasks, against a bare loop over the engine's
 * API that creates and starts the same 30 containers on the same network. The loop has the parallelism that was the best
 * of several in rounds of their own: a choice by the measured rounds themselves would take the luckiest for the best.
 * Loop and service alternate in one run. `ratio` is median over median; `rssMb` the peak of daemon and nats-server.
 */
export async function bench(progress: (line: string) => void): Promise<Record<string, number>> {
  const engine = await startEngine({ name: 'converge' });
  try {
    await loadImages(engine);
    const daemon = await startDaemon(engine);
    try {
      await daemon.mustDocker('swarm', 'init');
      return await measure(engine, daemon, progress);
    } finally {
      await daemon.stop();
    }
  } finally {
    await engine.stop();
  }
}

async function measure(
  engine: Engine,
  daemon: Daemon,
  progress: (line: string) => void,
): Promise<Record<string, number>> {
  await serviceRound(daemon, 'warm-up');
  await loopRound(engine, 8);
  const best = await bestParallelism(engine, progress);
  const loops: number[] = [];
  const services: number[] = [];
  let rss = 0;
  for (let round = 1; round <= rounds.measured; round++) {
    const loop = await loopRound(engine, best);
    const service = await serviceRound(daemon, `round-${round}`);
    loops.push(loop);
    services.push(service);
    rss = Math.max(rss, residentBytes([daemon.pid, daemon.serverPid()]));
    progress(
      `round ${round}/${rounds.measured}: bare loop of ${best} ${loop.toFixed(0)} ms, service ${service.toFixed(0)} ms`,
    );
  }
  const [loopMs, serviceMs] = [median(loops), median(services)];
  return { ratio: serviceMs / loopMs, rssMb: rss / 2 ** 20, serviceMs, loopMs, parallelism: best };
}

async function bestParallelism(engine: Engine, progress: (line: string) => void): Promise<number> {
  const taken = new Map<number, number[]>(parallelism.map((p) => [p, []]));
  for (let round = 1; round <= rounds.compared; round++)
    for (const [parallel, times] of taken) times.push(await loopRound(engine, parallel));
  const medians = [...taken].map(([parallel, times]) => ({ parallel, ms: median(times) }));
  for (const { parallel, ms } of medians) progress(`bare loop of ${parallel}: ${ms.toFixed(0)} ms`);
  return medians.reduce((best, next) => (next.ms < best.ms ? next : best)).parallel;
}

interface ListedTask {
  readonly Status: { readonly State: string; readonly Err?: string };
}

async function serviceRound(daemon: Daemon, name: string): Promise<number> {
  const spec = {
    Name: name,
    TaskTemplate: { ContainerSpec: { Image: SLEEP } },
    Mode: { Replicated: { Replicas: replicas } },
  };
  const began = performance.now();
  const created = await daemon.api('POST', '/v1.51/services/create', spec);
  if (created.status !== 201) throw new Error(created.text);
  const filters = encodeURIComponent(JSON.stringify({ service: [name] }));
  for (;;) {
    const { body } = await daemon.api('GET', `/v1.51/tasks?filters=${filters}`);
    const tasks = body as readonly ListedTask[];
    const running = tasks.filter((t) => t.Status.State === 'running').length;
    if (running === replicas) break;
    const broken = tasks.find((t) => (t.Status.Err ?? '') !== '');
    if (broken !== undefined) throw new Error(`a task failed: ${broken.Status.Err}`);
    if (performance.now() - began > 60_000) throw new Error(`${running} of ${replicas} after 60 s`);
    await sleep(20);
  }
  const taken = performance.now() - began;
  const removed = await daemon.api('DELETE', `/v1.51/services/${name}`);
  if (removed.status !== 200) throw new Error(removed.text);
  for (;;) {
    const left = (await daemon.api('GET', '/v1.51/containers/json?all=1')).body as unknown[];
    if (left.length === 0) break;
    await sleep(100);
  }
  return taken;
}

async function loopRound(engine: Engine, parallel: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: parallel });
  const ids: string[] = [];
  const began = performance.now();
  let next = 0;
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (next < replicas) {
        next += 1;
        const { Id } = await call(engine, agent, 'POST', '/v1.51/containers/create', {
          Image: SLEEP,
        });
        await call(engine, agent, 'POST', `/v1.51/containers/${Id}/start`);
        ids.push(String(Id));
      }
    }),
  );
  const taken = performance.now() - began;
  for (let i = 0; i < ids.length; i += 8)
    await Promise.all(
      ids
        .slice(i, i + 8)
        .map((id) => call(engine, agent, 'DELETE', `/v1.51/containers/${id}?force=1&v=1`)),
    );
  agent.destroy();
  return taken;
}

function call(
  engine: Engine,
  agent: Agent,
  method: string,
  path: string,
  body?: object,
): Promise<{ readonly Id?: string }> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? '' : JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': payload.length };
    const req = request({ socketPath: engine.socket, agent, method, path, headers }, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => (text += chunk));
      res.on('end', () => {
        if ((res.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${text}`));
        else resolve(text.startsWith('{') ? (JSON.parse(text) as { Id?: string }) : {});
      });
    });
    req.on('error', reject);
    req.end(payload);
  });
}
