import { expect, test } from '@jest/globals';
import { answerHead } from '../../../api/answer-head.ts';
import { limits } from '../../../domain/limits.ts';

const head = (text: string) => answerHead(Buffer.from(text, 'latin1'));

test('a head is handed on without what belongs to the engine’s connection', () => {
  const text =
    'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nX-A: b: c\r\nX-A:\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n';
  expect(head(`${text}5\r\nhello`)).toMatchObject({
    text: 'HTTP/1.1 200 OK\r\nX-A: b: c\r\nX-A:\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n',
    length: text.length,
  });
});

test.each([
  ['Content-Length: 3', 'abcd', true, 1],
  ['Content-Length: 0', '', true, 0],
  ['Content-Length: 3', 'ab', false, 0],
  ['transfer-encoding: Chunked', '2\r\nab\r\n0\r\n\r\nx', true, 1],
  ['Transfer-Encoding: chunked', '2\r\nab\r\n', false, 0],
])('with %s and %j the body is over: %s', (field, text, isDone, rest) => {
  const body = head(`HTTP/1.1 200 OK\r\n${field}\r\n\r\n`)?.body;
  expect(body?.read(Buffer.from(text)).rest).toHaveLength(rest);
  expect(body?.isDone).toBe(isDone);
});

test('without a length the body ends with the connection; some have none', () => {
  expect(head('HTTP/1.1 200 OK\r\n\r\n')?.body).toBeUndefined();
  expect(head('HTTP/1.1 204 No Content\r\n\r\n')?.body?.isDone).toBe(true);
});

test.each([
  'Content-Length: 3\r\nTransfer-Encoding: chunked',
  'Content-Length: 3\r\nContent-Length: 3',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Content-Length: 3, 3',
  'Content-Length: -1',
])('%j is no length', (fields) => {
  expect(() => head(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n`)).toThrow(/length/);
});

test('half a head is waited for, up to the limit', () => {
  expect(head('HTTP/1.1 200 OK\r\nX-A: b\r\n')).toBeUndefined();
  const line = 'X-A: '.padEnd(limits.requestHeaderBytesMax - 100, 'b');
  expect(head(`HTTP/1.1 200 OK\r\n${line}\r\n\r\n`)?.text).toContain(line);
  expect(() => head(`HTTP/1.1 200 OK\r\n${line.repeat(2)}`)).toThrow('no end');
  expect(() => head(`HTTP/1.1 200 OK\r\n${line.repeat(2)}\r\n\r\n`)).toThrow('no end');
});

test.each([
  'HTTP/2 200 OK',
  'HTTP/1.1 101 Switching Protocols',
  'HTTP/1.1 100 Continue',
  'HTTP/1.1 OK',
  'HTTP/1.1 200 O\nK',
  '',
  'HTTP/1.1 200 OK\r\nno header',
  'HTTP/1.1 200 OK\r\nX-A: b\r\n folded',
  'HTTP/1.1 200 OK\r\nX A: b',
  'HTTP/1.1 200 OK\r\nX-A: b\nX-B: c',
])('%j is none', (text) => {
  expect(() => head(`${text}\r\n\r\n`)).toThrow(/not a/);
});
