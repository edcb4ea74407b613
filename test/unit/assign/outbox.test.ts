import { describe, expect, test } from '@jest/globals';
import { packedBytes } from '../../../bus/codec.ts';
import { type AssignmentPart, Outbox } from '../../../domain/assign/outbox.ts';
import { limits } from '../../../domain/limits.ts';
import type { Task } from '../../../domain/model/objects.ts';
import type { TaskState } from '../../../domain/task-state.ts';

const partMax = limits.assignPartBytesMax;

interface Some {
  readonly version?: number;
  readonly state?: TaskState;
  readonly specBytes?: number;
}
function buildTask(id: string, { version = 1, state = 'running', specBytes = 0 }: Some = {}): Task {
  return {
    id,
    meta: { version: 1, createdAt: 0, updatedAt: 0 },
    serviceId: 's',
    slot: 1,
    nodeId: 'n1',
    spec: { ContainerSpec: { Image: 'i', Env: ['x'.repeat(specBytes)] }, ForceUpdate: 0 },
    specVersion: version,
    serviceName: 'web',
    serviceLabels: {},
    status: { state, at: 5, message: '' },
    desired: 'running',
  };
}

/** An outbox of these tasks, and what a node that takes all of its parts knows. */
function buildOutbox(tasks: readonly Task[], has: readonly string[] = []) {
  const now = new Map(tasks.map((task) => [task.id, task]));
  const outbox = new Outbox({
    ids: tasks.map(({ id }) => id),
    has,
    task: (id) => now.get(id),
    sizeOf: packedBytes,
  });
  const next = (): AssignmentPart | undefined => outbox.next()?.part;
  const rest = (): readonly AssignmentPart[] => {
    const parts: AssignmentPart[] = [];
    for (let part = next(); part !== undefined; part = next()) parts.push(part);
    return parts;
  };
  return { outbox, now, next, rest };
}
const idsIn = (parts: readonly AssignmentPart[]): readonly string[] =>
  parts.flatMap(({ put, ended }) => [...put, ...ended].map(({ id }) => id));
const versionsIn = (part: AssignmentPart | undefined): readonly number[] =>
  (part?.templates ?? []).map(({ specVersion }) => specVersion);
const many = (count: number, some?: Some): readonly Task[] =>
  Array.from({ length: count }, (_, i) => buildTask(`t${i}`, some));

describe('a full set', () => {
  test('of a node without tasks is one empty part', () => {
    const { rest } = buildOutbox([]);
    expect(rest()).toEqual([
      { full: true, more: false, templates: [], put: [], ended: [], remove: [] },
    ]);
  });

  test('is one part up to the limit of a part, and two above it', () => {
    const one = buildTask('t0', { specBytes: 1_000 });
    const room = partMax - packedBytes(one) - 2_000;
    const ofSize = (specBytes: number) =>
      buildOutbox([one, buildTask('t1', { version: 2, specBytes })]).rest().length;
    expect([ofSize(room), ofSize(room + 2_000)]).toEqual([1, 2]);
  });

  test('sends what a hundred tasks share once, at the largest spec too', () => {
    const { rest } = buildOutbox(many(100, { specBytes: limits.specBytesMax }));
    const parts = rest();
    expect(parts.flatMap(versionsIn)).toEqual([1]);
    expect(idsIn(parts)).toHaveLength(100);
  });

  test('of any size goes out in parts that fit into a message, whole and in order', () => {
    const tasks = [
      ...many(2_000),
      ...Array.from({ length: 40 }, (_, i) =>
        buildTask(`large${i}`, { version: i + 2, specBytes: limits.specBytesMax + 64 * 1_024 }),
      ),
    ];
    const parts = buildOutbox(tasks).rest();
    expect(idsIn(parts)).toEqual(tasks.map(({ id }) => id));
    expect(parts.map(({ full, more }) => [full, more])).toEqual(
      parts.map((_, i) => [true, i < parts.length - 1]),
    );
    for (const part of parts) {
      expect(packedBytes(part)).toBeLessThan(limits.serverPayloadBytesMax / 2);
      expect(part.put.length + part.ended.length).toBeGreaterThan(0);
    }
  });

  test('shows what has ended without its spec', () => {
    const tasks = ['complete', 'failed', 'shutdown', 'rejected', 'orphaned'] as const;
    const { next } = buildOutbox(
      tasks.map((state, i) => buildTask(state, { state, version: i, specBytes: 100 })),
    );
    const part = next();
    expect(part?.ended.map(({ id, state }) => [id, state])).toEqual(
      ['complete', 'failed', 'shutdown'].map((state) => [state, state]),
    );
    expect(versionsIn(part)).toEqual([3, 4]);
    expect(packedBytes(part?.ended)).toBeLessThan(3 * 200);
  });

  test('of 170 slots of 4 KB each with five tasks of history is far from a message', () => {
    const slots = Array.from({ length: 170 }, (_, i) => [
      buildTask(`t${i}`, { specBytes: 4_096 }),
      ...many(5, { specBytes: 4_096, state: 'failed' }).map(({ id, ...task }) => ({
        ...task,
        id: `${i}.${id}`,
      })),
    ]);
    const parts = buildOutbox(slots.flat()).rest();
    expect(idsIn(parts)).toHaveLength(170 * 6);
    expect(parts.reduce((sum, part) => sum + packedBytes(part), 0)).toBeLessThan(partMax);
  });

  test('leaves out the specs that the node has', () => {
    const { next } = buildOutbox([buildTask('a'), buildTask('b', { version: 2 })], ['s.1']);
    expect(versionsIn(next())).toEqual([2]);
  });

  test('tells what is so when it is sent: what went is not in it, what came is', () => {
    const tasks = Array.from({ length: 5 }, (_, i) =>
      buildTask(`t${i}`, { version: i, specBytes: partMax }),
    );
    const { outbox, now, next, rest } = buildOutbox(tasks);
    next();
    now.delete('t3');
    now.delete('t0');
    now.set('t4', { ...buildTask('t4'), desired: 'shutdown' });
    now.set('t9', buildTask('t9'));
    outbox.add(['t3', 't0', 't4', 't9']);
    const parts = rest();
    expect(idsIn(parts)).toEqual(['t1', 't2', 't4', 't9']);
    expect(parts.flatMap(({ remove }) => remove)).toEqual(['t0']);
    expect(parts.flatMap(({ put }) => put).find(({ id }) => id === 't4')?.desired).toBe('shutdown');
    expect(parts.filter(({ full, more }) => full && !more)).toHaveLength(1);
  });
});

describe('after the full set', () => {
  test('there is nothing to say until something is news', () => {
    const { outbox, now, rest, next } = buildOutbox(many(3));
    expect(rest()).toHaveLength(1);
    now.set('t1', { ...buildTask('t1'), desired: 'shutdown' });
    outbox.add(['t1']);
    expect(next()).toMatchObject({
      full: false,
      more: false,
      templates: [],
      put: [{ id: 't1', desired: 'shutdown' }],
    });
    expect(next()).toBeUndefined();
  });

  test('a task that came and went before it was told of is no news', () => {
    const { outbox, rest } = buildOutbox([]);
    rest();
    outbox.add(['x', 'y']);
    expect(rest()).toEqual([]);
  });

  test('a spec is sent again when the node has dropped the last task that used it', () => {
    const { outbox, now, rest, next } = buildOutbox([buildTask('a'), buildTask('b')]);
    rest();
    const told = (change: () => void, ...ids: string[]): readonly number[] => {
      change();
      outbox.add(ids);
      return versionsIn(next());
    };
    expect(told(() => now.delete('a'), 'a')).toEqual([]);
    expect(told(() => now.set('c', buildTask('c')), 'c')).toEqual([]);
    expect(told(() => (now.delete('b'), now.delete('c')), 'b', 'c')).toEqual([]);
    expect(told(() => now.set('d', buildTask('d')), 'd')).toEqual([1]);
  });

  test('what the node had before and no task of the set uses counts no more', () => {
    const { outbox, now, rest, next } = buildOutbox([buildTask('a')], ['s.1', 's.2']);
    rest();
    now.set('b', buildTask('b', { version: 2 }));
    outbox.add(['b']);
    expect(versionsIn(next())).toEqual([2]);
  });
});

test('the cost of a large set does not grow with its square', () => {
  const costOf = (count: number): number => {
    let looks = 0;
    const tasks = new Map(many(count).map((task) => [task.id, task]));
    const outbox = new Outbox({
      ids: [...tasks.keys()],
      has: [],
      task: (id) => {
        looks += 1;
        return tasks.get(id);
      },
      sizeOf: () => 1_000,
    });
    while (outbox.next() !== undefined);
    return looks;
  };
  expect(costOf(20_000)).toBeLessThan(2.1 * costOf(10_000));
});
