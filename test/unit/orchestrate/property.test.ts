import { strict as assert } from 'node:assert';
import { expect, test } from '@jest/globals';
import type { Task } from '../../../domain/model/objects.ts';
import { DirtyCheck } from '../../../domain/orchestrate/dirty.ts';
import { planService } from '../../../domain/orchestrate/plan-service.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import { isTerminal, isWanted, taskStateRank } from '../../../domain/task-state.ts';
import { randomOf, replicas, seconds, World } from './world.ts';

const seeds = Array.from({ length: Number(process.env['SEEDS'] ?? 30) }, (_, i) => i + 1);

/** A world in which everything goes wrong now and then, and checks after each change. */
class Chaos {
  readonly world = new World(3);
  readonly #random: () => number;
  readonly #startFirst: boolean;

  constructor(seed: number) {
    this.#random = randomOf(seed);
    this.#startFirst = this.chance(0.3);
    const { world } = this;
    world.create('web', { ...replicas(3), task: this.#policy(), ...this.#config() });
    if (this.chance(0.5)) world.create('all', { Mode: { Global: {} }, ...this.#config() });
    world.stopMs = () => Math.floor(this.#random() * 20_000);
    world.onApplied = (applied) => this.#check(applied);
    world.onPlan = (plan, id, written) => {
      if (plan.wakeAt === world.now || written < plan.changes.length) return;
      expect(planService(world.store, id, world.ctx()).changes).toEqual([]);
    };
  }

  chance(p: number): boolean {
    return this.#random() < p;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)] as T;
  }

  #policy() {
    const MaxAttempts = this.pick([0, 0, 2]);
    return { RestartPolicy: { Delay: this.pick([0, 2, 5]) * seconds, MaxAttempts } };
  }

  #config() {
    const UpdateConfig = {
      Parallelism: this.pick([0, 1, 2]),
      Delay: this.pick([0, 1]) * seconds,
      FailureAction: this.pick(['pause', 'continue', 'rollback'] as const),
      MaxFailureRatio: this.pick([0, 0.5]),
      Order: this.#startFirst ? ('start-first' as const) : ('stop-first' as const),
    };
    return { UpdateConfig, RollbackConfig: { ...UpdateConfig, FailureAction: 'pause' as const } };
  }

  /** One thing that users, containers or nodes do. */
  disturb(): void {
    const { world } = this;
    const id = this.pick([...world.store.list('service')]).id;
    const node = `n${this.pick([1, 2, 3])}`;
    const act = this.pick([
      () => world.update(id, { image: `app:${this.pick([1, 2, 3])}` }),
      () => world.update(id, { Labels: { at: `${world.now}` } }),
      () => world.update('web', replicas(this.pick([0, 1, 3, 6]))),
      () => world.update('web', { task: this.#policy() }),
      () => world.update(id, this.#config()),
      () => world.service(id).previousSpec !== undefined && world.rollback(id),
      () => world.node(node, { state: this.pick(['down', 'ready', 'ready', 'unknown']) }),
      () => world.node(node, { spec: { Availability: this.pick(['active', 'drain', 'pause']) } }),
      () => this.#kill(),
      () => this.#kill(),
      () => this.#kill(),
    ]);
    act();
  }

  #kill(): void {
    const running = [...this.world.store.list('task')].filter(
      (t) => taskStateRank[t.status.state] >= taskStateRank.assigned && !isTerminal(t.status.state),
    );
    if (running.length > 0)
      this.world.report(this.pick(running), this.pick(['failed', 'complete', 'rejected']));
  }

  #check(applied: readonly Applied[]): void {
    for (const change of applied) {
      if (change.kind !== 'task' || change.before === undefined || change.after === undefined)
        continue;
      const { before, after } = change;
      assert(taskStateRank[after.desired] >= taskStateRank[before.desired]);
      assert(taskStateRank[after.status.state] >= taskStateRank[before.status.state]);
    }
    for (const service of this.world.store.list('service')) this.#checkSlots(service.id);
  }

  #checkSlots(id: string): void {
    const slots = new Map<string, Task[]>();
    for (const task of this.world.tasks(id)) {
      const key = `${task.slot}/${task.slot === 0 ? task.nodeId : ''}`;
      slots.set(key, [...(slots.get(key) ?? []), task]);
    }
    for (const tasks of slots.values()) {
      const wanted = tasks.filter((t) => isWanted(t.desired));
      // A plan that was cut between the new task and the end of the old one leaves both for a moment.
      const spare = this.#startFirst || this.#cutting ? 1 : 0;
      assert(wanted.length <= 1 + spare, 'too many wanted tasks in a slot');
      assert(tasks.filter((t) => t.desired !== 'remove').length <= 16, 'unbounded history');
    }
  }

  #cutting = false;
  /** From now on, leaders die in the middle of what they write. */
  cutPlans(): void {
    this.#cutting = true;
    this.world.cut = (plan) =>
      this.chance(0.3)
        ? Math.floor(this.#random() * (plan.changes.length + 1))
        : plan.changes.length;
  }

  heal(): void {
    const { world } = this;
    world.cut = (plan) => plan.changes.length;
    for (const node of ['n1', 'n2', 'n3'])
      world.node(node, { state: 'ready', spec: { Availability: 'active' } });
    // Whatever was paused or had used up its attempts runs again.
    for (const { id } of world.store.list('service'))
      world.update(id, { image: 'app:9', task: { RestartPolicy: { Delay: 1 * seconds } } });
    world.run(300_000);
  }

  expectConverged(): void {
    const { store } = this.world;
    for (const service of store.list('service')) {
      const tasks = this.world.tasks(service.id).filter((t) => isWanted(t.desired));
      const expected = service.spec.Mode.Replicated?.Replicas ?? 3;
      expect(tasks.filter((t) => t.status.state === 'running')).toHaveLength(expected);
      expect(tasks).toHaveLength(expected);
      for (const task of tasks)
        expect(new DirtyCheck(service).isDirty(task, store.node(task.nodeId))).toBe(false);
      expect(service.updateStatus?.state ?? 'completed').toBe('completed');
      expect(service.updateProgress).toBeUndefined();
    }
  }
}

test.each(seeds)('seed %i: whatever happens, slots stay in order and converge', (seed) => {
  const chaos = new Chaos(seed);
  for (let i = 0; i < 40; i++) {
    chaos.disturb();
    chaos.world.run(chaos.pick([0, 10, 500, 3_000, 20_000]));
  }
  chaos.heal();
  chaos.expectConverged();
});

test.each(seeds.slice(0, 20))('seed %i: leaders that die between changes do no harm', (seed) => {
  const chaos = new Chaos(1_000 + seed);
  chaos.cutPlans();
  for (let i = 0; i < 30; i++) {
    chaos.disturb();
    chaos.world.run(chaos.pick([0, 500, 3_000]));
  }
  chaos.heal();
  chaos.expectConverged();
});

test.each(seeds.slice(0, 20))(
  'seed %i: an update takes no more slots at a time than allowed',
  (seed) => {
    const random = randomOf(2_000 + seed);
    const between = (min: number, max: number) => min + Math.floor(random() * (max - min + 1));
    const world = new World(3);
    const count = between(3, 12);
    const Parallelism = between(1, 4);
    const Order = random() < 0.5 ? 'start-first' : 'stop-first';
    world.create('web', replicas(count));
    world.run(1_000);
    world.stopMs = () => between(0, 2_000);
    let most = 0;
    let fewestUp = count;
    world.onApplied = () => {
      const tasks = world.tasks('web');
      const steps = tasks.filter((t) => t.byUpdate === true && isWanted(t.desired));
      most = Math.max(most, steps.filter((t) => t.runningAt === undefined).length);
      const up = new Set(tasks.filter((t) => t.status.state === 'running').map((t) => t.slot));
      fewestUp = Math.min(fewestUp, up.size);
    };
    world.update('web', {
      image: 'app:2',
      UpdateConfig: { Parallelism, MaxFailureRatio: 0, Order, Delay: between(0, 3) * seconds },
    });
    world.run(120_000);
    expect(most).toBe(Math.min(Parallelism, count));
    expect(fewestUp).toBeGreaterThanOrEqual(Order === 'start-first' ? count : count - Parallelism);
    expect(world.service('web').updateStatus?.state).toBe('completed');
  },
);

test.each(seeds.slice(0, 20))(
  'seed %i: what an update left halfway is taken no more slots at a time than allowed',
  (seed) => {
    const random = randomOf(4_000 + seed);
    const between = (min: number, max: number) => min + Math.floor(random() * (max - min + 1));
    const count = between(2, 8);
    const Parallelism = between(1, 3);
    const world = new World(count);
    const port = {
      Protocol: 'tcp',
      TargetPort: 80,
      PublishedPort: 80,
      PublishMode: 'host',
    } as const;
    world.create('web', { ...replicas(count), EndpointSpec: { Ports: [port] } });
    world.run(1_000);
    const left = between(0, count);
    const config = { Parallelism: left, MaxFailureRatio: 0, Order: 'start-first' } as const;
    if (left > 0) world.update('web', { image: 'app:2', UpdateConfig: config });
    world.run(between(0, 10_000));
    world.stopMs = () => between(0, 2_000);
    let fewestUp = count;
    world.onApplied = () => {
      const running = world.tasks('web').filter((t) => t.status.state === 'running');
      fewestUp = Math.min(fewestUp, new Set(running.map((t) => t.slot)).size);
    };
    const Delay = between(0, 3) * seconds;
    world.update('web', {
      image: 'app:2',
      UpdateConfig: { Parallelism, MaxFailureRatio: 0, Order: 'stop-first', Delay },
    });
    world.run(120_000);
    expect(fewestUp).toBeGreaterThanOrEqual(count - Parallelism);
    expect(world.service('web').updateStatus?.state).toBe('completed');
    expect(world.tasks('web').filter((t) => t.status.state === 'running')).toHaveLength(count);
  },
);

test.each(seeds.slice(0, 20))(
  'seed %i: no slot runs twice while its old task can be waited for',
  (seed) => {
    const random = randomOf(3_000 + seed);
    const pick = (max: number) => Math.floor(random() * max);
    const world = new World(4);
    world.create('web', replicas(4));
    world.stopMs = () => pick(30_000);
    world.onApplied = () => {
      const live = world
        .tasks('web')
        .filter((t) => t.desired !== 'remove' && ['starting', 'running'].includes(t.status.state));
      assert(new Set(live.map((t) => t.slot)).size === live.length, 'a slot runs twice');
    };
    for (let i = 0; i < 30; i++) {
      const node = `n${1 + pick(4)}`;
      if (random() < 0.4) world.update('web', { image: `app:${pick(5)}` });
      else if (random() < 0.5) world.node(node, { spec: { Availability: 'drain' } });
      else world.node(node, { spec: { Availability: 'active' } });
      world.run(pick(10_000));
    }
  },
);
