// One worker that sends all that its connection gives: it is cut off and shown as such, and nobody else pays for it.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { NatsConnection } from 'nats';
import { limits } from '../../domain/limits.ts';
import { until } from '../support/engine.ts';
import { connectRaw, joinRaw } from '../support/intruder.ts';
import { type Pair, startPair } from '../support/pair.ts';

let pair: Pair;
let tasks = '';
let since = '';

beforeAll(async () => {
  pair = await startPair('flood');
  const { manager } = pair;
  await manager.mustDocker('swarm', 'init');
  await pair.join();
  const create =
    'service create --quiet --no-resolve-image --mode global --name everywhere natswarm-sleep:1 sleep 1000';
  await manager.mustDocker(...create.split(' '));
  tasks = await running();
  expect(tasks.split('\n')).toHaveLength(2);
  since = `${Date.now() / 1_000}`;
});
afterAll(() => pair?.stop());

const running = (): Promise<string> =>
  pair.manager.mustDocker('service', 'ps', '--no-trunc', '--format', '{{.ID}}', 'everywhere');

type Node = Awaited<ReturnType<typeof joinRaw>>;

const deep = Buffer.from('['.repeat(limits.serverPayloadBytesMax));
const invalid = Buffer.alloc(limits.serverPayloadBytesMax, 0x20);

/** Publishes until the connection is closed, in portions that the server has taken; how many messages that was. */
async function flood(
  raw: NatsConnection,
  subject: string,
  body: Uint8Array,
  portion: number,
): Promise<number> {
  const bytesMax = 2 ** 30;
  let sent = 0;
  while (!raw.isClosed() && sent * body.length < bytesMax) {
    for (let i = 0; i < portion; i++) raw.publish(subject, body);
    sent += portion;
    // the client forgets its question when the server closes the connection
    await Promise.race([raw.flush().catch(() => undefined), raw.closed()]);
  }
  return sent;
}

/** The states that others than this node have come to since the test began. */
async function changesOf(except: readonly Node[]): Promise<readonly string[]> {
  const until = `${Date.now() / 1_000}`;
  const filter = ['--filter', 'type=node', '--format', '{{json .}}'];
  const lines = await pair.manager.mustDocker(
    'events',
    '--since',
    since,
    '--until',
    until,
    ...filter,
  );
  return lines
    .split('\n')
    .filter(
      (line) => line.includes('state.new') && !except.some(({ nodeId }) => line.includes(nodeId)),
    );
}

const hostile: Node[] = [];

describe.each([
  ['heartbeats', 'beat', Buffer.from('{"session":"s"}'), 2_000],
  ['bodies without a bottom', 'hello', deep, 1],
  ['bodies that are none', 'status', invalid, 1],
])('%s', (_, verb, body, portion) => {
  test('the node is cut off and kept out, and all others go on', async () => {
    const { manager } = pair;
    const node = await joinRaw(Number(pair.remote.split(':')[1]), await pair.token());
    hostile.push(node);
    const raw = await connectRaw(node.busPort, node);
    await flood(raw, `natswarm.v1.agent.${node.nodeId}.${verb}`, body, portion);
    await raw.closed();
    await expect(connectRaw(node.busPort, node)).rejects.toThrow(/Authorization Violation/i);
    const shown = await manager.mustDocker(
      'node',
      'inspect',
      '--format',
      '{{.Status.State}} {{.Status.Message}}',
      node.nodeId,
    );
    expect(shown).toMatch(
      /^down sends more than 1000 messages or 2 MiB a second: cut off for 60 s$/,
    );
    expect(await running()).toBe(tasks);
    expect(await changesOf([])).not.toEqual([]);
    expect(await changesOf(hostile)).toEqual([]);
    expect((await pair.nodes('{{.Status}}')).filter((status) => status === 'Ready')).toHaveLength(
      2,
    );
    const told = (event: string): boolean =>
      manager
        .log()
        .split('\n')
        .some((line) => line.includes(`"${event}"`) && line.includes(node.nodeId));
    await until(() => told('node_flood_refused') && told('node_cut_off'), 5_000, 'the log');
    await manager.mustDocker('node', 'rm', '--force', node.nodeId);
  });
});
