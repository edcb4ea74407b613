import { describe, expect, test } from '@jest/globals';
import { subjects } from '../../../bus/subjects.ts';
import { buildTask } from './builders.ts';
import { description } from './fake-engine.ts';
import { buildAgent, runningAgent } from './harness.ts';

const refusal = { ok: false, error: { code: 'Unavailable', message: 'no', origin: 'manager' } };

/** What a hello tells of the agent's version. */
const versions = { wire: 1, featureLevel: 1 };

describe('greeting', () => {
  test('hello, then heartbeats in the asked period with jitter', async () => {
    const h = await runningAgent();
    expect(h.leader.hellos).toEqual([{ session: 'session1', description, ...versions }]);
    expect(h.state('session')).toBe('active.steady');
    await h.go(10_000, 10);
    expect(h.heartbeats()).toBeGreaterThanOrEqual(9);
    expect(h.heartbeats()).toBeLessThanOrEqual(11);
    expect(h.hub.bodies(subjects.agent('n1', 'beat'))[0]).toEqual({
      session: 'session1',
      seq: 1,
    });
  });

  test('waits for the bus', async () => {
    const h = buildAgent({ connected: false });
    h.agent.start();
    await h.go(60_000, 100);
    expect(h.state('session')).toBe('connecting');
    h.bus.setConnected(true);
    await h.go(200);
    expect(h.state('session')).toBe('active.steady');
  });

  test('waits for an engine that has never been seen', async () => {
    const h = buildAgent();
    h.engine.away = true;
    h.agent.start();
    await h.go(60_000, 100);
    expect(h.leader.hellos).toEqual([]);
    h.engine.away = false;
    await h.go(8_000, 100);
    expect(h.leader.hellos).toHaveLength(1);
  });

  test('uses the last description while the engine is away', async () => {
    const h = await runningAgent();
    h.engine.away = true;
    h.leader.epoch = { generation: 1, epoch: 2 };
    h.leader.notice();
    await h.go(200);
    expect(h.leader.hellos.map((hello) => hello.description)).toEqual([description, description]);
  });

  test('says at once that the engine went away, with every heartbeat and hello, and that it is back', async () => {
    const h = await runningAgent();
    const last = () => h.hub.bodies(subjects.agent('n1', 'beat')).at(-1);
    const engine = { error: 'engine is away', graceMs: 30_000 };
    h.engine.away = true;
    await h.go(7_500, 10);
    expect(last()).toEqual({ session: 'session1', seq: 1, engine });
    h.engine.hangs = true;
    h.leader.epoch = { generation: 1, epoch: 2 };
    h.leader.notice();
    await h.go(200);
    expect(h.leader.hellos.at(-1)).toEqual({
      session: 'session2',
      description,
      engine,
      ...versions,
    });
    const heartbeats = h.heartbeats();
    h.engine.hangs = false;
    h.engine.away = false;
    await h.go(600, 10);
    expect(h.heartbeats()).toBeGreaterThan(heartbeats);
    expect(last()).toEqual({ session: 'session2', seq: 1 });
    expect(h.events.filter((event) => event.startsWith('engine_'))).toEqual([
      'engine_lost',
      'engine_back',
    ]);
  });

  test('is tried again with a backoff that ends at 8 s', async () => {
    const h = buildAgent();
    h.leader.onHello = () => refusal;
    h.agent.start();
    await h.go(60_000, 10);
    const first = h.leader.hellos.length;
    expect(first).toBeGreaterThan(8);
    expect(first).toBeLessThan(18);
    await h.go(60_000, 100);
    expect(h.leader.hellos.length - first).toBeGreaterThanOrEqual(7);
    h.leader.onHello = undefined;
    await h.go(8_000, 100);
    expect(h.state('session')).toBe('active.steady');
  });

  test.each([
    ['no answer', undefined],
    ['nonsense', 'hm'],
    ['an answer without a period', { ok: true, generation: 1, epoch: 1 }],
    ['a refusal', refusal],
  ])('survives %s', async (_, answer) => {
    const h = buildAgent();
    h.leader.onHello = () => answer;
    h.agent.start();
    await h.go(6_000, 10);
    expect(h.state('session')).toMatch(/^greeting/);
    h.leader.onHello = undefined;
    await h.go(10_000, 10);
    expect(h.state('session')).toBe('active.steady');
  });
});

describe('says hello again', () => {
  test('after a gap, and takes the full set that follows', async () => {
    const h = await runningAgent();
    h.leader.tasks = [buildTask('t1'), buildTask('t2')];
    h.leader.seq++; // one message lost
    h.leader.send({ put: [buildTask('t2')] });
    await h.go(200);
    expect(h.leader.hellos.map((hello) => hello.session)).toEqual(['session1', 'session2']);
    expect(h.agent.tasks().map((t) => t.id)).toEqual(['t1', 't2']);
  });

  test('when the leader is in another session', async () => {
    const h = await runningAgent();
    h.leader.send({}, { session: 'of somebody else' });
    await h.go(200);
    expect(h.leader.hellos).toHaveLength(2);
  });

  test('when a newer leader gives notice, once', async () => {
    const h = await runningAgent();
    h.leader.epoch = { generation: 1, epoch: 2 };
    h.leader.notice();
    await h.go(200);
    h.leader.notice();
    await h.go(200);
    expect(h.leader.hellos).toHaveLength(2);
    expect(h.epochs).toEqual([
      { generation: 1, epoch: 1 },
      { generation: 1, epoch: 2 },
    ]);
  });

  test('but frequent notices do not keep it from greeting', async () => {
    const h = await runningAgent();
    h.leader.epoch = { generation: 1, epoch: 2 };
    for (let i = 0; i < 100; i++) {
      h.leader.notice();
      await h.go(10);
    }
    expect(h.leader.hellos).toHaveLength(2);
  });

  test('at once when what it is has changed, however often it failed before; else not', async () => {
    const h = await runningAgent();
    h.agent.refresh();
    await h.go(1_000, 10);
    expect(h.leader.hellos).toHaveLength(1);
    for (let i = 0; i < 6; i++) {
      h.bus.setConnected(false);
      h.bus.setConnected(true);
    }
    await h.go(8_000, 10);
    const before = h.leader.hellos.length;
    h.engine.description = { ...description, hostname: 'other' };
    h.agent.refresh();
    h.agent.refresh();
    await h.go(10);
    expect(h.leader.hellos).toHaveLength(before + 1);
    expect(h.leader.hellos.at(-1)?.description.hostname).toBe('other');
    expect(h.state('session')).toBe('active.steady');
  });

  test('with what it is now, if that changes while it greets', async () => {
    const h = buildAgent();
    h.leader.onHello = () => undefined;
    h.agent.start();
    await h.go(1);
    h.engine.description = { ...description, hostname: 'other' };
    h.leader.onHello = undefined;
    h.agent.refresh();
    await h.go(1_000, 10);
    expect(h.leader.hellos.at(-1)?.description.hostname).toBe('other');
  });

  test('after the connection was lost', async () => {
    const h = await runningAgent();
    h.bus.setConnected(false);
    await h.go(1_000, 10);
    expect(h.state('session')).toBe('connecting');
    h.bus.setConnected(true);
    await h.go(200);
    expect(h.leader.hellos).toHaveLength(2);
  });

  test('when the full set does not come', async () => {
    const h = buildAgent();
    h.leader.sendsFullSet = false;
    h.agent.start();
    await h.go(5_000, 10);
    h.leader.sendsFullSet = true;
    await h.go(200, 10);
    expect(h.leader.hellos).toHaveLength(2);
  });

  test('when its description has changed, looked at every 20 s', async () => {
    const h = await runningAgent();
    await h.go(60_000, 100);
    expect(h.leader.hellos).toHaveLength(1);
    h.engine.description = { ...description, hostname: 'renamed' };
    await h.go(21_000, 100);
    expect(h.leader.hellos.map((hello) => hello.description.hostname)).toEqual(['host', 'renamed']);
  });
});

describe('is no failure, however often', () => {
  const times = 20;
  /** How long the node has no session, ms, at its worst. */
  async function worstPause(happens: (h: Awaited<ReturnType<typeof runningAgent>>) => void) {
    const h = await runningAgent();
    let worst = 0;
    for (let i = 0; i < times; i++) {
      const before = h.leader.hellos.length;
      happens(h);
      let ms = 0;
      for (; h.leader.hellos.length === before && ms < 20_000; ms++) await h.go(1);
      worst = Math.max(worst, ms);
      await h.go(50);
      expect(h.state('session')).toBe('active.steady');
    }
    return worst;
  }

  test('a connection that is lost while all is well', async () => {
    const worst = await worstPause(({ bus }) => {
      bus.setConnected(false);
      bus.setConnected(true);
    });
    expect(worst).toBeLessThanOrEqual(10);
  });

  test('a newer leader', async () => {
    const worst = await worstPause(({ leader }) => {
      leader.epoch = { generation: 1, epoch: leader.epoch.epoch + 1 };
      leader.notice();
    });
    expect(worst).toBeLessThanOrEqual(110);
  });

  test('a leader that asks for a hello', async () => {
    const worst = await worstPause(({ leader }) => leader.send({}, { session: '', seq: 0 }));
    expect(worst).toBeLessThanOrEqual(110);
  });

  test('a new leader is greeted at once after a long time without one', async () => {
    const h = buildAgent();
    h.leader.onHello = () => refusal;
    h.agent.start();
    await h.go(60_000, 100);
    h.leader.onHello = undefined;
    h.leader.epoch = { generation: 1, epoch: 2 };
    h.leader.notice();
    await h.go(200);
    expect(h.state('session')).toBe('active.steady');
  });

  test('but gaps are failures: the pause grows', async () => {
    const worst = await worstPause(({ leader }) => {
      leader.seq++;
      leader.send({});
    });
    expect(worst).toBeGreaterThan(5_000);
  });
});

test('a hello whose answer is lost is said again before the leader takes the node for lost', async () => {
  const h = buildAgent();
  h.leader.onHello = () => undefined;
  h.agent.start();
  await h.go(100);
  h.leader.onHello = undefined;
  await h.go(1_600, 10);
  expect(h.state('session')).toBe('active.steady');
});

describe('old leaders', () => {
  test('an assignment of a lower epoch is ignored', async () => {
    const h = buildAgent({ saved: { generation: 2, epoch: 5 } });
    h.leader.epoch = { generation: 2, epoch: 5 };
    h.agent.start();
    await h.go(20);
    h.leader.send({ put: [buildTask('t1')] }, { epoch: 4 });
    h.leader.send({ put: [buildTask('t2')] }, { generation: 1, epoch: 9 });
    await h.go(20);
    expect(h.agent.tasks()).toEqual([]);
    expect(h.events.filter((e) => e === 'stale_assignment')).toHaveLength(2);
    expect(h.leader.hellos).toHaveLength(1);
  });

  test('nor is its answer to a hello taken, in the next life of the daemon either', async () => {
    const h = await runningAgent();
    h.leader.epoch = { generation: 1, epoch: 7 };
    h.leader.notice();
    await h.go(200);
    await h.agent.stop();
    expect(h.saved.at(-1)).toEqual({ generation: 1, epoch: 7 });
    h.leader.epoch = { generation: 1, epoch: 6 };
    h.leader.tasks = [buildTask('t1')];
    const next = h.remake();
    next.start();
    await h.go(10_000, 10);
    expect(next.tasks()).toEqual([]);
    expect(h.state('session')).toMatch(/^greeting/);
    h.leader.epoch = { generation: 1, epoch: 7 };
    await h.go(10_000, 10);
    expect(next.tasks()).toHaveLength(1);
  });

  test('a disk that takes no epoch stops nothing', async () => {
    const h = buildAgent();
    h.saved.push = () => {
      throw new Error('disk full');
    };
    h.leader.tasks = [buildTask('t1')];
    h.agent.start();
    await h.go(50);
    expect(h.events).toContain('epoch_not_saved');
    expect(h.agent.tasks()).toEqual([{ id: 't1', state: 'running' }]);
  });
});

test('what is no assignment is dropped', async () => {
  const h = await runningAgent();
  const other = h.hub.connect();
  for (const body of [null, 'x', { put: [] }, { generation: 1, epoch: 1, session: 'session1' }])
    other.publish(subjects.node('n1', 'assign'), body);
  other.publish(subjects.leader, { generation: 'x' });
  await h.go(200);
  expect(h.events.filter((e) => e === 'message_not_understood')).toHaveLength(4);
  expect(h.leader.hellos).toHaveLength(1);
});
