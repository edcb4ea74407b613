import { expect, test } from '@jest/globals';
import { type BodyReader, ChunkedBody, SizedBody } from '../../../api/hijack-body.ts';

/** Feeds `text` in pieces of `size`; answers with body and rest. */
function feed(reader: BodyReader, text: string, size: number): [string, string] {
  let body = '';
  let rest = '';
  for (let i = 0; i < text.length; i += size) {
    const piece = reader.read(Buffer.from(text.slice(i, i + size)));
    body += Buffer.concat(piece.body).toString();
    rest += piece.rest.toString();
  }
  return [body, rest];
}
const sizes = [1, 2, 3, 7, 1000];

test.each(sizes)('a sized body in pieces of %d', (size) => {
  const reader = new SizedBody(5);
  expect(feed(reader, '12345rest', size)).toEqual(['12345', 'rest']);
  expect(reader.isDone).toBe(true);
});

test('no body is done at once', () => {
  expect(new SizedBody(0).isDone).toBe(true);
});

test.each(sizes)('a chunked body in pieces of %d', (size) => {
  const reader = new ChunkedBody();
  const text = '3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nrest\r\n';
  expect(feed(reader, text, size)).toEqual(['abc0123456789', 'rest\r\n']);
  expect(reader.isDone).toBe(true);
});

test('trailers are kept, and checked', () => {
  const reader = new ChunkedBody();
  reader.read(Buffer.from('0\r\nX-A: 1\r\nx-b:\r\n\r\n'));
  expect(reader.trailers).toBe('X-A: 1\r\nx-b:\r\n');
  for (const line of ['no trailer\r\n', ' X: folded\r\n', `X: ${'a'.repeat(3_000)}\r\n`.repeat(2)])
    expect(() => new ChunkedBody().read(Buffer.from(`0\r\n${line}\r\n`))).toThrow('malformed');
});

test.each([
  'x\r\n',
  '\r\n',
  '-1\r\n',
  '3\nabc',
  '3\r\nabcd\r\n',
  '0x3\r\n',
  '123456789\r\n',
  `${'1'.repeat(5000)}`,
])('%.20j is no chunked body', (text) => {
  expect(() => new ChunkedBody().read(Buffer.from(text))).toThrow('malformed chunked encoding');
});
