import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type NatsConnection } from 'nats';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { startEngine } from '../support/engine.ts';
import { nodeIdOf } from '../support/swarm-hosts.ts';
import { median, quantile } from './statistics.ts';

const services = 32;
const rounds = 5;
const updatesAlone = 200;
const updatesTogether = 3_200;

interface Service {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly Labels?: Readonly<Record<string, string>> };
}
interface Round {
  readonly perS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}
/** Updates one service; answers how long the update itself took, ms. */
type Update = (service: number, label: string) => Promise<number>;

/**
 * Label-only updates of 32 services without replicas, full validation, each acknowledged as durable; one at a time
 * and 32 in flight. Through the socket every update is what an API client does: GET for the version, then POST. The
 * latency is the POST's, the rate counts the GETs in. Through the bus the reply tells the new version.
 */
export async function bench(progress: (line: string) => void): Promise<Record<string, number>> {
  const engine = await startEngine({ name: 'commands' });
  try {
    const daemon = await startDaemon(engine, { netns: '' });
    try {
      await daemon.mustDocker('swarm', 'init');
      const ids = await createServices(daemon);
      const bus = await connectBus(daemon);
      try {
        return await measure(
          socketUpdate(daemon, ids),
          await busUpdate(daemon, bus, ids),
          progress,
        );
      } finally {
        await bus.close();
      }
    } finally {
      await daemon.stop();
    }
  } finally {
    await engine.stop();
  }
}

async function measure(
  socket: Update,
  bus: Update,
  progress: (line: string) => void,
): Promise<Record<string, number>> {
  const results = {
    socket: [] as Round[],
    bus: [] as Round[],
    alone: [] as Round[],
    busAlone: [] as Round[],
  };
  await together(socket, 320);
  await together(bus, 320);
  for (let round = 1; round <= rounds; round++) {
    results.alone.push(await alone(socket));
    results.socket.push(await together(socket, updatesTogether));
    results.busAlone.push(await alone(bus));
    results.bus.push(await together(bus, updatesTogether));
    progress(
      `round ${round}/${rounds}: socket ${show(results.socket.at(-1))}, bus ${show(results.bus.at(-1))}`,
    );
  }
  const of = (runs: readonly Round[], field: keyof Round): number =>
    median(runs.map((r) => r[field]));
  return {
    updatesPerS: of(results.socket, 'perS'),
    p50Ms: of(results.socket, 'p50Ms'),
    p99Ms: of(results.socket, 'p99Ms'),
    busUpdatesPerS: of(results.bus, 'perS'),
    busP50Ms: of(results.bus, 'p50Ms'),
    busP99Ms: of(results.bus, 'p99Ms'),
    aloneP50Ms: of(results.alone, 'p50Ms'),
    aloneP99Ms: of(results.alone, 'p99Ms'),
    busAloneP50Ms: of(results.busAlone, 'p50Ms'),
    busAloneP99Ms: of(results.busAlone, 'p99Ms'),
  };
}

const show = (round: Round | undefined): string =>
  round === undefined
    ? '-'
    : `${round.perS.toFixed(0)}/s p50 ${round.p50Ms.toFixed(1)} ms p99 ${round.p99Ms.toFixed(1)} ms`;

async function alone(update: Update): Promise<Round> {
  const began = performance.now();
  const times: number[] = [];
  for (let i = 0; i < updatesAlone; i++) times.push(await update(i % services, String(i)));
  return summary(times, performance.now() - began);
}

async function together(update: Update, count: number): Promise<Round> {
  const began = performance.now();
  const times: number[] = [];
  let next = 0;
  // each worker has a service of its own, so no update meets a stale version
  await Promise.all(
    Array.from({ length: services }, async (_, service) => {
      while (next < count) {
        next += 1;
        times.push(await update(service, String(next)));
      }
    }),
  );
  return summary(times, performance.now() - began);
}

const summary = (times: readonly number[], tookMs: number): Round => ({
  perS: (times.length * 1_000) / tookMs,
  p50Ms: quantile(times, 0.5),
  p99Ms: quantile(times, 0.99),
});

const specOf = (n: number, label: string): object => ({
  Name: `bench-${n}`,
  Labels: { round: label },
  TaskTemplate: { ContainerSpec: { Image: 'natswarm-sleep:1', Env: ['A=1'] } },
  Mode: { Replicated: { Replicas: 0 } },
});

async function createServices(daemon: Daemon): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let n = 0; n < services; n++) {
    const { status, text, body } = await daemon.api(
      'POST',
      '/v1.51/services/create',
      specOf(n, ''),
    );
    if (status !== 201) throw new Error(text);
    ids.push((body as { ID: string }).ID);
  }
  return ids;
}

function socketUpdate(daemon: Daemon, ids: readonly string[]): Update {
  return async (service, label) => {
    const id = ids[service] as string;
    const found = (await daemon.api('GET', `/v1.51/services/${id}`)).body as Service;
    const began = performance.now();
    const path = `/v1.51/services/${id}/update?version=${found.Version.Index}`;
    const { status, text } = await daemon.api('POST', path, specOf(service, label));
    if (status !== 200) throw new Error(text);
    return performance.now() - began;
  };
}

async function busUpdate(
  daemon: Daemon,
  bus: NatsConnection,
  ids: readonly string[],
): Promise<Update> {
  const versions = new Map<string, number>();
  return async (service, label) => {
    const id = ids[service] as string;
    const version = versions.get(id) ?? (await versionOf(daemon, id));
    const began = performance.now();
    const body = JSON.stringify({ id, version, spec: specOf(service, label) });
    const answer = await bus.request('natswarm.v1.command.service.update', body, {
      timeout: 5_000,
    });
    const reply = answer.json<{ ok: boolean; index: number; error?: { message: string } }>();
    if (!reply.ok) {
      // the rounds through the socket have moved it on
      if (reply.error?.message !== 'update out of sequence') throw new Error(reply.error?.message);
      versions.delete(id);
      return performance.now() - began;
    }
    versions.set(id, reply.index);
    return performance.now() - began;
  };
}

async function versionOf(daemon: Daemon, id: string): Promise<number> {
  return ((await daemon.api('GET', `/v1.51/services/${id}`)).body as Service).Version.Index;
}

async function connectBus(daemon: Daemon): Promise<NatsConnection> {
  const file = (name: string): Promise<string> =>
    readFile(join(daemon.stateDir, 'certificates', name), 'utf8');
  const [cert, key, ca] = await Promise.all(
    ['swarm-node.crt', 'swarm-node.key', 'swarm-root-ca.crt'].map(file),
  );
  const nodeId = await nodeIdOf(daemon);
  return connect({
    servers: `127.0.0.1:${daemon.busPort}`,
    inboxPrefix: `_INBOX_${nodeId}`,
    tls: { cert, key, ca, servername: 'swarm-manager' } as object,
    maxReconnectAttempts: 3,
  });
}
