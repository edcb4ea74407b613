import { describe, expect, test } from '@jest/globals';
import { drawHandover, simulateHandover } from './handover/run.ts';

const calm = { seed: 1, hosts: 3 } as const;

test('one manager becomes three, three become one, and three again', async () => {
  const { failure, acknowledged, generation } = await simulateHandover(calm);
  expect(failure).toBeUndefined();
  expect(generation).toBe(4);
  expect(acknowledged).toBeGreaterThan(40);
});

test('a machine loses its power before or behind any write to a disk', async () => {
  const { steps } = await simulateHandover(calm);
  expect(steps).toBeGreaterThan(20);
  for (let powerOffAt = 0; powerOffAt < 2 * steps; powerOffAt++) {
    const { failure, powerCuts } = await simulateHandover({ ...calm, powerOffAt });
    if (failure !== undefined) throw new Error(`step ${powerOffAt / 2}: ${failure.message}`);
    expect(powerCuts).toBe(1);
  }
});

describe('machines lose their power at random', () => {
  test.each([1, 2, 3, 4, 5, 193])('seed %i', async (seed) => {
    const { failure, acknowledged, powerCuts } = await simulateHandover(drawHandover(seed));
    expect(failure).toBeUndefined();
    expect(acknowledged).toBeGreaterThan(0);
    expect(powerCuts).toBeGreaterThan(0);
  });
});

describe('messages are lost and late besides', () => {
  // of machines that lose their power while all of it goes on: servers taken out while they were away (50014, 50042), all that
  // count demoted while another one joins (50139, 50216), a joiner whose servers only do not answer (50266), two
  // that join late and have heard as much as the leader: each asked the other one to let it in (50286), a joiner that is demoted
  // before it has the state: it was refused the state, and the leader needed it (50168, 50201), one that joins a new generation
  // and loses its power before it has the state: its disk was taken for older than it had been in the one before (50765)
  test.each([50_005, 50_014, 50_042, 50_139, 50_168, 50_201, 50_216, 50_266, 50_286, 50_765])(
    'seed %i',
    async (seed) => {
      const options = drawHandover(seed);
      expect(options.mishapRate).toBeGreaterThan(0);
      const { failure } = await simulateHandover(options);
      expect(failure).toBeUndefined();
    },
  );

  test('every kind of message, there and back', async () => {
    const hits = new Set<string>();
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const options = { seed, hosts: 4, powerOffEveryMs: 20_000, mishapRate: 0.3 };
      const { failure, mishaps } = await simulateHandover(options);
      expect(failure).toBeUndefined();
      for (const kind of Object.keys(mishaps)) hits.add(kind);
    }
    for (const operation of ['seat', 'enroll', 'state', 'start check', 'survey', 'manager.seated'])
      for (const direction of ['request', 'answer'])
        for (const fate of ['lost', 'late'])
          expect(hits).toContain(`${operation} ${direction} ${fate}`);
    for (const operation of ['copies', 'forget', 'lead', 'renewal'])
      expect([...hits].some((kind) => kind.startsWith(`${operation} `))).toBe(true);
  });
});

test('a planted bug is found: a switch to another generation that is not synced', async () => {
  // at which write a loss of power does harm depends on what is written when
  for (let powerOffAt = 0; powerOffAt < 40; powerOffAt++) {
    const { failure } = await simulateHandover({ ...calm, powerOffAt, unsynced: true });
    if (failure === undefined) continue;
    expect(failure).toMatchObject({ name: 'Violation', rule: 'passage' });
    return;
  }
  throw new Error('it is not found');
});
