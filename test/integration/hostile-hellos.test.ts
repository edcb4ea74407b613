// Giant hellos do not fill disks: a plain NATS client with a worker's real certificate against a real daemon.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { NatsConnection } from 'nats';
import { limits } from '../../domain/limits.ts';
import { connectRaw, joinRaw } from '../support/intruder.ts';
import { type Pair, startPair } from '../support/pair.ts';

let pair: Pair;
let mallory: Awaited<ReturnType<typeof joinRaw>>;
let raw: NatsConnection;

beforeAll(async () => {
  pair = await startPair('hellos');
  await pair.manager.mustDocker('swarm', 'init');
  mallory = await joinRaw(Number(pair.remote.split(':')[1]), await pair.token());
  raw = await connectRaw(mallory.busPort, mallory);
});
afterAll(async () => {
  await raw?.close();
  await pair?.stop();
});

const describeAs = (hostname: string, bytes: number): object => ({
  session: 's',
  description: {
    hostname,
    platform: { architecture: 'x86_64', os: 'linux' },
    resources: { nanoCpus: 1e9, memoryBytes: 1e9 },
    engine: {
      version: '28.0.0',
      labels: { fill: 'x'.repeat(Math.min(bytes, 15_000)) },
      plugins: Array.from({ length: Math.max(0, bytes - 15_000) / 270 }, (_, i) => ({
        type: 'Log',
        name: `${i}`.padEnd(240, 'x'),
      })),
    },
  },
});

async function hello(body: object): Promise<{ readonly ok: boolean }> {
  const subject = `natswarm.v1.agent.${mallory.nodeId}.hello`;
  const answer = await raw.request(subject, JSON.stringify(body), { timeout: 60_000 });
  return answer.json<{ ok: boolean }>();
}
const index = async (): Promise<number> =>
  (
    JSON.parse((await pair.manager.mustDocker('node', 'inspect', mallory.nodeId)) as string) as [
      { Version: { Index: number } },
    ]
  )[0].Version.Index;

test('each hello opens a session, and only what its node can pay for goes into the log', async () => {
  const bytes = 50_000;
  const most = Math.ceil(limits.descriptionChangeBytesBurst / bytes);
  const before = await index();
  let versions = 0;
  let last = before;
  for (let i = 0; i < 2 * most; i++) {
    expect(await hello(describeAs(`h${i}`, bytes))).toMatchObject({ ok: true });
    const now = await index();
    if (now > last) versions += 1;
    last = now;
  }
  expect(versions).toBeGreaterThan(most / 2);
  expect(versions).toBeLessThanOrEqual(most + 3);
  expect(pair.manager.log()).toContain('"description_refused"');
  expect(await pair.manager.mustDocker('node', 'ls', '-q')).toContain(mallory.nodeId);
});
