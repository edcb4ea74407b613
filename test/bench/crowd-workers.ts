// Workers of the benchmarks `reconnect` and `scale`: many agents in one process, as they are but for their containers, which are
// simulated, and their files, which are in memory. Each has joined by itself and has a connection of its own.

import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { createAgent } from '../../actors/agent/agent.ts';
import { membershipFrom } from '../../bus/bodies.ts';
import { type BusConnection, connectBus } from '../../bus/nats/bus.ts';
import type { LeaderTerm } from '../../bus/protocol.ts';
import { subjects } from '../../bus/subjects.ts';
import { joinThrough, tokenFrom } from '../../cmd/join-cluster.ts';
import { idFromBytes } from '../../domain/ids.ts';
import { createRequest, generateKeys, privateKeyToPem } from '../../pki/mod.ts';
import { systemClock } from '../../supervisors/clock.ts';
import { SimulatedEngine } from '../sim/world/container-engine.ts';
import { simulatedExecutor } from '../sim/world/executor.ts';

export interface WorkersOrder {
  /** `host:port` of the manager's join listener. */
  readonly addr: string;
  readonly token: string;
  readonly workers: number;
  readonly inFlight: number;
}
/** Sent with each session that a leader has taken: how many of the agents obey this leader. */
export interface Obedience {
  readonly epoch: number;
  readonly agents: number;
  /** What went wrong since the last message, and how often. */
  readonly events: Readonly<Record<string, number>>;
}

const forever = new AbortController().signal;
const obedient = new Map<number, number>();
const events = new Map<string, number>();

function report(event: string, fields: object): void {
  const { error = '' } = fields as { error?: unknown };
  const key = `${event} ${error instanceof Error ? error.message : String(error)}`.slice(0, 120);
  events.set(key, (events.get(key) ?? 0) + 1);
}

function obeys({ epoch }: LeaderTerm): void {
  const agents = (obedient.get(epoch) ?? 0) + 1;
  obedient.set(epoch, agents);
  process.send?.({ epoch, agents, events: Object.fromEntries(events) } satisfies Obedience);
  events.clear();
}

async function work({ addr, token }: WorkersOrder): Promise<void> {
  const { privateKey } = generateKeys();
  const ask = {
    token,
    request: createRequest(privateKey),
    availability: 'active',
    labels: {},
    addr: '',
  };
  const issued = await joinThrough(addr, tokenFrom(token), ask, forever);
  const { nodeId, certificate, roots } = issued;
  const identity = { cert: certificate, key: privateKeyToPem(privateKey), ca: roots };
  const bus = await connectBus({
    servers: issued.managers.map((manager) => manager.bus),
    name: `agent ${nodeId}`,
    tls: () => identity,
    inboxPrefix: subjects.inboxPrefix(nodeId),
    onError: (error, subject) => report(`bus ${subject}`, { error }),
  });
  heedManagers(bus, nodeId);
  const engine = new SimulatedEngine({ clock: systemClock, random: Math.random });
  let obeyed: LeaderTerm = { generation: 0, epoch: 0 };
  const agent = createAgent({
    nodeId,
    bus,
    executor: simulatedExecutor(engine),
    clock: systemClock,
    wallNow: Date.now,
    random: Math.random,
    newId: () => idFromBytes(randomBytes(16)),
    epochStore: { load: () => obeyed, save: (epoch) => (obeyed = epoch) },
    engineGraceMs: 60_000,
    onLeaderTerm: obeys,
    log: report,
  });
  agent.start();
}

function heedManagers(bus: BusConnection, nodeId: string): void {
  bus.subscribe(subjects.node(nodeId, 'membership'), ({ body }) => {
    const managers = membershipFrom(body)?.managers ?? [];
    if (managers.length > 0) bus.setServers(managers.map((manager) => manager.bus));
  });
}

async function start(order: WorkersOrder): Promise<void> {
  let left = order.workers;
  await Promise.all(
    Array.from({ length: order.inFlight }, async () => {
      while (left > 0) {
        left -= 1;
        await work(order);
      }
    }),
  );
}

process.on('disconnect', () => process.exit(0));
process.on('message', (order: WorkersOrder) => {
  start(order).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  });
});
