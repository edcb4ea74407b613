import { describe, expect, test } from '@jest/globals';
import { GenerationHandover } from '../../../../actors/node/log-place/generation-handover.ts';
import type { LogPlace, LogPlaceDisk } from '../../../../actors/node/log-place/log-place.ts';
import { untilForgotten } from '../../../../actors/node/log-place/own-server-watch.ts';
import type { Manager } from '../../../../actors/manager/manager.ts';
import { VirtualClock } from '../../../../supervisors/virtual-clock.ts';
import { settle } from '../../../support/settle.ts';

const scope = new AbortController().signal;

/** The disk of a manager `a` that has been let in, but does not know yet. */
function disk() {
  let place: LogPlace = { nodeId: 'a', generation: 2, form: 'several', joining: true };
  const journals = new Set([2]);
  const files: LogPlaceDisk = {
    place: () => place,
    save: (next) => {
      place = next;
    },
    beginGeneration: (generation) => {
      journals.add(generation);
      return Promise.resolve();
    },
    beginJournal: () => Promise.resolve(),
    checkpointOf: () => Promise.resolve(undefined),
    keepOnly: (generation) => {
      for (const other of journals) if (other !== generation) journals.delete(other);
    },
    notePeers: () => undefined,
    takeOffer: () => undefined,
  };
  const handover = new GenerationHandover({
    disk: files,
    servers: {
      ready: () => Promise.resolve(),
      create: () => Promise.resolve(),
      copied: () => Promise.resolve(),
      foundingPatience: () => scope,
    },
    others: { fetchState: () => Promise.resolve(), begun: () => Promise.resolve() },
    report: () => undefined,
  });
  return { handover, place: () => place, journals };
}

const next = { generation: 3, form: 'alone', founder: 'a' } as const;
const manager = {
  view: () => ({
    cluster: () => ({ log: { generation: 2, form: 'several', next } }),
    managers: () => [],
  }),
  snapshot: () => ({ seq: 73 }),
} as unknown as Pick<Manager, 'view' | 'snapshot'>;

test.each(['advance', 'retreat'] as const)(
  'the answer that a manager counts comes when the next generation has begun (%s): that one is kept',
  async (way) => {
    const { handover, place, journals } = disk();
    let answer = (): void => undefined;
    const told = new Promise<{ index: number; result: unknown }>((resolve) => {
      answer = () => resolve({ index: 73, result: {} });
    });
    const confirming = handover.confirm({ command: () => told }, scope);
    await settle();
    const leaving = handover[way](manager, scope);
    answer();
    await Promise.all([confirming, leaving]);
    expect([...journals]).toContain(3);
    expect(place()).toEqual({ nodeId: 'a', generation: 3, form: 'alone', founding: { after: 73 } });
  },
);

describe('a server that was taken out of the group while it was away', () => {
  type Look = 'in' | 'out' | 'silent';
  /** What its manager sees, second by second; answers when it finds that its server is forgotten, s. */
  async function foundAfter(look: (second: number) => Look): Promise<number | undefined> {
    const clock = new VirtualClock();
    let found: number | undefined;
    const isMember = (): Promise<boolean> => {
      const now = look(clock.now() / 1_000);
      return now === 'silent'
        ? Promise.reject(new Error('no leader'))
        : Promise.resolve(now === 'in');
    };
    const end = new AbortController();
    untilForgotten({ isMember }, clock, end.signal).then(
      () => (found = clock.now() / 1_000),
      () => undefined,
    );
    for (let second = 0; second < 120 && found === undefined; second++) {
      await settle();
      clock.advance(1_000);
    }
    end.abort();
    return found;
  }

  test('is found when the others have long gone on without it', async () => {
    expect(await foundAfter(() => 'out')).toBeGreaterThanOrEqual(20);
  });
  test.each<[string, (second: number) => Look]>([
    ['it is there', () => 'in'],
    ['the servers have no leader', () => 'silent'],
    ['it comes in within the time', (second) => (second < 15 ? 'out' : 'in')],
    ['it is there now and then', (second) => (second % 20 < 15 ? 'out' : 'in')],
    ['the servers have no leader now and then', (second) => (second % 20 < 15 ? 'out' : 'silent')],
  ])('is none: %s', async (_, look) => {
    expect(await foundAfter(look)).toBeUndefined();
  });
});
