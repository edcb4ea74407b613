import { expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import { hearLeader, leadershipMachine } from '../../../actors/manager/leadership.machine.ts';
import { termMs } from '../../../actors/manager/quorum.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settle } from '../../support/settle.ts';

/** A manager that has last heard a leader at time 0. Each step that it takes is noted; what is set to fail does. */
async function buildManager({ alone = false } = {}) {
  const clock = new VirtualClock();
  const steps: string[] = [];
  const told: string[] = [];
  const world = { heardAt: 0, majority: true, fails: '' };
  const step = (name: string): Promise<void> => {
    steps.push(name);
    return world.fails === name ? Promise.reject(new Error('planted')) : Promise.resolve();
  };
  let depose = (): void => undefined;
  const actor = createActor(leadershipMachine, {
    clock,
    input: {
      scope: new AbortController().signal,
      random: () => 0,
      heardFor: () => clock.now() - world.heardAt,
      isAlone: () => alone,
      catchUp: () => step('catch up'),
      follow: () => () => undefined,
      preVote: async () => {
        await step('preVote');
        return world.majority;
      },
      claim: () => step('claim'),
      lead: (deposed) => {
        depose = deposed;
        steps.push('lead');
        return () => steps.push('stop');
      },
      log: (event, _fields, level = 'info') => told.push(`${level} ${event}`),
    },
  });
  actor.start();
  await settle();
  const go = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 10) {
      clock.advance(Math.min(10, left));
      await settle();
    }
  };
  /** The steps since it was last asked. */
  const taken = (): readonly string[] => steps.splice(0);
  const hear = (): void => {
    world.heardAt = clock.now();
    hearLeader(actor);
  };
  return { actor, clock, world, told, go, taken, hear, depose: () => depose() };
}

test('one that is alone claims and leads at once, and again when it is deposed', async () => {
  const manager = await buildManager({ alone: true });
  expect(manager.taken()).toEqual(['catch up', 'claim', 'lead']);
  manager.depose();
  await settle();
  expect(manager.taken()).toEqual(['stop', 'catch up', 'claim', 'lead']);
});

test('nothing is claimed while a leader is heard; after its silence the others are asked first', async () => {
  const manager = await buildManager();
  for (let heartbeats = 0; heartbeats < 20; heartbeats++) {
    await manager.go(termMs.silence - 20);
    manager.hear();
  }
  expect(manager.taken()).toEqual(['catch up']);
  await manager.go(termMs.silence - 20);
  expect(manager.taken()).toEqual([]);
  await manager.go(40);
  expect(manager.taken()).toEqual(['catch up', 'preVote', 'claim', 'lead']);
});

test('a silence that was over before it listened does not count', async () => {
  const manager = await buildManager();
  manager.world.heardAt = -60_000;
  manager.actor.send({ type: 'doubted' });
  await settle();
  manager.taken();
  await manager.go(termMs.silence - 20);
  expect(manager.taken()).toEqual([]);
  await manager.go(40);
  expect(manager.taken()).toContain('claim');
});

test('where the others hear a leader nothing is claimed; they are asked again until this one hears it too', async () => {
  const manager = await buildManager();
  manager.world.majority = false;
  await manager.go(termMs.silence + 1_000);
  const asked = manager.taken().filter((step) => step !== 'catch up');
  expect(asked.length).toBeGreaterThan(3);
  expect(new Set(asked)).toEqual(new Set(['preVote']));
  manager.hear();
  await manager.go(termMs.silence - 20);
  expect(manager.taken()).toEqual([]);
});

test('a leader that lets go is followed without its silence', async () => {
  const manager = await buildManager();
  manager.taken();
  manager.actor.send({ type: 'released' });
  await manager.go(50);
  expect(manager.taken()).toEqual(['catch up', 'preVote', 'claim', 'lead']);
});

test('who loses the claim asks again after a pause; the third loss in a row is a warning, and leading ends the row', async () => {
  const manager = await buildManager();
  manager.world.fails = 'claim';
  await manager.go(termMs.silence + 500);
  manager.world.fails = '';
  await manager.go(500);
  expect(manager.taken().filter((step) => step === 'claim')).toHaveLength(4);
  const [delayed, failed] = ['info leadership_delayed', 'warn leadership_failed'];
  expect(manager.told.splice(0)).toEqual([delayed, delayed, failed]);
  manager.world.fails = 'catch up';
  manager.depose();
  await settle();
  expect(manager.told).toEqual([delayed]);
});

test('a log that cannot be read is read again, ever more rarely, and nothing else is done', async () => {
  const manager = await buildManager({ alone: true });
  manager.taken();
  manager.world.fails = 'catch up';
  manager.depose();
  await manager.go(60_000);
  const tries = manager.taken();
  expect(new Set(tries)).toEqual(new Set(['stop', 'catch up']));
  expect(tries.length).toBeLessThan(40);
  manager.world.fails = '';
  await manager.go(2_100);
  expect(manager.taken()).toEqual(['catch up', 'claim', 'lead']);
});
