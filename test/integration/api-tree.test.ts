// The routes of what runs, over the socket of a front without a swarm behind it.

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ask, FakeSwarm, type Front, nodeId, startFront } from '../support/api.ts';

let front: Front;

beforeEach(async () => {
  front = await startFront(new FakeSwarm());
});
afterEach(() => front.stop());

test('natswarm’s own: what runs', async () => {
  const actor = {
    Address: 'agent/tasks',
    Supervisor: 'agent',
    State: 'active',
    ForMs: 1_500,
    Restarts: 1,
    LastError: 'no such thing',
    Mailbox: 2,
  };
  const here = { NodeID: nodeId, Hostname: '', Actors: [actor], More: 0 };
  const asked = { ...here, Hostname: 'host1', More: 3 };
  const read = async (path: string): Promise<unknown> =>
    JSON.parse((await ask(front.socket, 'GET', path)).text);
  expect(await read('/natswarm/tree')).toEqual([here]);
  expect(await read('/natswarm/tree?cluster=1')).toEqual([asked]);
  expect(await read('/natswarm/tree/host1')).toEqual([asked]);
  expect(await ask(front.socket, 'GET', '/natswarm/tree/nope')).toMatchObject({
    status: 404,
    text: expect.stringContaining('node nope not found'),
  });
});
