import { expect, test } from '@jest/globals';
import { describeError, HttpError, notYet } from '../../../api/errors.ts';
import { daemonFault, Fault, type FaultCode } from '../../../domain/errors.ts';

test.each([
  ['InvalidArgument', 400],
  ['FailedPrecondition', 400],
  ['OutOfRange', 400],
  ['Unauthenticated', 401],
  ['PermissionDenied', 403],
  ['NotFound', 404],
  ['AlreadyExists', 409],
  ['Unimplemented', 501],
  ['Unavailable', 503],
  ['Unknown', 500],
  ['Aborted', 500],
  ['Internal', 500],
  ['DeadlineExceeded', 500],
  ['ResourceExhausted', 500],
] as const satisfies [FaultCode, number][])('%s is %d', (code, status) => {
  expect(describeError(new Fault(code, 'text'))).toEqual({
    status,
    message: `rpc error: code = ${code} desc = text`,
  });
  expect(describeError(daemonFault(code, 'text'))).toEqual({ status, message: 'text' });
});

test('other errors are 500 with their text, HTTP errors as they say', () => {
  expect(describeError(new TypeError('broken'))).toEqual({ status: 500, message: 'broken' });
  expect(describeError('odd')).toEqual({ status: 500, message: 'odd' });
  expect(describeError(new HttpError(413, 'large'))).toEqual({ status: 413, message: 'large' });
  expect(describeError(notYet('secrets are'))).toEqual({
    status: 501,
    message: 'secrets are not supported by this version of natswarm yet',
  });
});
