import { expect, test } from '@jest/globals';
import { DynamicSupervisor, type Restarts } from '../../../supervisors/dynamic.ts';
import { Registry } from '../../../supervisors/registry.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settle } from '../../support/settle.ts';
import { Actors } from './harness.ts';

function harness(restarts?: Partial<Pick<Restarts, 'restart'>> & { readonly intensity?: number }) {
  const clock = new VirtualClock();
  const actors = new Actors(clock);
  const registry = new Registry();
  const exits: string[] = [];
  const reports: object[] = [];
  const sup = new DynamicSupervisor({
    clock,
    registry,
    address: 'tasks',
    report: (_, fields) => reports.push(fields),
    onExit: (id, exit) => exits.push(`${id} ${exit.kind}`),
    ...(restarts !== undefined && {
      restarts: {
        restart: restarts.restart ?? 'permanent',
        flags: {
          intensity: restarts.intensity ?? 10,
          periodMs: 60_000,
          backoffMinMs: 100,
          backoffMaxMs: 400,
        },
        random: () => 0,
        onRestart: (id, error, streak) => exits.push(`${id} ${String(error)} ${streak}`),
        onEscalate: (reason) => exits.push(`escalates: ${String(reason)}`),
      },
    }),
  });
  const boom = (id: string): boolean => sup.send(id, { type: 'boom' });
  const start = (id: string): void => {
    const { logic, input } = actors.part(id);
    sup.start(id, logic, input);
  };
  return { clock, actors, registry, exits, reports, sup, start, boom };
}

test('a child that fails harms no other and is not restarted', () => {
  const h = harness();
  for (const id of ['a', 'b', 'c']) h.start(id);
  h.sup.get('b')?.send({ type: 'boom' });
  h.sup.get('c')?.send({ type: 'bye' });
  h.clock.advance(60_000);
  expect(h.exits).toEqual(['b error', 'c done']);
  expect([...h.sup.list()].map(([id]) => id)).toEqual(['a']);
  expect(h.actors.take()).toEqual(['0:+a', '0:+b', '0:+c', '0:-b', '0:-c']);
  expect(h.reports).toEqual([
    {
      child: 'tasks/b',
      exit: { kind: 'error', error: new Error('boom b') },
      decision: 'forget',
    },
  ]);
  expect(h.registry.tree()).toMatchObject([{ address: 'tasks/a', state: 'up' }]);
});

test('a planned stop is no exit, and its id is free again', async () => {
  const h = harness();
  h.start('a');
  expect(() => h.start('a')).toThrow("'a' is running");
  await h.sup.stop('a');
  await h.sup.stop('never there');
  h.start('a');
  expect(h.exits).toEqual([]);
  expect(h.actors.take()).toEqual(['0:+a', '0:-a', '0:+a']);
});

test('a child that fails while it starts is reported, and may be started again in the report', () => {
  const clock = new VirtualClock();
  const actors = new Actors(clock);
  actors.failing.set('a', 1);
  const { logic, input } = actors.part('a');
  const sup = new DynamicSupervisor({
    clock,
    report: () => undefined,
    onExit: (id) => sup.start(id, logic, input),
  });
  sup.start('a', logic, input);
  expect(actors.take()).toEqual(['0:+a']);
  expect(sup.size).toBe(1);
});

test('stopping all waits for all of them together', async () => {
  const h = harness();
  for (const id of ['a', 'b']) h.actors.slow.set(id, 100);
  for (const id of ['a', 'b', 'c']) h.start(id);
  h.actors.take();
  let stopped = false;
  void h.sup.stopAll().then(() => (stopped = true));
  h.clock.advance(99);
  await settle();
  expect(stopped).toBe(false);
  h.clock.advance(1);
  await settle();
  expect(stopped).toBe(true);
  expect(h.actors.take()).toEqual(['0:-a', '0:-b', '0:-c', '100:xa', '100:xb']);
  expect(h.sup.size).toBe(0);
});

test('a permanent child that fails is started again, ever later, and no other notices', () => {
  const h = harness({});
  h.start('a');
  h.start('b');
  for (const ms of [100, 200, 400, 400]) {
    expect(h.boom('a')).toBe(true);
    expect(h.sup.has('a')).toBe(true);
    expect(h.sup.get('a')).toBeUndefined();
    expect(h.boom('a')).toBe(false);
    expect(() => h.start('a')).toThrow("'a' is running");
    h.clock.advance(ms - 1);
    expect(h.sup.get('a')).toBeUndefined();
    h.clock.advance(1);
    expect(h.sup.get('a')?.getSnapshot().status).toBe('active');
  }
  expect(h.exits).toEqual([1, 2, 3, 4].map((streak) => `a Error: boom a ${streak}`));
  expect(h.reports[1]).toMatchObject({ child: 'tasks/a', decision: 'restart', inMs: 200 });
  expect(h.actors.take().filter((line) => line.includes('b'))).toEqual(['0:+b']);
  h.clock.advance(10_000);
  h.boom('a');
  h.clock.advance(100);
  expect(h.exits.at(-1)).toBe('a Error: boom a 1');
  expect(h.registry.tree().map(({ address }) => address)).toEqual(['tasks/a', 'tasks/b']);
});

test('a child that cannot even be made is tried again', () => {
  const h = harness({});
  const { logic, input } = h.actors.part('a');
  let tries = 0;
  h.sup.start('a', logic, (...given) => {
    if ((tries += 1) < 3) throw new Error('no input');
    return input(...given);
  });
  h.clock.advance(300);
  expect(h.exits).toEqual(['a Error: no input 1', 'a Error: no input 2']);
  expect(h.actors.take()).toEqual(['300:+a']);
});

test('the end of a transient child is an end, of a permanent one a failure', () => {
  for (const [restart, size] of [
    ['transient', 0],
    ['permanent', 1],
  ] as const) {
    const h = harness({ restart });
    h.start('a');
    h.sup.send('a', { type: 'bye' });
    h.clock.advance(100);
    expect(h.sup.size).toBe(size);
    expect(h.exits).toEqual([restart === 'transient' ? 'a done' : 'a Error: a child ended 1']);
  }
});

test('one that fails too often ends all, and its supervisor’s owner hears of it', () => {
  const h = harness({ intensity: 2 });
  h.start('a');
  h.start('b');
  for (let i = 0; i < 3; i++) {
    h.boom('a');
    h.clock.advance(400);
  }
  expect(h.exits.at(-1)).toBe('escalates: Error: boom a');
  expect(h.reports.at(-1)).toMatchObject({ decision: 'escalate' });
  expect(h.sup.size).toBe(0);
  expect(h.registry.tree()).toEqual([]);
  h.clock.advance(60_000);
  expect(h.actors.take().at(-1)).toBe('800:-b');
});

test('a child that is stopped between two incarnations stays stopped', async () => {
  const h = harness({});
  h.start('a');
  h.boom('a');
  await h.sup.stop('a');
  h.clock.advance(60_000);
  expect(h.actors.take()).toEqual(['0:+a', '0:-a']);
  h.start('a');
  h.boom('a');
  await h.sup.stopAll();
  h.clock.advance(60_000);
  expect(h.sup.size).toBe(0);
});

test('the next incarnation waits until the one before has ended its effects', async () => {
  const h = harness({});
  h.actors.slow.set('a', 1_000);
  h.start('a');
  h.boom('a');
  h.clock.advance(1_000);
  await settle();
  h.clock.advance(99);
  expect(h.actors.take()).toEqual(['0:+a', '0:-a', '1000:xa']);
  h.clock.advance(1);
  expect(h.actors.take()).toEqual(['1100:+a']);
});

test('the tree tells since when, how often and why a child was started again, until it is stopped', async () => {
  const h = harness({});
  h.clock.advance(50);
  h.start('a');
  const line = { address: 'tasks/a', supervisor: 'tasks' };
  expect(h.registry.tree()).toEqual([
    { ...line, state: 'up', since: 50, restarts: 0, lastError: '' },
  ]);
  h.clock.advance(10);
  h.boom('a');
  const failed = { ...line, restarts: 1, lastError: 'boom a' };
  expect(h.registry.tree()).toEqual([{ ...failed, state: 'restarting', since: 60 }]);
  h.clock.advance(100);
  expect(h.registry.tree()).toEqual([{ ...failed, state: 'up', since: 160 }]);
  h.boom('a');
  await h.sup.stop('a');
  expect(h.registry.tree()).toEqual([]);
  h.start('a');
  expect(h.registry.tree()).toMatchObject([{ restarts: 0, lastError: '' }]);
});

test('an error is shown cut, and a child that gives up is not shown', () => {
  const registry = new Registry();
  registry.failed('x/y', new Error('e'.repeat(5_000)), 1);
  expect(registry.tree()[0]?.lastError).toHaveLength(200);
  const h = harness({ intensity: 1 });
  h.start('a');
  h.boom('a');
  h.clock.advance(1_000);
  h.boom('a');
  expect(h.registry.tree()).toEqual([]);
});
