// The hostile node of `npm run soak -- hostile`: a program of its own, so that what it costs is not its observer's.
// It reads one JSON object from its standard input, prints its node ID, and at its end what it has done.

import { text } from 'node:stream/consumers';
import { connect as connectTcp, type Socket } from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import { subjects } from '../../bus/subjects.ts';
import { Random } from '../sim/world/random.ts';
import { connectRaw, joinRaw } from '../support/intruder.ts';

export interface IntruderInput {
  /** Addresses of managers. */
  readonly managers: readonly string[];
  readonly token: string;
  readonly seed: number;
  readonly seconds: number;
}

/** What it does in turn, for some seconds each; how often, relative to the others. */
const weights = {
  talk: 3,
  flood: 2,
  bulk: 2,
  connections: 1,
  subscriptions: 1,
  silence: 1,
} as const;
type Kind = keyof typeof weights;
const turnMs = { min: 1_000, max: 5_000 } as const;
const joinPort = 2377;
const routePort = 7947;
const askedAtOnce = 20;
const connectionsMax = 300;
const silentMax = 1_000;
const subscriptionsMax = 100_000;
const sentBetweenFlushes = 1_000;
const bodyBytesMax = 5 * 2 ** 20;

const input = JSON.parse(await text(process.stdin)) as IntruderInput;
const random = new Random(input.seed, 'intruder');
const own = await joinRaw(joinPort, input.token, input.managers[0]);
process.stdout.write(`${JSON.stringify({ nodeId: own.nodeId })}\n`);
const done: Record<Kind | 'cut', number> = {
  talk: 0,
  flood: 0,
  bulk: 0,
  connections: 0,
  subscriptions: 0,
  silence: 0,
  cut: 0,
};

const manager = (): string => random.pick(input.managers);
const connect = (): Promise<NatsConnection> => connectRaw(own.busPort, own, manager());
const ownSubject = (verb: 'hello' | 'status' | 'beat' | 'leave'): string =>
  subjects.agent(own.nodeId, verb);

/** A value of any kind, nested now and then. */
function anything(depth = 0): unknown {
  const plain: readonly unknown[] = [
    null,
    true,
    -1,
    1e300,
    2 ** 53,
    '',
    '\u001b[2J\n\r\0',
    'x'.repeat(random.int(0, 5_000)),
    '__proto__',
  ];
  if (depth > 3 || random.chance(0.6)) return random.pick(plain);
  const length = random.int(0, 5);
  return random.chance(0.5)
    ? Array.from({ length }, () => anything(depth + 1))
    : Object.fromEntries(
        Array.from({ length }, (_, i) => [random.pick(['a', 'b', `k${i}`]), anything(depth + 1)]),
      );
}

/** `value`, with some of its fields, at any depth, replaced by anything. */
function nearly(value: unknown): unknown {
  if (random.chance(0.1)) return anything();
  if (Array.isArray(value)) return value.map(nearly);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, nearly(inner)]));
}

const hello = (): object => ({
  session: 's',
  description: {
    hostname: 'mallory',
    platform: { architecture: 'x86_64', os: 'linux' },
    resources: { nanoCpus: 1e9, memoryBytes: 1e9, generic: [] },
    engine: { version: '28.0.0', labels: { a: 'b' }, plugins: [{ type: 'Log', name: 'x' }] },
  },
});
const status = (): object => ({
  session: 's',
  updates: [{ taskId: random.id(), status: { state: 'running', at: Date.now(), message: 'm' } }],
});

function body(valid: object): string | Uint8Array {
  switch (random.weighted({ valid: 3, near: 4, deep: 1, garbage: 2, empty: 1, large: 1 })) {
    case 'valid':
      return JSON.stringify(valid);
    case 'near':
      return JSON.stringify(nearly(valid));
    case 'deep':
      return '['.repeat(random.int(1, 100_000));
    case 'garbage':
      return Uint8Array.from({ length: random.int(1, 2_000) }, () => random.int(0, 255));
    case 'empty':
      return '';
    case 'large':
      return 'x'.repeat(random.int(1, bodyBytesMax));
  }
}

/** Until `end`, again and again over a new connection whenever one is cut. */
async function connected(
  end: number,
  work: (connection: NatsConnection) => Promise<void>,
): Promise<void> {
  while (performance.now() < end)
    try {
      const connection = await connect();
      try {
        while (performance.now() < end && !connection.isClosed()) await work(connection);
      } finally {
        await connection.close();
      }
    } catch {
      done.cut += 1;
      await sleep(50);
    }
}

const turns: Readonly<Record<Kind, (end: number) => Promise<void>>> = {
  talk: (end) =>
    connected(end, async (connection) => {
      const asked = Array.from({ length: askedAtOnce }, async () => {
        const [subject, valid] = random.pick([
          [ownSubject('hello'), hello()],
          [ownSubject('status'), status()],
          [ownSubject('beat'), { session: 's' }],
          [ownSubject('leave'), {}],
          [subjects.command('service.create'), {}],
          [subjects.manager(random.id(), 'command'), {}],
        ] as const);
        await connection.request(subject, body(valid), { timeout: 1_000 }).catch(() => undefined);
        done.talk += 1;
      });
      await Promise.all(asked);
    }),
  flood: (end) =>
    connected(end, async (connection) => {
      const said = random.pick([JSON.stringify({ session: 's' }), '{}', '']);
      for (let i = 0; i < sentBetweenFlushes; i++) connection.publish(ownSubject('beat'), said);
      done.flood += sentBetweenFlushes;
      await connection.flush();
    }),
  bulk: (end) =>
    connected(end, async (connection) => {
      connection.publish(
        ownSubject(random.pick(['hello', 'status', 'beat'])),
        '[1,'.repeat(random.int(1, 1_300_000)),
      );
      done.bulk += 1;
      await connection.flush();
    }),
  connections: async (end) => {
    const open: NatsConnection[] = [];
    while (performance.now() < end && open.length < connectionsMax)
      try {
        open.push(await connect());
        done.connections += 1;
      } catch {
        done.cut += 1;
        await sleep(50);
      }
    await sleep(Math.max(0, end - performance.now()));
    await Promise.all(open.map((connection) => connection.close()));
  },
  subscriptions: (end) =>
    connected(end, async (connection) => {
      for (let i = 0; i < subscriptionsMax && performance.now() < end; i++) {
        connection.subscribe(`${subjects.inboxPrefix(own.nodeId)}.${i}`, {
          callback: () => undefined,
        });
        done.subscriptions += 1;
        if (i % sentBetweenFlushes === 0) await connection.flush();
        if (connection.isClosed()) return;
      }
    }),
  silence: async (end) => {
    const open: Socket[] = [];
    for (let i = 0; i < silentMax && performance.now() < end; i++) {
      const port = random.pick([joinPort, own.busPort, routePort]);
      open.push(connectTcp({ host: manager(), port }).on('error', () => undefined));
      done.silence += 1;
      if (i % 50 === 0) await sleep(1);
    }
    await sleep(Math.max(0, end - performance.now()));
    for (const socket of open) socket.destroy();
  },
};

const end = performance.now() + input.seconds * 1_000;
while (performance.now() < end) {
  const turnEnd = Math.min(end, performance.now() + random.between(turnMs.min, turnMs.max));
  await turns[random.weighted(weights)](turnEnd);
}
process.stdout.write(`${JSON.stringify(done)}\n`);
process.exit(0);
