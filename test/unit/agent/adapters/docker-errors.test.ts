import { expect, test } from '@jest/globals';
import {
  engineError,
  hasStatus,
  isMissingImage,
  replyError,
} from '../../../../actors/agent/adapters/docker-errors.ts';
import { EngineError } from '../../../../actors/agent/ports.ts';

test('nobody there, or no longer: to be repeated', () => {
  for (const code of [
    'ECONNREFUSED',
    'ENOENT',
    'ECONNRESET',
    'EPIPE',
    'ERR_STREAM_PREMATURE_CLOSE',
  ])
    expect(engineError(Object.assign(new Error('x'), { code }))).toMatchObject({ retryable: true });
});

test('an abort is nobody’s failure; a bug is', () => {
  expect(engineError(new Error('x'), AbortSignal.abort())).toMatchObject({
    message: 'aborted',
    retryable: true,
  });
  const bad = Object.assign(new TypeError('Invalid character'), { code: 'ERR_INVALID_CHAR' });
  expect(engineError(bad)).toMatchObject({ message: 'Invalid character', retryable: false });
  const known = new EngineError('known', false);
  expect(engineError(known)).toBe(known);
});

test.each<[number, string, string, boolean]>([
  [404, '{"message":"No such image: x:1"}', 'No such image: x:1', false],
  [500, '{"message":"daemon is shutting down"}', 'daemon is shutting down', true],
  [
    500,
    '{"message":"dial tcp: connect: connection refused"}',
    'dial tcp: connect: connection refused',
    false,
  ],
  [503, 'later', 'later', true],
  [500, '', 'the engine answered 500', false],
  [400, '{"other":1}', '{"other":1}', false],
])('answer %i %s', (status, body, message, retryable) => {
  expect(replyError(status, body)).toMatchObject({ status, message, retryable });
});

test('a missing image is told from a missing container', () => {
  expect(isMissingImage(replyError(404, '{"message":"No such image: x"}'))).toBe(true);
  expect(isMissingImage(replyError(404, '{"message":"No such container: x"}'))).toBe(false);
  expect(hasStatus(replyError(409, ''), 409)).toBe(true);
  expect(hasStatus(new Error('x'), 409)).toBe(false);
});
