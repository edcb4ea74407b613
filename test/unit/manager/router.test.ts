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
  const router = new Router({
    bus: hub.connect(),
    clock,
    replica: await Replica.open(new JournalDisk(new Random(1)).open(new SimProcess(clock))),
    generation: 1,
    newId: () => 'id',
    here: () => undefined,
    elsewhere: () => ({ manager: 'm2', epoch: 1 }),
  });
  const send = (length: number): Promise<unknown> =>
    settleOn(clock, router.command('service.create', { text: 'x'.repeat(length) }));
  return { clock, bodies, send };
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
