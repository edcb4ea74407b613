import { expect, test } from '@jest/globals';
import { Templates } from '../../../actors/agent/templates.ts';
import { subjects } from '../../../bus/subjects.ts';
import { templateOf } from '../../../domain/model/template.ts';
import { limits } from '../../../domain/limits.ts';
import { buildTask } from './builders.ts';
import { buildAgent, runningAgent } from './harness.ts';

/** An agent with t1 and t2 whose next session's full set comes as the test sends it. */
async function greetedAnew() {
  const h = await runningAgent([buildTask('t1'), buildTask('t2')]);
  h.leader.sendsFullSet = false;
  h.leader.epoch = { generation: 1, epoch: 2 };
  h.leader.notice();
  await h.go(200);
  return h;
}

test('a full set in parts is taken as it comes; what it did not name goes with its last part', async () => {
  const h = await greetedAnew();
  h.leader.send({ full: true, more: true, put: [buildTask('t3')] });
  await h.go(20);
  expect(h.agent.tasks().map(({ id }) => id)).toEqual(['t1', 't2', 't3']);
  h.leader.send({ full: true, more: true, put: [buildTask('t4')], remove: ['t3'] });
  h.leader.send({ full: true, put: [buildTask('t2', { state: 'running' })] });
  await h.go(20);
  expect(h.agent.tasks().map(({ id }) => id)).toEqual(['t2', 't4']);
  h.leader.send({ put: [buildTask('t5')] });
  await h.go(20);
  expect(h.agent.tasks().map(({ id }) => id)).toEqual(['t2', 't4', 't5']);
  expect(h.leader.hellos).toHaveLength(2);
});

test.each([
  ['a part is missing', true, { seq: 3, full: true }],
  ['the set ends without its last part', true, { seq: 2, full: false }],
  ['a set begins within a session', false, { seq: 2, full: true }],
])('when %s, the agent says hello again and drops nothing', async (_, more, second) => {
  const h = await greetedAnew();
  h.leader.send({ full: true, more, put: more ? [] : [buildTask('t1'), buildTask('t2')] });
  h.leader.send({}, second);
  await h.go(500);
  expect(h.leader.hellos).toHaveLength(3);
  expect(h.agent.tasks()).toHaveLength(2);
  expect(h.engine.containers.size).toBe(2);
});

test('another leader in the middle of a full set begins it anew', async () => {
  const h = await greetedAnew();
  h.leader.send({ full: true, more: true, put: [buildTask('t2', { state: 'running' })] });
  h.leader.epoch = { generation: 1, epoch: 3 };
  h.leader.notice();
  await h.go(300);
  expect(h.leader.hellos).toHaveLength(3);
  expect(h.agent.tasks()).toHaveLength(2);
  h.leader.send({ full: true, more: true, put: [buildTask('t1', { state: 'running' })] });
  h.leader.send({ full: true });
  await h.go(20);
  expect(h.agent.tasks().map(({ id }) => id)).toEqual(['t1']);
});

test('each part is acknowledged by a heartbeat at once', async () => {
  const h = await greetedAnew();
  const before = h.heartbeats();
  for (let i = 0; i < 3; i++) {
    h.leader.send({ full: true, more: i < 2 });
    await h.go(5);
  }
  const heartbeats = h.hub.bodies(subjects.agent('n1', 'beat')).slice(before);
  expect(heartbeats).toEqual([1, 2, 3].map((seq) => ({ session: h.leader.session, seq })));
});

test('a full set that comes before the answer to the hello is acknowledged with the answer', async () => {
  const h = buildAgent();
  h.leader.onHello = () => {
    h.leader.send({ full: true });
    return { ok: true, ...h.leader.epoch, heartbeatMs: 1_000 };
  };
  h.agent.start();
  await h.go(20);
  expect(h.hub.bodies(subjects.agent('n1', 'beat'))).toEqual([{ session: 'session1', seq: 1 }]);
});

test('tasks that had ended need no spec: their containers stay until they are removed', async () => {
  const h = buildAgent();
  h.engine.leave('t1', 'exited', 1);
  h.engine.leave('orphan', 'exited', 1);
  h.leader.tasks = [buildTask('t1', { state: 'failed', desired: 'shutdown' })];
  h.agent.start();
  await h.go(50);
  expect([...h.engine.containers.keys()]).toEqual(['t1']);
  expect(h.agent.tasks()).toEqual([{ id: 't1', state: 'failed' }]);
  expect(h.state('tasks/t1')).toBeUndefined();
  h.leader.send({ remove: ['t1'] });
  await h.go(20);
  expect(h.engine.containers.size).toBe(0);
});

test('a hello says which specs need not be sent again, in the same generation of the log', async () => {
  const h = await runningAgent([buildTask('t1'), buildTask('t2', { state: 'complete' })]);
  const had = () => h.leader.hellos.at(-1)?.has;
  expect(had()).toBeUndefined();
  h.leader.tasks = [];
  h.leader.epoch = { generation: 1, epoch: 2 };
  h.leader.sendsFullSet = false;
  h.leader.notice();
  await h.go(300);
  expect(had()).toEqual({ generation: 1, templates: ['s.1'] });
  // the leader relies on it
  h.leader.send({ full: true, templates: [], put: [buildTask('t3')] });
  await h.go(20);
  expect(h.agent.tasks()).toContainEqual({ id: 't3', state: 'running' });
  h.leader.epoch = { generation: 2, epoch: 1 };
  h.leader.notice();
  await h.go(300);
  h.leader.notice();
  h.bus.setConnected(false);
  h.bus.setConnected(true);
  await h.go(500);
  expect(h.leader.hellos).toHaveLength(4);
  expect(had()).toBeUndefined();
});

test('a hello names so many specs and no more', () => {
  const templates = new Templates();
  const tasks = Array.from({ length: limits.helloTemplatesMax + 5 }, (_, i) => ({
    ...buildTask(`t${i}`),
    specVersion: i,
  }));
  for (const task of tasks) templates.take(templateOf(task), 1);
  const keysOf = (count: number) => templates.keysOf(tasks.slice(0, count), 1).length;
  const max = limits.helloTemplatesMax;
  expect([max - 1, max, max + 5].map(keysOf)).toEqual([max - 1, max, max]);
});

test('a spec goes with the last task that uses it', async () => {
  const h = await runningAgent([buildTask('t1'), { ...buildTask('t2'), specVersion: 2 }]);
  h.leader.send({ remove: ['t2'] });
  await h.go(50);
  h.leader.epoch = { generation: 1, epoch: 2 };
  h.leader.notice();
  await h.go(300);
  expect(h.leader.hellos.at(-1)?.has?.templates).toEqual(['s.1']);
});

test('a task whose spec never came ends the worker, and all comes anew', async () => {
  const h = await runningAgent([buildTask('t1')]);
  const task = { ...buildTask('t2'), specVersion: 7 };
  h.leader.tasks = [buildTask('t1', { state: 'running' }), task];
  h.leader.send({ templates: [], put: [task] });
  await h.go(1_000, 10);
  expect(h.leader.hellos).toHaveLength(2);
  expect(h.leader.hellos.at(-1)?.has).toBeUndefined();
  expect(h.agent.tasks().map(({ id }) => id)).toEqual(['t1', 't2']);
  expect(h.engine.count('run t1')).toBe(1);
});
