import { expect, test } from '@jest/globals';
import { DynamicSupervisor } from '../../../supervisors/dynamic.ts';
import { Registry } from '../../../supervisors/registry.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settle } from '../../support/settle.ts';
import { Actors } from './harness.ts';

function harness() {
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
  });
  const start = (id: string): void => {
    const { logic, input } = actors.part(id);
    sup.start(id, logic, input);
  };
  return { clock, actors, registry, exits, reports, sup, start };
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
    { child: 'tasks/b', exit: { kind: 'error', error: new Error('boom b') } },
  ]);
  expect(h.registry.tree()).toEqual([{ address: 'tasks/a', state: 'up' }]);
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
    onExit: (id) => void sup.start(id, logic, input),
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
