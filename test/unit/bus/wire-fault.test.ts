import { expect, test } from '@jest/globals';
import { wireFault, wireFaultFrom } from '../../../bus/wire-fault.ts';
import { daemonFault, Fault } from '../../../domain/errors.ts';

test.each([
  ['a fault', new Fault('NotFound', 'no such node'), 'NotFound', 'manager'],
  ['one of the daemon', daemonFault('Unavailable', 'not a manager'), 'Unavailable', 'daemon'],
  ['another error', new TypeError('x is undefined'), 'Internal', 'manager'],
])('%s is read as it was told', (_, error, code, origin) => {
  const told = { code, message: error.message, origin };
  expect(wireFault(error)).toEqual(told);
  expect(wireFaultFrom(wireFault(error))).toEqual(told);
});

test('a code of another version is unknown, an origin of another version a manager', () => {
  const later = { code: 'DataLoss', message: 'gone', origin: 'sidecar' };
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
