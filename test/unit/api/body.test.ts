import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { readBody } from '../../../api/body.ts';
import { limits } from '../../../domain/limits.ts';

const requestOf = (): PassThrough & IncomingMessage =>
  Object.assign(new PassThrough(), { headers: {} }) as unknown as PassThrough & IncomingMessage;
const read = (req: IncomingMessage): Promise<number | string> =>
  readBody(req).then(
    (body) => body.length,
    (error: unknown) => String(error),
  );

test('bodies that do not end take a bounded room together, and give it back', async () => {
  const chunk = Buffer.alloc(limits.requestBodyBytesMax);
  const open = Array.from({ length: limits.requestBodiesBytesMax / chunk.length }, () =>
    requestOf(),
  );
  const reads = open.map(read);
  for (const req of open) req.write(chunk);
  await nextTurn();
  const oneMore = requestOf();
  const refused = read(oneMore);
  oneMore.write('{');
  expect(await refused).toMatch(/bodies of \d+ bytes are on their way already; try again/);

  for (const req of open) req.end();
  expect(await Promise.all(reads)).toEqual(open.map(() => chunk.length));
  const next = requestOf();
  const taken = read(next);
  next.end('{}');
  expect(await taken).toBe(2);
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
