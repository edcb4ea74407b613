// A manager asks the others where the log goes on. The others are a port: each test says what they answer.

import { expect, test } from '@jest/globals';
import { LogFollower } from '../../../../actors/node/log-place/log-follower.ts';
import type { LogOffer } from '../../../../actors/node/log-place/log-offer.ts';
import type { LogPlace } from '../../../../actors/node/log-place/log-place.ts';
import { Fault } from '../../../../domain/errors.ts';
import type { RoutePeer } from '../../../../domain/members/form.ts';
import type { Node } from '../../../../domain/model/objects.ts';
import { VirtualClock } from '../../../../supervisors/virtual-clock.ts';
import { pauseOn, settleOn } from '../../../support/virtual-time.ts';

const pass = (clock: VirtualClock, ms: number): Promise<void> =>
  settleOn(clock, pauseOn(clock, ms));
const told = { addr: 'a:2377', bus: 'a:7946', route: 'a:7947' };
const peer = (nodeId: string, pins = [`pin of ${nodeId}`]): RoutePeer => ({
  nodeId,
  addr: `${nodeId}:2377`,
  bus: `${nodeId}:7946`,
  route: `${nodeId}:7947`,
  pins,
});
const offer = (fields: Partial<LogOffer>): LogOffer => ({
  generation: 2,
  form: 'several',
  busIssuerSeed: 'seed',
  peers: [peer('b')],
  lock: { version: 0 },
  index: 10,
  current: 2,
  ...fields,
});
const newcomer: LogPlace = { nodeId: 'a', generation: 0, form: 'several', joining: true };

/** A manager `a` that knows of `b` and `c`; `answers` by address, each `b:2377` or `c:2377`. */
function follower(first: LogPlace, answers: Record<string, () => LogOffer>) {
  const clock = new VirtualClock();
  const end = new AbortController();
  const does: string[] = [];
  let place = first;
  const did = (what: string): Promise<void> => {
    does.push(what);
    return Promise.resolve();
  };
  const made = new LogFollower({
    disk: {
      place: () => place,
      save: (next) => {
        place = next;
        does.push('save');
      },
      notePeers: (peers) => does.push(`peers ${peers.map(({ nodeId }) => nodeId).join()}`),
      takeOffer: ({ busIssuerSeed }) => does.push(`take ${busIssuerSeed}`),
      beginGeneration: () => Promise.resolve(),
      beginJournal: (generation) => did(`journal ${generation}`),
      checkpointOf: () => Promise.resolve(undefined),
      keepOnly: () => undefined,
    },
    managers: {
      known: () => ['b', 'c'].map((nodeId) => ({ nodeId, addr: `${nodeId}:2377` })),
      offer: async (addr) => {
        const answer = answers[addr];
        if (answer === undefined) throw new Fault('Unavailable', 'nobody answers');
        return answer();
      },
      enroll: (addr) => did(`enroll ${addr}`),
      checkpoint: async (addr) => {
        if (answers[addr] === undefined) throw new Fault('Unavailable', 'nobody answers');
        return { seq: 10, hash: '', data: new Uint8Array() };
      },
    },
    self: {
      told: () => told,
      pin: () => 'pin of a',
      renew: (addr) => does.push(`renew ${addr}`),
    },
    clock,
    report: () => undefined,
  });
  return { follower: made, clock, scope: end.signal, end, does, place: () => place };
}

/** What a manager in generation 2 sees of itself. */
const manager = (own: Partial<Node> | undefined, leaderId = 'b') => {
  const node = { id: 'a', role: 'manager', pins: ['pin of a'], manager: told, ...own };
  const view = { index: 10, node: () => node, managers: () => [] };
  return { view: () => view, leaderId: () => leaderId } as unknown as Parameters<
    LogFollower['watch']
  >[0];
};

test('a newcomer takes the offer of the manager that knows most: keys before the place', async () => {
  const {
    follower: made,
    scope,
    does,
    place,
  } = follower(newcomer, {
    'b:2377': () => offer({ generation: 2, busIssuerSeed: 'of b' }),
    'c:2377': () => offer({ generation: 4, busIssuerSeed: 'of c' }),
  });
  await made.seek(scope);
  expect(does).toEqual(['take of c', 'save']);
  expect(place()).toEqual({ nodeId: 'a', generation: 4, form: 'several', joining: true });
});

test('one that is in the generation already tells where it is, until the others know it with its key', async () => {
  let peers = [peer('b')];
  const {
    follower: made,
    clock,
    end,
    scope,
    does,
  } = follower({ ...newcomer, generation: 2 }, { 'b:2377': () => offer({ peers }) });
  const seeking = made.seek(scope);
  await pass(clock, 400);
  expect(does).toEqual(['peers b', 'enroll b:2377']);
  peers = [peer('b'), { ...peer('a'), pins: ['an older one'] }];
  await pass(clock, 500);
  expect(does.slice(2)).toEqual(['peers b,a', 'enroll b:2377']);
  peers = [peer('b'), peer('a')];
  await pass(clock, 500);
  expect(does.slice(4)).toEqual(['peers b,a']);
  end.abort();
  await seeking;
});

test('a manager that has its place seeks none, and one whose scope has ended asks nobody', async () => {
  const placed = follower({ nodeId: 'a', generation: 2 }, { 'b:2377': () => offer({}) });
  await placed.follower.seek(placed.scope);
  const ended = follower(newcomer, { 'b:2377': () => offer({}) });
  ended.end.abort();
  await ended.follower.seek(ended.scope);
  expect([...placed.does, ...ended.does]).toEqual([]);
});

test('a refusal brings a new certificate, once in three seconds', async () => {
  const refuse = (): LogOffer => {
    throw new Fault('PermissionDenied', 'node a is not to be a manager');
  };
  const { follower: made, clock, end, scope, does } = follower(newcomer, { 'b:2377': refuse });
  const seeking = made.seek(scope);
  await pass(clock, 2_900);
  expect(does).toEqual(['renew b:2377']);
  await pass(clock, 1_000);
  expect(does).toEqual(['renew b:2377', 'renew b:2377']);
  end.abort();
  await seeking;
});

test('the state comes from the first manager that gives it', async () => {
  const {
    follower: made,
    scope,
    does,
  } = follower({ ...newcomer, generation: 2 }, { 'c:2377': () => offer({}) });
  await made.fetchState(scope);
  expect(does).toEqual(['journal 2']);
});

test('a generation has begun when another manager is in it; the end of the scope rejects', async () => {
  let current = 2;
  const {
    follower: made,
    clock,
    end,
    scope,
  } = follower({ nodeId: 'a', generation: 2 }, { 'b:2377': () => offer({ current }) });
  let has = false;
  const begun = made.begun(3, scope).then(() => (has = true));
  await pass(clock, 2_000);
  expect(has).toBe(false);
  current = 3;
  await pass(clock, 600);
  await begun;
  const never = expect(made.begun(4, scope)).rejects.toThrow();
  end.abort();
  await never;
});

test('while nothing is amiss nobody is asked', async () => {
  const asked: string[] = [];
  const ask = (): LogOffer => {
    asked.push('b');
    return offer({});
  };
  const {
    follower: made,
    clock,
    end,
    scope,
  } = follower({ nodeId: 'a', generation: 2 }, { 'b:2377': ask });
  const watching = made.watch(manager({}), scope);
  await pass(clock, 10_000);
  expect(asked).toEqual([]);
  end.abort();
  await watching;
});

test.each([
  ['the log goes on in a later generation', offer({ generation: 4, current: 4 }), 4],
  ['it was let go and is wanted again', offer({ peers: [peer('b')], index: 11 }), 2],
])('a manager without a leader begins anew when %s', async (_, said, generation) => {
  const {
    follower: made,
    scope,
    does,
    place,
  } = follower({ nodeId: 'a', generation: 2, form: 'several' }, { 'b:2377': () => said });
  await made.watch(manager({}, ''), scope);
  expect(does).toEqual(['take seed', 'save']);
  expect(place()).toEqual({ nodeId: 'a', generation, form: 'several', joining: true });
});

test('a manager that was left behind is not followed; keys of the others that are news are taken, and the own key is told', async () => {
  const {
    follower: made,
    clock,
    end,
    scope,
    does,
  } = follower(
    { nodeId: 'a', generation: 2, form: 'several' },
    {
      'b:2377': () => offer({ generation: 1, current: 1, index: 90 }),
      'c:2377': () => offer({ peers: [peer('b'), peer('a', ['an older one'])], index: 12 }),
    },
  );
  const watching = made.watch(manager({ pins: ['an older one'] }), scope);
  await pass(clock, 100);
  expect(does).toEqual(['peers b,a', 'enroll c:2377']);
  end.abort();
  await watching;
});

test('one that is not let in goes over to a later generation, and only to one', async () => {
  let said = offer({});
  const {
    follower: made,
    scope,
    does,
  } = follower(
    { nodeId: 'a', generation: 2, form: 'several', founding: { after: 7 } },
    { 'b:2377': () => said },
  );
  expect(await made.leave(scope)).toBe(false);
  said = offer({ generation: 3, current: 3 });
  expect(await made.leave(scope)).toBe(true);
  expect(does).toEqual(['take seed', 'save']);
});
