import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Daemon, residentBytes, startDaemon } from '../support/daemon.ts';
import { type Engine, loadImages, SLEEP, startEngine } from '../support/engine.ts';
import { median } from './statistics.ts';

const replicas = 30;
const rounds = 5;
const parallelism = [4, 8, 16, 30] as const;

/**
 * From the POST of a service with 30 replicas to the 30th RUNNING in GET /tasks, against a bare loop over the engine's
 * API that creates and starts the same 30 containers on the same network, with the best of several parallelisms. The
 * two alternate in one run. `ratio` is median over median of the best; `rssMb` the peak of daemon and nats-server.
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
  const loops = new Map<number, number[]>(parallelism.map((p) => [p, []]));
  const services: number[] = [];
  let rss = 0;
  await serviceRound(daemon, 'warm-up');
  await loopRound(engine, 8);
  for (let round = 1; round <= rounds; round++) {
    for (const parallel of parallelism) {
      loops.get(parallel)?.push(await loopRound(engine, parallel));
      const taken = await serviceRound(daemon, `round-${round}-${parallel}`);
      services.push(taken);
      rss = Math.max(rss, residentBytes([daemon.pid, daemon.serverPid()]));
      const bare = loops.get(parallel)?.at(-1)?.toFixed(0);
      progress(
        `round ${round}/${rounds}: bare loop of ${parallel} ${bare} ms, service ${taken.toFixed(0)} ms`,
      );
    }
  }
  const loopMs = Math.min(...[...loops.values()].map(median));
  const serviceMs = median(services);
  return { ratio: serviceMs / loopMs, rssMb: rss / 2 ** 20, serviceMs, loopMs };
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
