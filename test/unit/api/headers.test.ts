import { expect, test } from '@jest/globals';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { answerHeaders, hasOneLength, requestHeaders } from '../../../api/headers.ts';

function message(method: string, ...raw: string[]): IncomingMessage {
  const out = new IncomingMessage(new Socket());
  out.method = method;
  out.rawHeaders = raw;
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    const value = raw[i + 1] ?? '';
    out.headers[name] = value;
    (out.headersDistinct[name] ??= []).push(value);
  }
  return out;
}

test('what belongs to the connection is not handed on', () => {
  const raw =
    'Host|x|Connection|close, X-Secret|X-Secret|1|TE|trailers|Upgrade|tcp|Content-Length|3|X-Registry-Auth|abc|Keep-Alive|5';
  const req = message('POST', ...raw.split('|'));
  expect(requestHeaders(req)).toEqual({ 'content-length': '3', 'x-registry-auth': 'abc' });
});

test('the length of a body is told in exactly one way', () => {
  expect(requestHeaders(message('POST'))).toEqual({ 'content-length': '0' });
  expect(requestHeaders(message('GET'))).toEqual({});
  expect(requestHeaders(message('PUT', 'Transfer-Encoding', 'chunked'))).toEqual({
    'transfer-encoding': 'chunked',
  });
});

test.each([
  [true, []],
  [true, ['Content-Length', '5']],
  [true, ['Transfer-Encoding', 'Chunked']],
  [false, ['Content-Length', '5', 'Transfer-Encoding', 'chunked']],
  [false, ['Content-Length', '5', 'Content-Length', '6']],
  [false, ['Content-Length', '+5']],
  [false, ['Content-Length', '5, 5']],
  [false, ['Transfer-Encoding', 'gzip, chunked']],
  [false, ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'identity']],
])('one length: %s of %j', (one, raw) => {
  expect(hasOneLength(message('POST', ...raw))).toBe(one);
});

test('answers keep their headers as they are written, each one', () => {
  const answer = message(
    '',
    'Api-Version',
    '1.51',
    'Set-X',
    'a',
    'Set-X',
    'b',
    'Connection',
    'close',
  );
  expect(answerHeaders(answer)).toEqual(['Api-Version', '1.51', 'Set-X', 'a', 'Set-X', 'b']);
});
