// What the daemon does with its place in a swarm, one change at a time. The effects are a port; each test decides how they end.

import { describe, expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import type { Identity } from '../../../actors/node/identity.ts';
import { joinPatienceMs, membershipMachine } from '../../../actors/node/membership.machine.ts';
import type { Change, MembershipSteps } from '../../../actors/node/membership.ts';
import { Fault } from '../../../domain/errors.ts';
import { limits } from '../../../domain/limits.ts';
import type { InitRequest, JoinRequest } from '../../../domain/members/requests.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settle } from '../../support/settle.ts';

const addresses = { listenAddr: '0.0.0.0:2377', advertiseHost: '10.0.0.1', advertisePort: '2377' };
const manager: Identity = { nodeId: 'a', clusterId: 'c', generation: 1, ...addresses };
const worker: Identity = { ...manager, generation: 0, role: 'worker' };
const initRequest: InitRequest = {
  listenAddr: '',
  advertiseAddr: '',
  dataPathAddr: '',
  dataPathPort: 0,
  forceNewCluster: false,
  autoLockManagers: false,
  availability: '',
  defaultAddrPool: [],
  subnetSize: 0,
  spec: {},
};
const joinRequest: JoinRequest = {
  listenAddr: '',
  advertiseAddr: '',
  dataPathAddr: '',
  remoteAddrs: ['10.0.0.2'],
  joinToken: 'SWMTKN-1-x',
  availability: '',
};
const init: Change = { kind: 'init', request: initRequest };
const force: Change = { kind: 'init', request: { ...initRequest, forceNewCluster: true } };
const join: Change = { kind: 'join', request: joinRequest };
const leave: Change = { kind: 'leave', force: false };
const unlock: Change = { kind: 'unlock', key: 'SWMKEY-1-x' };
const moved = { ...addresses, advertiseHost: '10.0.0.9' };
const restart: Change = { kind: 'restart', identity: manager, isElsewhere: true };

/** An effect that has begun. */
interface Begun {
  readonly what: string;
  readonly scope: AbortSignal | undefined;
  end(result?: unknown): Promise<void>;
  fail(error: unknown): Promise<void>;
}

function daemon(
  identity?: Identity,
  { isLocked = false, isConnected = true, hasBegun = true } = {},
) {
  const at = { identity, isLocked, isConnected };
  const begun: Begun[] = [];
  const noted: unknown[] = [];
  const effect = (what: string, scope?: AbortSignal): Promise<never> =>
    new Promise<never>((resolve, reject) => {
      const end = resolve as (result: unknown) => void;
      begun.push({
        what,
        scope,
        end: (result) => (end(result), settle()),
        fail: (error) => (reject(error as Error), settle()),
      });
    });
  const steps: MembershipSteps = {
    init: () => effect('init'),
    forceNewCluster: () => effect('forceNewCluster'),
    join: (_, scope) => effect('join', scope),
    noteJoinFailure: (error) => void noted.push(error),
    rejoin: () => effect('rejoin'),
    unlock: () => effect('unlock'),
    comeUp: () => effect('comeUp'),
    refuseUnlock: () => effect('refuseUnlock'),
    leave: () => effect('leave'),
    follow: () => effect('follow'),
    changeRole: (role) => effect(`changeRole ${role}`),
    move: ({ advertiseHost }) => effect(`move ${advertiseHost}`),
    restart: (_, isElsewhere) => effect(`restart ${isElsewhere}`),
  };
  const facts = {
    identity: () => at.identity,
    isLocked: () => at.isLocked,
    isConnected: () => at.isConnected,
    leaveWarning: () => 'removing the last manager',
  };
  const clock = new VirtualClock();
  const actor = createActor(membershipMachine, { clock, input: { facts, steps } });
  actor.start();
  if (hasBegun) actor.send({ type: 'begin' });
  const ask = (change: Change): Promise<unknown> =>
    new Promise((resolve, reject) =>
      actor.send({ type: 'ask', change, reply: { resolve, reject } }),
    );
  return {
    at,
    ask,
    begin: () => actor.send({ type: 'begin' }),
    clock,
    noted,
    effects: () => begun.map(({ what }) => what),
    last: (): Begun => begun.at(-1) as Begun,
    state: () => actor.getSnapshot().value,
    has: (tag: 'joining' | 'replacing') => actor.getSnapshot().hasTag(tag),
  };
}

describe('each change has a state of its own, and ends where the disk says', () => {
  test.each<[string, Identity | undefined, object, Change, string, string]>([
    ['an init', undefined, {}, init, 'initializing', 'init'],
    ['a forced new cluster', manager, {}, force, 'forcingNewCluster', 'forceNewCluster'],
    ['a way back', worker, { isConnected: false }, join, 'rejoining', 'rejoin'],
    ['a worker that leaves', worker, {}, leave, 'leaving', 'leave'],
    [
      'a manager that is made to leave',
      manager,
      {},
      { kind: 'leave', force: true },
      'leaving',
      'leave',
    ],
    [
      'a demotion',
      manager,
      {},
      { kind: 'role', role: 'worker' },
      'changingRole',
      'changeRole worker',
    ],
    [
      'a promotion',
      worker,
      {},
      { kind: 'role', role: 'manager' },
      'changingRole',
      'changeRole manager',
    ],
    ['a new address', worker, {}, { kind: 'move', addresses: moved }, 'moving', 'move 10.0.0.9'],
    ['manager’s parts that begin anew', manager, {}, restart, 'restarting', 'restart true'],
    ['a manager that is to follow', manager, {}, { kind: 'follow' }, 'following', 'follow'],
    ['an unlock of what is not locked', manager, {}, unlock, 'refusingUnlock', 'refuseUnlock'],
  ])('%s', async (_, identity, facts, change, state, effect) => {
    const { ask, last, effects, state: now } = daemon(identity, facts);
    const before = now();
    const asked = ask(change);
    expect(now()).toBe(state);
    expect(effects()).toEqual([effect]);
    await last().end('the result');
    expect(await asked).toBe('the result');
    expect(now()).toBe(before);
  });

  test('an init makes a member, and leaving ends that', async () => {
    const { at, ask, last, state } = daemon();
    expect(state()).toBe('none');
    const initialized = ask(init);
    at.identity = manager;
    await last().end('a');
    expect(await initialized).toBe('a');
    expect(state()).toBe('member');
    const left = ask({ kind: 'leave', force: true });
    at.identity = undefined;
    await last().end();
    await left;
    expect(state()).toBe('none');
  });

  test.each(['role', 'move', 'restart', 'follow'] as const)(
    'clients wait longer while parts are replaced (%s)',
    async (kind) => {
      const { ask, last, has } = daemon(manager);
      const changes: Record<typeof kind, Change> = {
        role: { kind: 'role', role: 'worker' },
        move: { kind: 'move', addresses: moved },
        restart,
        follow: { kind: 'follow' },
      };
      const asked = ask(changes[kind]);
      expect(has('replacing')).toBe(true);
      await last().end();
      await asked;
      expect(has('replacing')).toBe(false);
    },
  );
});

describe('a change that fails', () => {
  test.each<[Change, Identity | undefined, string]>([
    [init, undefined, 'none'],
    [restart, manager, 'member'],
    [{ kind: 'leave', force: true }, manager, 'member'],
  ])('tells who asked, and the next one has its turn: %j', async (change, identity, after) => {
    const { ask, last, state, effects } = daemon(identity);
    const failed = expect(ask(change)).rejects.toThrow('no room');
    const next = ask(change);
    await last().fail(new Error('no room'));
    await failed;
    expect(effects()).toHaveLength(2);
    await last().end();
    await next;
    expect(state()).toBe(after);
  });
});

describe('one at a time', () => {
  test('changes wait for their turn, and are judged when it comes', async () => {
    const { at, ask, last, effects, state } = daemon();
    const first = ask(init);
    const second = expect(ask(init)).rejects.toThrow('already part of a swarm');
    const third = ask({ kind: 'role', role: 'worker' });
    expect(effects()).toEqual(['init']);
    at.identity = manager;
    await last().end('a');
    await first;
    await second;
    expect(effects()).toEqual(['init', 'changeRole worker']);
    at.identity = worker;
    await last().end();
    await third;
    expect(state()).toBe('member');
  });

  test.each<[string, Identity | undefined, Change]>([
    ['the role that it has', worker, { kind: 'role', role: 'worker' }],
    ['the address that it has', worker, { kind: 'move', addresses }],
    ['parts of a manager, on a worker', worker, restart],
    ['parts of the node that it was before', { ...manager, nodeId: 'b' }, restart],
    ['parts, outside of a swarm', undefined, restart],
    ['a role, outside of a swarm', undefined, { kind: 'role', role: 'worker' }],
    ['an address, outside of a swarm', undefined, { kind: 'move', addresses: moved }],
  ])('what is not needed any more is not done: %s', async (_, identity, change) => {
    const { ask, effects } = daemon(identity);
    expect(await ask(change)).toBeUndefined();
    expect(effects()).toEqual([]);
  });
});

test.each<[string, Identity | undefined, object, Change, string]>([
  ['init of a member', manager, {}, init, 'already part of a swarm'],
  ['force of a worker', worker, {}, force, 'Worker nodes|not a swarm manager'],
  ['force of a locked manager', manager, { isLocked: true }, force, 'needs to be unlocked'],
  ['join of a manager', manager, { isConnected: false }, join, 'already part of a swarm'],
  ['join of a worker that is connected', worker, {}, join, 'already part of a swarm'],
  ['leave outside', undefined, {}, leave, 'not part of a swarm'],
  ['leave of a manager', manager, {}, leave, 'removing the last manager'],
  ['leave of a locked manager', manager, { isLocked: true }, leave, 'unlock it first'],
  ['unlock outside', undefined, {}, unlock, 'not a swarm manager'],
  ['follow outside', undefined, {}, { kind: 'follow' }, 'do not contradict'],
])('refused with Docker’s text: %s', async (_, identity, facts, change, message) => {
  const { ask, effects } = daemon(identity, facts);
  await expect(ask(change)).rejects.toThrow(new RegExp(message));
  expect(effects()).toEqual([]);
});

describe('a locked manager', () => {
  test('is unlocked, and the client hears of it when the manager runs', async () => {
    const { at, ask, last, state, effects } = daemon(manager, { isLocked: true });
    expect(state()).toBe('locked');
    const unlocked = ask(unlock);
    expect(state()).toBe('unlocking');
    at.isLocked = false;
    await last().end();
    expect(state()).toBe('comingUp');
    await last().end();
    await unlocked;
    expect(effects()).toEqual(['unlock', 'comeUp']);
    expect(state()).toBe('member');
  });

  test('stays locked with another key', async () => {
    const { ask, last, state } = daemon(manager, { isLocked: true });
    const refused = expect(ask(unlock)).rejects.toThrow('invalid key');
    await last().fail(new Fault('Unauthenticated', 'invalid key provided'));
    await refused;
    expect(state()).toBe('locked');
  });

  test('is a member when it does not come up in time', async () => {
    const { at, ask, last, state } = daemon(manager, { isLocked: true });
    const refused = expect(ask(unlock)).rejects.toThrow('being prepared');
    at.isLocked = false;
    await last().end();
    await last().fail(new Fault('Unavailable', 'being prepared'));
    await refused;
    expect(state()).toBe('member');
  });
});

describe('a join', () => {
  test('makes a member', async () => {
    const { at, ask, last, state, has } = daemon();
    const joined = ask(join);
    expect(state()).toEqual({ joining: 'awaited' });
    expect(has('joining')).toBe(true);
    at.identity = worker;
    await last().end();
    await joined;
    expect(state()).toBe('member');
  });

  test('that a manager refuses leaves the node outside', async () => {
    const { ask, last, state, noted } = daemon();
    const refused = expect(ask(join)).rejects.toThrow('invalid join token');
    await last().fail(new Fault('InvalidArgument', 'invalid join token'));
    await refused;
    expect(state()).toBe('none');
    expect(noted).toEqual([]);
  });

  /** The client has been told that it goes on. */
  async function background() {
    const made = daemon();
    const late = expect(made.ask(join)).rejects.toThrow('will continue in the background');
    made.clock.advance(joinPatienceMs);
    await late;
    expect(made.state()).toEqual({ joining: 'background' });
    return made;
  }

  test('goes on in the background, and makes a member there', async () => {
    const { at, last, state } = await background();
    at.identity = worker;
    await last().end();
    expect(state()).toBe('member');
  });

  test('that fails in the background is told of by the node', async () => {
    const { last, state, noted } = await background();
    const error = new Error('refused');
    await last().fail(error);
    expect(state()).toBe('none');
    expect(noted).toEqual([error]);
  });

  test('in the background is ended by a leave, and what it ended for is forgotten', async () => {
    const { ask, last, state, noted, effects } = await background();
    await ask(leave);
    expect(state()).toBe('none');
    expect(last().scope?.aborted).toBe(true);
    expect(noted).toEqual([undefined]);
    expect(effects()).toEqual(['join']);
  });

  test.each<[Change, string]>([
    [init, 'already part of a swarm'],
    [join, 'already part of a swarm'],
    [unlock, 'not a swarm manager'],
  ])('in the background refuses %j', async (change, message) => {
    const { ask, state, effects } = await background();
    await expect(ask(change)).rejects.toThrow(message);
    expect(await ask({ kind: 'role', role: 'worker' })).toBeUndefined();
    expect(state()).toEqual({ joining: 'background' });
    expect(effects()).toEqual(['join']);
  });

  test('while the client waits for it other changes wait, too', async () => {
    const { at, ask, last, effects } = daemon();
    const joined = ask(join);
    const left = ask(leave);
    at.identity = worker;
    await last().end();
    await joined;
    expect(effects()).toEqual(['join', 'leave']);
    await last().end();
    await left;
  });
});

test('what the node is counts from when its disk was read; a change that was asked for before waits for that', async () => {
  const { at, ask, begin, state, effects } = daemon(undefined, { hasBegun: false });
  void ask(leave);
  expect(state()).toBe('starting');
  at.identity = worker;
  begin();
  expect(effects()).toEqual(['leave']);
});

describe('changes that wait are bounded', () => {
  const max = limits.membershipChangesWaitingMax;

  test('a client’s change is refused over the bound; the node’s own are counted apart', async () => {
    const { at, ask, last, effects } = daemon(worker);
    const first = ask(leave);
    const waiting = Array.from({ length: max }, () => ask(init));
    await expect(ask(init)).rejects.toThrow('Too many changes');
    const own = Array.from({ length: max }, () => ask({ kind: 'move', addresses: moved }));
    await expect(ask({ kind: 'move', addresses: moved })).rejects.toThrow('Too many changes');
    at.identity = manager;
    await last().end();
    await first;
    for (const change of waiting) await expect(change).rejects.toThrow('already part of a swarm');
    at.identity = undefined;
    await last().end();
    expect(effects()).toEqual(['leave', 'move 10.0.0.9']);
    await Promise.all(own);
    expect(await ask({ kind: 'role', role: 'worker' })).toBeUndefined();
  });
});
