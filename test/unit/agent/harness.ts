import { createAgent } from '../../../actors/agent/agent.ts';
import type { BusMessage } from '../../../bus/ports.ts';
import type { Assign, LeaderTerm, Hello, StatusReport } from '../../../bus/protocol.ts';
import { subjects } from '../../../bus/subjects.ts';
import { endedOf, hasEndedOnNode } from '../../../domain/assign/ended.ts';
import type { Task, TaskStatus } from '../../../domain/model/objects.ts';
import { ownPartOf, templateOf } from '../../../domain/model/template.ts';
import { Registry } from '../../../supervisors/registry.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { type MemoryBus, MemoryHub } from '../../support/memory-bus.ts';
import { settle } from '../../support/settle.ts';
import { line } from './builders.ts';
import { FakeEngine } from './fake-engine.ts';

/** A leader that knows what it assigned and keeps what was reported. */
export class FakeLeader {
  epoch: LeaderTerm = { generation: 1, epoch: 1 };
  readonly hellos: Hello[] = [];
  readonly reports: StatusReport[] = [];
  /** Newest status of each task, as acknowledged. */
  readonly statuses = new Map<string, TaskStatus>();
  tasks: Task[] = [];
  seq = 0;
  /** Answers instead of the usual ones; `undefined`: none at all. */
  onHello: ((hello: Hello) => unknown) | undefined;
  onStatus: ((report: StatusReport) => unknown) | undefined;
  onLeave: (() => unknown) | undefined;
  sendsFullSet = true;
  readonly #bus: MemoryBus;

  constructor(hub: MemoryHub) {
    this.#bus = hub.connect();
    this.#bus.subscribe(subjects.agents('hello'), (message) => this.#hello(message));
    this.#bus.subscribe(subjects.agents('status'), (message) => this.#status(message));
    this.#bus.subscribe(subjects.agents('leave'), ({ reply }) => {
      const answer = this.onLeave === undefined ? { ok: true } : this.onLeave();
      if (answer !== undefined) reply?.(answer);
    });
  }

  get session(): string {
    return this.hellos.at(-1)?.session ?? '';
  }

  #hello({ body, reply }: BusMessage): void {
    const hello = body as Hello;
    this.hellos.push(hello);
    if (this.onHello !== undefined) {
      const answer = this.onHello(hello);
      if (answer !== undefined) reply?.(answer);
      return;
    }
    reply?.({ ok: true, ...this.epoch, heartbeatMs: 1_000 });
    this.seq = 0;
    if (this.sendsFullSet) this.send({ full: true, put: this.tasks });
  }

  #status({ body, reply }: BusMessage): void {
    const report = body as StatusReport;
    this.reports.push(report);
    const answer = this.onStatus === undefined ? { ok: true } : this.onStatus(report);
    if (answer === undefined) return;
    if ((answer as { ok: boolean }).ok)
      for (const { taskId, status } of report.updates) this.statuses.set(taskId, status);
    reply?.(answer);
  }

  /** Numbers and sends an assignment; `over` falsifies it. */
  send(
    { put = [], ...change }: Partial<Omit<Assign, 'put'>> & { readonly put?: readonly Task[] },
    over: Partial<Assign> = {},
  ): void {
    this.seq++;
    const live = put.filter((task) => !hasEndedOnNode(task));
    this.#bus.publish(subjects.node('n1', 'assign'), {
      ...this.epoch,
      session: this.session,
      seq: this.seq,
      full: false,
      more: false,
      templates: live.map(templateOf),
      put: live.map(ownPartOf),
      ended: put.filter(hasEndedOnNode).map(endedOf),
      remove: [],
      ...change,
      ...over,
    } satisfies Assign);
  }

  notice(): void {
    this.#bus.publish(subjects.leader, this.epoch);
  }
}

export function buildAgent(options: { connected?: boolean; saved?: LeaderTerm } = {}) {
  const clock = new VirtualClock();
  const hub = new MemoryHub(clock);
  const leader = new FakeLeader(hub);
  const bus = hub.connect(options.connected ?? true);
  const engine = new FakeEngine();
  const registry = new Registry();
  const events: string[] = [];
  const epochs: LeaderTerm[] = [];
  const saved: LeaderTerm[] = [];
  /** How many of the next calls fail: natswarm's own mistakes, which no engine or bus makes. */
  const bugs = { wallNow: 0 };
  let ids = 0;
  const make = () =>
    createAgent({
      nodeId: 'n1',
      bus,
      executor: engine,
      clock,
      wallNow: () => {
        if (bugs.wallNow-- > 0) throw new Error('bug');
        return clock.now();
      },
      random: () => 0.5,
      newId: () => `session${++ids}`,
      epochStore: {
        load: () => saved.at(-1) ?? options.saved ?? { generation: 0, epoch: 0 },
        save: (epoch) => saved.push(epoch),
      },
      engineGraceMs: 30_000,
      log: (event) => events.push(event),
      onLeaderTerm: (epoch) => epochs.push(epoch),
      registry,
    });
  /** Lets time pass, promises included. */
  const go = async (ms: number, stepMs = 1): Promise<void> => {
    await settle();
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(stepMs, left));
      await settle();
    }
  };
  const state = (part: string): string | undefined =>
    registry.tree().find(({ address }) => address === `agent/n1/${part}`)?.state;
  return {
    clock,
    hub,
    leader,
    bus,
    engine,
    registry,
    bugs,
    events,
    epochs,
    saved,
    agent: make(),
    /** A second agent of the same node: the daemon's next life. */
    remake: make,
    go,
    state,
    told: () => [...leader.statuses].map(([id, status]) => `${id} ${line(status)}`),
    heartbeats: () => hub.bodies(subjects.agent('n1', 'beat')).length,
  };
}

/** An agent in session, with these tasks assigned and running. */
export async function runningAgent(tasks: readonly Task[] = []) {
  const h = buildAgent();
  h.leader.tasks = [...tasks];
  h.agent.start();
  await h.go(20);
  return h;
}
