import { expect, test } from '@jest/globals';
import { answerHead } from '../../../api/answer-head.ts';
import { limits } from '../../../domain/limits.ts';

const head = (text: string) => answerHead(Buffer.from(text, 'latin1'));

test('a head is handed on without what belongs to the engine’s connection', () => {
  const text =
    'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nX-A: b: c\r\nX-A:\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n';
  expect(head(`${text}5\r\nhello`)).toEqual({
    text: 'HTTP/1.1 200 OK\r\nX-A: b: c\r\nX-A:\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n',
    length: text.length,
  });
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
