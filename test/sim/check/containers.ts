import type { Service, Task } from '../../../domain/model/objects.ts';
import { taskStateRank, type TaskState } from '../../../domain/task-state.ts';
import type { Agent } from '../../../actors/agent/agent.ts';
import type { Cluster } from '../world/cluster.ts';
import { mayOverlap, placeOf } from './slots.ts';
import { Violation } from './violation.ts';

/**
 * How long containers of one slot may run side by side while everything about them is well, ms: the longest grace period
 * of the workload, an agent's session that has to be made anew, and Swarm's own minute where an old task does not stop.
 */
const overlapMaxMs = 75_000;

/** Looks at the hosts themselves, now and then. */
export class ContainerCheck {
  readonly #cluster: Cluster;
  /** Since when a slot has had the same containers at the same time. */
  readonly #overlaps = new Map<string, { readonly ids: string; readonly since: number }>();
  readonly #states = new WeakMap<Agent, Map<string, TaskState>>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  look(): void {
    const now = this.#cluster.clock.now();
    for (const host of this.#cluster.hosts) {
      if (!host.isWell) host.wellSince = now;
      for (const [taskId, starts] of host.engine.starts)
        if (starts > 1)
          throw new Violation('started', `task ${taskId} was started ${starts} times`);
      if (host.agent !== undefined) this.#checkAgent(host.agent);
    }
    this.#checkOverlaps(now);
  }

  /** An agent's tasks only ever advance. */
  #checkAgent(agent: Agent): void {
    let known = this.#states.get(agent);
    if (known === undefined) this.#states.set(agent, (known = new Map()));
    for (const { id, state } of agent.tasks()) {
      const before = known.get(id);
      if (before !== undefined && taskStateRank[state] < taskStateRank[before])
        throw new Violation('advance', `the agent took task ${id} from ${before} back to ${state}`);
      known.set(id, state);
    }
  }

  #checkOverlaps(now: number): void {
    const { store } = this.#cluster.audit;
    const bySlot = new Map<string, Task[]>();
    for (const host of this.#cluster.hosts)
      for (const [taskId, state] of host.engine.states()) {
        const task = store.task(taskId);
        if (state !== 'running' || task === undefined || task.desired === 'remove') continue;
        bySlot.set(placeOf(task), [...(bySlot.get(placeOf(task)) ?? []), task]);
      }
    for (const place of this.#overlaps.keys()) if (!bySlot.has(place)) this.#overlaps.delete(place);
    for (const [place, tasks] of bySlot) this.#checkSlot(place, tasks, now);
  }

  #checkSlot(place: string, tasks: readonly Task[], now: number): void {
    const service: Service | undefined = this.#cluster.audit.store.service(
      tasks[0]?.serviceId ?? '',
    );
    const max = service !== undefined && mayOverlap(service) ? 2 : 1;
    const ids = tasks.map(({ id }) => id).join(' ');
    if (tasks.length <= max) return void this.#overlaps.delete(place);
    const known = this.#overlaps.get(place);
    const since = known?.ids === ids ? known.since : now;
    this.#overlaps.set(place, { ids, since });
    const wellSince = Math.max(
      this.#cluster.leadingSince,
      ...tasks.map((task) => this.#cluster.host(task.nodeId)?.wellSince ?? now),
    );
    if (now - Math.max(since, wellSince) > overlapMaxMs)
      throw new Violation('doubled', `slot ${place} has run ${ids} since ${since}`);
  }
}
