import { expect, test } from '@jest/globals';
import { logAnswerFrom, logAskFrom } from '../../../bus/log-bodies.ts';
import { limits } from '../../../domain/limits.ts';

const options = {
  stdout: true,
  stderr: false,
  follow: true,
  timestamps: true,
  details: false,
  since: '12.5',
  tail: '10',
};
const open = { ask: 'open', stream: 's1', taskId: 't1', options };
const next = {
  ask: 'next',
  stream: 's1',
  seq: 1,
  bytes: limits.logAnswerBytesMax,
  holdMs: limits.logHoldMsMax,
};

test.each([open, next, { ask: 'keep', stream: 's1' }, { ask: 'close', stream: 's1' }])(
  '%j is asked',
  (body) => {
    expect(logAskFrom({ ...body, more: 1 })).toEqual(body);
  },
);

test.each([
  undefined,
  null,
  [],
  'open',
  {},
  { ...open, ask: 'read' },
  { ...open, stream: '' },
  { ...open, stream: 'x'.repeat(65) },
  { ...open, stream: 'a.b' },
  { ...open, taskId: '../x' },
  { ...open, taskId: 1 },
  { ...open, options: undefined },
  { ...open, options: { ...options, since: '1&follow=1' } },
  { ...open, options: { ...options, tail: -1 } },
  { ...open, options: { ...options, tail: '-1' } },
  { ...next, seq: 0 },
  { ...next, seq: 1.5 },
  { ...next, bytes: 0 },
  { ...next, bytes: limits.logAnswerBytesMax + 1 },
  { ...next, holdMs: limits.logHoldMsMax + 1 },
  { ...next, holdMs: Number.NaN },
  { ask: 'keep' },
])('%j is no question', (body) => {
  expect(logAskFrom(body)).toBeUndefined();
});

const answer = { ok: true, at: 5, frames: new Uint8Array(3), end: false };
const most = limits.logAnswerBytesMax + limits.logFrameBytesMax;
test('answers are checked, for any node could send them', () => {
  expect(logAnswerFrom({ ...answer, more: 1 })).toEqual(answer);
  expect(logAnswerFrom({ ...answer, frames: new Uint8Array(most) })).toBeDefined();
  const error = { code: 'NotFound', message: 'x'.repeat(1_000_000) };
  expect(logAnswerFrom({ ok: false, error })).toEqual({
    ok: false,
    error: { code: 'NotFound', message: 'x'.repeat(limits.statusTextLengthMax), origin: 'manager' },
  });
});

test('why a log is not read is printed with it', () => {
  const error = { code: 'Unavailable', message: 'a\u001b[2J\u009bb\nc' };
  expect(logAnswerFrom({ ok: false, error })).toMatchObject({
    error: { message: 'a\ufffd[2J\ufffdb\nc' },
  });
});

test.each([
  undefined,
  {},
  { ...answer, ok: 'yes' },
  { ...answer, at: '5' },
  { ...answer, frames: 'text' },
  { ...answer, frames: new Uint8Array(most + 1) },
  { ...answer, end: undefined },
  { ok: false },
  { ok: false, error: { code: 5, message: 'x' } },
])('%p is no answer', (body) => {
  expect(logAnswerFrom(body)).toBeUndefined();
});
