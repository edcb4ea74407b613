import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Discard } from '../../../api/discard.ts';
import { limits } from '../../../domain/limits.ts';

const { discardBurstBytes: burst, discardBytesPerS: perS } = limits;

test('what nobody wants is read up to a bound for all; beyond, its connection ends', async () => {
  let now = 0;
  const unwanted = new Discard(() => now);
  const send = async (bytes: number): Promise<boolean> => {
    const stream = new PassThrough({ highWaterMark: 2 * burst });
    unwanted.add(stream);
    stream.write(Buffer.alloc(bytes));
    await nextTurn();
    return !stream.destroyed;
  };
  expect(await send(burst - 1)).toBe(true);
  expect(await send(1)).toBe(false);
  expect(await send(burst)).toBe(false);
  now += 1_000;
  expect(await send(perS - 1)).toBe(true);
  now += 3_600_000;
  expect(await send(burst)).toBe(false);
});

test('a stream that ends in time is read to its end', async () => {
  const stream = new PassThrough();
  new Discard(() => 0).add(stream);
  stream.end('rest');
  await once(stream, 'end');
});
