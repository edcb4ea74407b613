import { expect, test } from '@jest/globals';
import { wireFault, wireFaultFrom } from '../../../bus/wire-fault.ts';
import { daemonFault, Fault } from '../../../domain/errors.ts';

test.each([
  ['a fault', new Fault('NotFound', 'no such node'), 'NotFound', 'manager'],
  ['one of the daemon', daemonFault('Unavailable', 'not a manager'), 'Unavailable', 'daemon'],
  ['one with a reason', new Fault('Unknown', 'x', 'manager', 'no-leader'), 'Unknown', 'manager'],
  ['another error', new TypeError('x is undefined'), 'Internal', 'manager'],
])('%s is read as it was told', (_, error, code, origin) => {
  const reason = error instanceof Fault ? error.reason : undefined;
  const told = { code, message: error.message, origin, ...(reason !== undefined && { reason }) };
  expect(wireFault(error)).toEqual(told);
  expect(wireFaultFrom(wireFault(error))).toEqual(told);
});

test('a code of another version is unknown, an origin a manager, a reason none', () => {
  const later = { code: 'DataLoss', message: 'gone', origin: 'sidecar', reason: 'moon' };
  expect(wireFaultFrom(later)).toEqual({ code: 'Unknown', message: 'gone', origin: 'manager' });
});

test.each([
  undefined,
  null,
  'no',
  [],
  {},
  { code: 'Unknown' },
  { message: 'x' },
  { code: 1, message: 'x' },
])('%j is none', (value) => expect(wireFaultFrom(value)).toBeUndefined());
