import { expect, test } from '@jest/globals';
import { Replica } from '../../../actors/manager/replica.ts';
import { Router } from '../../../actors/manager/router.ts';
import { subjects } from '../../../bus/subjects.ts';
import { limits } from '../../../domain/limits.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { JournalDisk } from '../../sim/world/journal.ts';
import { SimProcess } from '../../sim/world/process.ts';
import { Random } from '../../sim/world/random.ts';
import { MemoryHub } from '../../support/memory-bus.ts';
import { settleOn } from '../../support/virtual-time.ts';

/** A manager that follows `m2`, which answers every command with the length of its text. */
async function buildFollower() {
  const clock = new VirtualClock();
  const hub = new MemoryHub(clock);
  const bodies: number[] = [];
  hub.connect().subscribe(subjects.manager('m2', 'command'), ({ body, reply }) => {
    const { text } = (body as { readonly body: { readonly text: string } }).body;
    bodies.push(text.length);
    reply?.({ ok: true, index: 0, result: text.length });
  });
  const other = { manager: 'm2', epoch: 1 };
  const router = new Router({
    bus: hub.connect(),
    clock,
    replica: await Replica.open(new JournalDisk(new Random(1)).open(new SimProcess(clock))),
    generation: 1,
    newId: () => 'id',
    here: () => undefined,
    elsewhere: () => other,
  });
  const send = (length: number): Promise<unknown> =>
    settleOn(clock, router.command('service.create', { text: 'x'.repeat(length) }));
  return { clock, hub, bodies, send, router, other };
}

test('a command goes to the leader up to the size of a message; a larger one is refused at once', async () => {
  const { clock, bodies, send } = await buildFollower();
  const most = limits.serverPayloadBytesMax - 200;
  expect(await send(most)).toMatchObject({ result: most });
  const before = clock.now();
  for (const length of [most + 200, 3 * most])
    await expect(send(length)).rejects.toThrow("raft: raft message is too large and can't be sent");
  expect(clock.now() - before).toBeLessThan(100);
  expect(bodies).toEqual([most]);
});

test('without a leader a command waits for one, and is refused after the patience as not done', async () => {
  const { clock, bodies, send, other } = await buildFollower();
  other.manager = '';
  const began = clock.now();
  await expect(send(1)).rejects.toMatchObject({ reason: 'no-leader' });
  expect(clock.now() - began).toBeGreaterThanOrEqual(5_000);
  expect(clock.now() - began).toBeLessThan(6_000);
  clock.setTimeout(() => (other.manager = 'm2'), 2_000);
  expect(await send(7)).toMatchObject({ result: 7 });
  expect(bodies).toEqual([7]);
});

test('who is asked and does not lead has done nothing: the command goes to the next one', async () => {
  const { hub, bodies, send, other } = await buildFollower();
  other.manager = 'm3';
  let asked = 0;
  hub.connect().subscribe(subjects.manager('m3', 'command'), ({ reply }) => {
    if (++asked === 3) other.manager = 'm2';
    reply?.({ ok: false, leading: false });
  });
  expect(await send(7)).toMatchObject({ result: 7 });
  expect([asked, bodies]).toEqual([3, [7]]);
});

test('a fault of the leader is thrown as it is, and the command not sent again', async () => {
  const { hub, send, other } = await buildFollower();
  other.manager = 'm3';
  let asked = 0;
  const error = { code: 'AlreadyExists', message: 'name conflicts', origin: 'manager' };
  hub.connect().subscribe(subjects.manager('m3', 'command'), ({ reply }) => {
    asked += 1;
    reply?.({ ok: false, error });
  });
  await expect(send(1)).rejects.toMatchObject(error);
  expect(asked).toBe(1);
});

test('readers that come together share a question; one that comes while it is on its way shares the next', async () => {
  const { clock, hub, router } = await buildFollower();
  let asked = 0;
  hub.connect().subscribe(subjects.manager('m2', 'index'), ({ reply }) => {
    asked += 1;
    reply?.({ ok: true, index: 0 });
  });
  const reads = Array.from({ length: 10 }, () => router.settle());
  await settleOn(clock, Promise.all(reads));
  // the first had been sent when the others came
  expect(asked).toBe(2);
});

test('a router that is closed refuses what waits', async () => {
  const { clock, send, router, other } = await buildFollower();
  other.manager = '';
  clock.setTimeout(() => router.close(), 100);
  await expect(send(1)).rejects.toMatchObject({ reason: 'no-leader' });
  expect(clock.now()).toBeLessThan(200);
});
