import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, expect, jest, test } from '@jest/globals';
import { readBody } from '../../../api/body.ts';
import { limits } from '../../../domain/limits.ts';

/** So long between two tests that what one has sent is nothing to the next. */
let at = performance.now();
jest.spyOn(performance, 'now').mockImplementation(() => at);
beforeEach(() => {
  at += 3_600_000;
});

const requestOf = (): PassThrough & IncomingMessage =>
  Object.assign(new PassThrough(), { headers: {} }) as unknown as PassThrough & IncomingMessage;
const read = (req: IncomingMessage): Promise<number | string> =>
  readBody(req).then(
    (body) => body.length,
    (error: unknown) => String(error),
  );

test('bodies that do not end take a bounded room together; when it is full the largest goes, and others are read', async () => {
  const full = limits.requestBodiesBytesMax / limits.requestBodyBytesMax;
  const open = Array.from({ length: full }, () => requestOf());
  const reads = open.map(read);
  for (const req of open) req.write(Buffer.alloc(limits.requestBodyBytesMax));
  await nextTurn();
  const oneMore = requestOf();
  const taken = read(oneMore);
  oneMore.end('{}');
  expect(await taken).toBe(2);
  expect(await reads[0]).toMatch(/bodies of \d+ bytes are on their way already; try again/);

  for (const req of open) req.end();
  const sizes = await Promise.all(reads.slice(1));
  expect(sizes).toEqual(sizes.map(() => limits.requestBodyBytesMax));
});

test('a hundred times the room at once leaves one of ordinary size alone', async () => {
  const ordinary = requestOf();
  const taken = read(ordinary);
  ordinary.write('{');
  const some = Array.from({ length: 400 }, () => requestOf());
  const reads = some.map(read);
  for (const req of some) req.end(Buffer.alloc(limits.requestBodyBytesMax));
  const refused = (await Promise.all(reads)).filter((one) => typeof one === 'string');
  expect(refused.length).toBeLessThan(some.length);
  ordinary.end('}');
  expect(await taken).toBe(2);
});

test('a body in pieces of a byte is whole', async () => {
  const req = requestOf();
  const body = readBody(req);
  for (const letter of '{"Name":"web"}') req.write(letter);
  req.end();
  expect((await body).toString()).toBe('{"Name":"web"}');
});

test('one body has a bound of its own', async () => {
  const [just, over] = [requestOf(), requestOf()];
  const reads = [read(just), read(over)];
  just.end(Buffer.alloc(limits.requestBodyBytesMax));
  over.end(Buffer.alloc(limits.requestBodyBytesMax + 1));
  const [whole, refused] = await Promise.all(reads);
  expect(whole).toBe(limits.requestBodyBytesMax);
  expect(refused).toContain('is larger than');
});

test('large bodies are read up to a bound for all, at once and a second; small ones are always read', async () => {
  const { largeBodiesBurstBytes: burst, largeBodiesBytesPerS: perS } = limits;
  const send = async (bytes: number): Promise<number | string> => {
    const req = requestOf();
    const taken = read(req);
    req.end(Buffer.alloc(bytes));
    return taken;
  };
  const most = limits.requestBodyBytesMax;
  for (let sent = 0; sent < burst; sent += most) expect(await send(most)).toBe(most);
  expect(await send(most)).toMatch(/faster than they are read; try again/);
  expect(await send(limits.requestBodySmallBytes)).toBe(limits.requestBodySmallBytes);
  at += (1_000 * 2 * most) / perS;
  expect(await send(most)).toBe(most);
});
