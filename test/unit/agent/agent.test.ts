import { describe, expect, test } from '@jest/globals';
import { EngineError } from '../../../actors/agent/ports.ts';
import { subjects } from '../../../bus/subjects.ts';
import { buildTask } from './builders.ts';
import { buildAgent, runningAgent } from './harness.ts';
import { allLines } from './log-engine.ts';

describe('assignments', () => {
  test('run and are reported', async () => {
    const h = await runningAgent([buildTask('t1'), buildTask('t2', { desired: 'ready' })]);
    expect(h.told()).toEqual(['t1 running (started)', 't2 ready (prepared)']);
    h.leader.send({ put: [buildTask('t2'), buildTask('t3')] });
    h.engine.exit('t1', 2);
    await h.go(20);
    expect(h.told()).toEqual([
      't1 failed (started): task: non-zero exit (2)',
      't2 running (started)',
      't3 running (started)',
    ]);
    expect(h.agent.tasks()).toEqual([
      { id: 't1', state: 'failed' },
      { id: 't2', state: 'running' },
      { id: 't3', state: 'running' },
    ]);
  });

  test('a stopped task keeps its container until the leader deletes it', async () => {
    const h = await runningAgent([buildTask('t1')]);
    h.leader.send({ put: [buildTask('t1', { desired: 'shutdown' })] });
    await h.go(20);
    expect(h.told()).toEqual(['t1 shutdown (shutdown)']);
    expect(h.engine.containers.get('t1')?.state).toBe('exited');
    h.leader.send({ remove: ['t1'] });
    await h.go(20);
    expect(h.engine.containers.size).toBe(0);
    expect(h.agent.tasks()).toEqual([]);
  });

  test('that one runs, and how it ended, is told in the log, each once', async () => {
    const h = await runningAgent([buildTask('t1'), buildTask('t2')]);
    h.engine.exit('t1', 3);
    await h.go(20);
    h.leader.send({ remove: ['t2'] });
    await h.go(20);
    const tasks = h.events.filter((event) => event.startsWith('task_'));
    expect(tasks).toEqual(['task_running', 'task_running', 'task_failed', 'task_ended']);
  });

  test('a running one that is removed stops first', async () => {
    const h = await runningAgent([buildTask('t1')]);
    h.leader.send({ remove: ['t1', 'unknown'] });
    await h.go(20);
    const stop = h.engine.calls.indexOf('shutdown t1');
    expect(stop).toBeGreaterThan(0);
    expect(h.engine.calls.indexOf('remove t1')).toBeGreaterThan(stop);
    expect(h.told()).toEqual(['t1 shutdown (shutdown)']);
  });

  test('one missing in a full set goes like a removed one', async () => {
    const h = await runningAgent([buildTask('t1'), buildTask('t2')]);
    h.leader.tasks = [buildTask('t2', { state: 'running' })];
    h.leader.epoch = { generation: 1, epoch: 2 };
    h.leader.notice();
    await h.go(200);
    expect([...h.engine.containers.keys()]).toEqual(['t2']);
    expect(h.engine.count('run t2')).toBe(1);
  });

  test('a container that cannot be removed is tried again, some times', async () => {
    const h = await runningAgent([buildTask('t1')]);
    h.engine.exit('t1', 0);
    h.engine.failures.set('remove', [
      new EngineError('busy', false),
      new EngineError('away', true),
      ...Array.from({ length: 9 }, () => new EngineError('busy', false)),
    ]);
    h.leader.send({ remove: ['t1'] });
    await h.go(10_000, 100);
    expect(h.engine.count('remove t1')).toBe(6);
    expect(h.events).toContain('container_left');
    h.leader.tasks = [];
    h.leader.send({}, { seq: 99 });
    await h.go(1_000, 10);
    expect(h.engine.calls.at(-1)).toBe('orphan t1');
  });
});

describe('a new life of the daemon', () => {
  test('adopts what runs, starts nothing twice, and tells what the leader does not know', async () => {
    const h = await runningAgent([buildTask('t1'), buildTask('t2'), buildTask('t3')]);
    await h.agent.stop();
    expect(h.registry.tree()).toEqual([]);
    expect([...h.engine.containers.values()].map((c) => c.state)).toEqual([
      'running',
      'running',
      'running',
    ]);
    h.engine.exit('t2', 0);
    h.leader.statuses.clear();
    h.leader.tasks = [
      buildTask('t1', { state: 'running' }),
      buildTask('t2', { state: 'running' }),
      buildTask('t3', { state: 'preparing' }),
    ];
    h.remake().start();
    await h.go(50);
    for (const id of ['t1', 't2', 't3']) expect(h.engine.count(`run ${id}`)).toBe(1);
    expect(h.told()).toEqual(['t2 complete (finished)', 't3 running (started)']);
  });

  test('stops what was to be stopped meanwhile', async () => {
    const h = await runningAgent([buildTask('t1')]);
    await h.agent.stop();
    h.leader.tasks = [buildTask('t1', { state: 'running', desired: 'shutdown' })];
    h.remake().start();
    await h.go(50);
    expect(h.told()).toEqual(['t1 shutdown (shutdown)']);
    expect(h.engine.containers.get('t1')?.state).toBe('exited');
  });

  test('stops what the manager has declared dead meanwhile', async () => {
    const h = await runningAgent([buildTask('t1')]);
    await h.agent.stop();
    h.leader.tasks = [buildTask('t1', { state: 'orphaned', desired: 'shutdown' })];
    h.remake().start();
    await h.go(50);
    expect(h.engine.containers.get('t1')?.state).toBe('exited');
  });

  test('looks at no container of history, and removes those that nobody knows', async () => {
    const h = buildAgent();
    for (const id of ['old', 'unknown1', 'unknown2']) h.engine.leave(id, 'exited');
    h.leader.tasks = [buildTask('old', { state: 'failed', desired: 'shutdown' })];
    h.agent.start();
    await h.go(50);
    expect(h.engine.calls).toEqual(['orphan unknown1', 'orphan unknown2']);
    expect(h.agent.tasks()).toEqual([{ id: 'old', state: 'failed' }]);
  });
});

describe('without leader or bus', () => {
  test('tasks live on, and their ends are told later', async () => {
    const h = await runningAgent([buildTask('t1'), buildTask('t2')]);
    const before = h.registry.get('agent/n1/tasks/t1');
    h.bus.setConnected(false);
    await h.go(60_000, 100);
    h.engine.exit('t2', 0);
    await h.go(60_000, 100);
    expect(h.registry.get('agent/n1/tasks/t1')).toBe(before);
    expect(h.state('tasks/t1')).toBe('running');
    h.leader.tasks = [buildTask('t1', { state: 'running' }), buildTask('t2', { state: 'running' })];
    h.bus.setConnected(true);
    await h.go(1_000, 10);
    expect(h.told()).toEqual(['t1 running (started)', 't2 complete (finished)']);
    expect(h.registry.get('agent/n1/tasks/t1')).toBe(before);
    expect(h.engine.count('run t1')).toBe(1);
    expect(h.engine.count('run t2')).toBe(1);
  });

  test('a leader that has lost what it acknowledged is told again', async () => {
    const h = await runningAgent([buildTask('t1')]);
    h.engine.exit('t1', 0);
    await h.go(20);
    h.leader.statuses.clear();
    h.leader.tasks = [buildTask('t1', { state: 'preparing' })];
    h.leader.epoch = { generation: 2, epoch: 1 };
    h.leader.notice();
    await h.go(200);
    expect(h.told()).toEqual(['t1 complete (finished)']);
    expect(h.engine.count('run t1')).toBe(1);
  });

  test('statuses are sent until they are acknowledged', async () => {
    const h = buildAgent();
    h.leader.tasks = [buildTask('t1')];
    h.leader.onStatus = () => undefined;
    h.agent.start();
    await h.go(20_000, 50);
    expect(h.leader.reports.length).toBeGreaterThan(2);
    expect(h.told()).toEqual([]);
    h.leader.onStatus = undefined;
    await h.go(10_000, 50);
    expect(h.told()).toEqual(['t1 running (started)']);
  });
});

test('while the engine is away it is asked once for all tasks, and all go on after', async () => {
  const ids = Array.from({ length: 50 }, (_, i) => `t${i}`);
  const h = await runningAgent(ids.map((id) => buildTask(id)));
  h.engine.away = true;
  await h.go(60_000, 100);
  expect(h.engine.count('ready')).toBe(1);
  h.engine.exit('t7', 255);
  h.engine.away = false;
  await h.go(1_000, 10);
  expect(h.told().filter((line) => line.includes('running'))).toHaveLength(49);
  expect(h.told()).toContain('t7 failed (started): task: non-zero exit (255)');
  expect(ids.filter((id) => h.state(`tasks/${id}`) === 'running')).toHaveLength(49);
  for (const id of ids) expect(h.engine.count(`run ${id}`)).toBe(1);
});

describe('when natswarm itself breaks', () => {
  async function crashing(times: number) {
    const h = await runningAgent([buildTask('t1', { desired: 'ready' }), buildTask('t2')]);
    h.engine.stuck.add('start');
    h.leader.send({ put: [buildTask('t1')] });
    await h.go(20);
    h.bugs.wallNow = times;
    h.engine.stuck.clear();
    h.engine.away = false; // wakes what was stuck
    await h.go(20);
    expect(h.engine.count('run t1')).toBe(1);
    return h;
  }

  test('a task actor that fails has its container stopped, and says so; no other notices', async () => {
    const h = await crashing(1);
    expect(h.told()).toContain('t1 failed (starting): agent: bug');
    expect(h.engine.containers.get('t1')?.state).toBe('exited');
    expect(h.state('tasks/t2')).toBe('running');
  });

  test('one that fails again has its container removed by force, and then has failed', async () => {
    const h = await crashing(2);
    expect(h.told()).toContain('t1 failed (starting): agent: bug');
    expect(h.state('tasks/t1')).toBeUndefined();
    expect([...h.engine.containers.keys()]).toEqual(['t2']);
    h.leader.send({ remove: ['t1'] });
    await h.go(20);
    expect(h.agent.tasks().map(({ id }) => id)).toEqual(['t2']);
  });

  test('a worker that fails comes back with the full set and adopts its tasks', async () => {
    const h = await runningAgent([buildTask('t1')]);
    h.leader.tasks = [buildTask('t1', { state: 'running' })];
    h.registry.get('agent/n1/tasks')?.send({ type: 'assign', assign: null });
    await h.go(1_000, 10);
    expect(h.events).toContain('child_exit');
    expect(h.leader.hellos).toHaveLength(2);
    expect(h.agent.tasks()).toEqual([{ id: 't1', state: 'running' }]);
    expect(h.state('tasks/t1')).toBe('running');
    expect(h.engine.count('run t1')).toBe(1);
  });

  test('a session that fails comes back and disturbs no task', async () => {
    const h = await runningAgent([buildTask('t1')]);
    const task = h.registry.get('agent/n1/tasks/t1');
    h.registry.get('agent/n1/session')?.send({ type: 'notice' });
    await h.go(1_000, 10);
    expect(h.leader.hellos).toHaveLength(2);
    expect(h.registry.get('agent/n1/tasks/t1')).toBe(task);
  });
});

describe('leaving', () => {
  test('stops and removes every container of the node, known or not', async () => {
    const h = await runningAgent([buildTask('t1'), buildTask('t2', { desired: 'ready' })]);
    h.engine.leave('unknown', 'running');
    const heartbeats = h.heartbeats();
    let left = false;
    void h.agent.removeAll().then(() => (left = true));
    await h.go(100);
    expect(left).toBe(true);
    expect(h.engine.calls).toContain('shutdown t1');
    expect(h.engine.containers.size).toBe(0);
    expect(h.registry.tree()).toEqual([]);
    // the leader hears of it before the containers are gone, and of their ends
    expect(h.hub.bodies(subjects.agent('n1', 'leave'))).toEqual([{}]);
    await h.go(5_000, 100);
    expect(h.heartbeats()).toBe(heartbeats);
    expect(h.told()).toEqual(['t1 shutdown (shutdown)', 't2 shutdown (shutdown)']);
  });

  test('uses force where a stop takes too long, and gives up on an engine that is away', async () => {
    const h = await runningAgent([buildTask('t1', { graceNs: 60e9 })]);
    h.engine.stuck.add('shutdown');
    let left = false;
    void h.agent.removeAll().then(() => (left = true));
    await h.go(14_000, 100);
    expect(left).toBe(false);
    await h.go(1_100, 100);
    expect(left).toBe(true);
    expect(h.engine.calls.at(-1)).toBe('orphan t1');

    const away = await runningAgent([buildTask('t1')]);
    away.engine.away = true;
    let gaveUp = false;
    void away.agent.removeAll().then(() => (gaveUp = true));
    await away.go(31_000, 100);
    expect(gaveUp).toBe(true);
    expect(away.events).toContain('containers_left');
  });

  test('says so until the leader has written it down', async () => {
    const h = await runningAgent();
    const answers: unknown[] = [
      undefined,
      { ok: false, error: { code: 'Unavailable', message: 'no leader', origin: 'manager' } },
      'malformed',
    ];
    h.leader.onLeave = () => (answers.length > 0 ? answers.shift() : { ok: true });
    let left = false;
    void h.agent.removeAll().then(() => (left = true));
    await h.go(100);
    expect(left).toBe(false);
    await h.go(2_500, 10);
    expect(left).toBe(true);
    expect(h.hub.bodies(subjects.agent('n1', 'leave'))).toHaveLength(4);
    expect(h.events).not.toContain('leave_not_taken');
  });

  test('and gives up where nobody answers', async () => {
    const h = await runningAgent();
    h.leader.onLeave = () => undefined;
    let left = false;
    void h.agent.removeAll().then(() => (left = true));
    await h.go(6_600, 10);
    expect(left).toBe(true);
    expect(h.events).toContain('leave_not_taken');
    const said = h.hub.bodies(subjects.agent('n1', 'leave')).length;
    expect(said).toBeLessThanOrEqual(10);
    await h.go(20_000, 100);
    expect(h.hub.bodies(subjects.agent('n1', 'leave'))).toHaveLength(said);
  });

  test('before it has ever started', async () => {
    const h = buildAgent();
    h.engine.leave('t1', 'running');
    const left = h.agent.removeAll();
    await h.go(100);
    await left;
    expect(h.engine.containers.size).toBe(0);
  });
});

test('the work of a change does not grow with the tasks that do not change', async () => {
  const ids = Array.from({ length: 1_000 }, (_, i) => `t${i}`);
  const h = await runningAgent(ids.map((id) => buildTask(id)));
  await h.go(50);
  expect(h.agent.tasks().filter((t) => t.state === 'running')).toHaveLength(1_000);
  for (const call of ['find', 'prepare', 'start', 'wait'])
    expect(h.engine.calls.filter((c) => c.startsWith(`${call} `))).toHaveLength(1_000);
  const reports = h.leader.reports.length;
  const calls = h.engine.calls.length;
  for (let i = 0; i < 10; i++) h.leader.send({ put: [buildTask(`new${i}`)], remove: [`t${i}`] });
  await h.go(50);
  expect(h.engine.calls.length - calls).toBe(10 * (5 + 2)); // find, prepare, start, run, wait; shutdown, remove
  expect(h.leader.reports.slice(reports).flatMap((r) => r.updates).length).toBeLessThanOrEqual(40);
});

test('logs are read while the agent runs, and not afterwards', async () => {
  const h = buildAgent();
  const open = { ask: 'open', stream: 's1', taskId: 't1', options: allLines } as const;
  expect(await h.agent.askLogs(open)).toMatchObject({ error: { code: 'Unavailable' } });
  h.agent.start();
  expect(await h.agent.askLogs(open)).toMatchObject({ ok: true });
  await h.go(1);
  const next = { ask: 'next', stream: 's1', seq: 1, bytes: 1_000, holdMs: 0 } as const;
  const answer = await h.agent.askLogs(next);
  expect(answer.ok && Buffer.from(answer.frames).toString('latin1').slice(8)).toBe('t1\n');
  await h.agent.stop();
  expect(await h.agent.askLogs(open)).toMatchObject({ error: { code: 'Unavailable' } });
});
