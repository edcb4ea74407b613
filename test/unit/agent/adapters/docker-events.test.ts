import { expect, test } from '@jest/globals';
import { EngineEvents } from '../../../../actors/agent/adapters/docker-events.ts';
import { EngineError } from '../../../../actors/agent/ports.ts';
import { limits } from '../../../../domain/limits.ts';
import { VirtualClock } from '../../../../supervisors/virtual-clock.ts';
import { settle } from '../../../support/settle.ts';
import { ScriptedClient, TestStream } from './builders.ts';

const away = (): EngineError => new EngineError('away', true);
const die = (ID: string) => ({ Type: 'container', Action: 'die', Actor: { ID } });

function harness() {
  const client = new ScriptedClient();
  const clock = new VirtualClock();
  const scope = new AbortController();
  const events = new EngineEvents(client, clock, scope.signal);
  const told: string[] = [];
  const watch = (id: string, seen = events.now(), signal = new AbortController().signal): void => {
    events.changed(id, seen, signal).then(
      () => told.push(id),
      (error: Error) => told.push(`${id} ${error.message}`),
    );
  };
  return { client, clock, scope, events, told, watch };
}

test('one stream tells each waiter of its own container', async () => {
  const h = harness();
  const stream = new TestStream();
  h.client.on('GET events', stream);
  h.events.open();
  await settle();
  h.watch('a');
  h.watch('b');
  await settle();
  expect(h.told).toEqual([]);
  stream.push(die('b'));
  stream.push({ Type: 'container', Action: 'odd' });
  await settle();
  expect(h.told).toEqual(['b']);
  expect(h.client.calls).toEqual(['GET events']);
  expect(JSON.parse(String(h.client.seen[0]?.query?.['filters']))).toMatchObject({
    label: ['com.docker.swarm.task'],
  });
});

test('an event between look and wait is not missed, one before the look is', async () => {
  const h = harness();
  const stream = new TestStream();
  h.client.on('GET events', stream);
  h.events.open();
  await settle();
  const before = h.events.now();
  stream.push(die('a'));
  await settle();
  h.watch('a', before);
  h.watch('a', h.events.now());
  await settle();
  expect(h.told).toEqual(['a']);
  expect(h.events.isUnchanged('a', before)).toBe(false);
  expect(h.events.isUnchanged('a', h.events.now())).toBe(true);
});

test('after an interruption everybody looks again', async () => {
  const h = harness();
  const [first, second] = [new TestStream(), new TestStream()];
  h.client.on('GET events', away(), first, away(), away(), second);
  h.watch('a');
  await settle();
  expect(h.told).toEqual([]);
  h.clock.advance(60);
  await settle();
  expect(h.told).toEqual(['a']);

  const seen = h.events.now();
  h.watch('a');
  h.watch('b');
  first.end(new Error('cut'));
  await settle();
  expect(h.events.isUnchanged('a', seen)).toBe(true);
  for (const ms of [50, 100, 200]) {
    h.clock.advance(ms);
    await settle();
  }
  expect(h.told).toEqual(['a', 'a', 'b']);
  expect(h.events.isUnchanged('a', seen)).toBe(false);
  expect(h.client.calls.length).toBe(5);
});

test('a stream that nobody waits for is not taken up again', async () => {
  const h = harness();
  const stream = new TestStream();
  h.client.on('GET events', stream);
  h.events.open();
  await settle();
  stream.end();
  await settle();
  h.clock.advance(60_000);
  await settle();
  expect(h.client.calls.length).toBe(1);
  h.client.on('GET events', new TestStream());
  h.watch('a');
  await settle();
  expect(h.told).toEqual(['a']);
});

test('aborts end waits: one, or all with the executor', async () => {
  const h = harness();
  const stream = new TestStream();
  h.client.on('GET events', stream);
  h.events.open();
  await settle();
  const own = new AbortController();
  h.watch('a', h.events.now(), own.signal);
  h.watch('b');
  own.abort();
  await settle();
  expect(h.told).toEqual(['a aborted']);
  h.scope.abort();
  stream.end(new Error('aborted'));
  await settle();
  expect(h.told).toEqual(['a aborted', 'b aborted']);
  h.watch('c');
  await settle();
  expect(h.told).toEqual(['a aborted', 'b aborted', 'c aborted']);
});

test('what the memory of events cannot hold counts as changed', async () => {
  const h = harness();
  const stream = new TestStream();
  h.client.on('GET events', stream);
  h.events.open();
  await settle();
  const early = h.events.now();
  for (let i = 0; i <= limits.engineEventsKept; i += 1) stream.push(die(`c${i}`));
  await settle();
  expect(h.events.isUnchanged('never heard of', early)).toBe(false);
  expect(h.events.isUnchanged('never heard of', h.events.now())).toBe(true);
});
