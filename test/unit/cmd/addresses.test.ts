import { expect, test } from '@jest/globals';
import type { NetworkInterfaceInfo } from 'node:os';
import {
  type Interfaces,
  joinHostPort,
  resolveAdvertise,
  resolveListen,
} from '../../../cmd/addresses.ts';

const at = (address: string, internal = false): NetworkInterfaceInfo =>
  ({ address, family: address.includes(':') ? 'IPv6' : 'IPv4', internal }) as NetworkInterfaceInfo;

const one: Interfaces = {
  lo: [at('127.0.0.1', true)],
  eth0: [at('192.0.2.7'), at('fe80::1')],
  docker0: [at('172.17.0.1')],
};
const bridges = ['172.17.0.0/16'];

test.each([
  ['0.0.0.0:2377', { host: '0.0.0.0', port: '2377' }],
  ['eth0:2400', { host: '192.0.2.7', port: '2400' }],
  ['192.0.2.7', { host: '192.0.2.7', port: '2377' }],
  ['[::]:2377', { host: '::', port: '2377' }],
])('listen on %s', (given, expected) => {
  expect(resolveListen(given, one)).toEqual(expected);
});

test.each([
  ['a:b:c', 'could not parse listen address a:b:c'],
  [
    'nowhere:2377',
    'listen address must be an IP address or network interface (with optional port number)',
  ],
])('listen on %s is refused', (given, message) => {
  expect(() => resolveListen(given, one)).toThrow(message);
});

test.each([
  ['', { host: '192.0.2.7', port: '2377' }],
  ['eth0', { host: '192.0.2.7', port: '2377' }],
  ['eth0:99', { host: '192.0.2.7', port: '99' }],
  ['198.51.100.1', { host: '198.51.100.1', port: '2377' }],
  ['198.51.100.1:99', { host: '198.51.100.1', port: '99' }],
  ['2001:db8::1', { host: '2001:db8::1', port: '2377' }],
  ['lo', { host: '127.0.0.1', port: '2377' }],
])('advertise "%s"', (given, expected) => {
  expect(resolveAdvertise(given, '2377', one, bridges)).toEqual(expected);
});

const bad =
  'advertise address must be a non-zero IP address or network interface (with optional port number)';
test.each([
  ['0.0.0.0', one, bad],
  ['no-such-if', one, bad],
  ['::', one, bad],
  [
    'two',
    { two: [at('192.0.2.1'), at('192.0.2.2')] },
    'interface two has more than one IPv4 address (192.0.2.1 and 192.0.2.2)',
  ],
  ['none', { none: [at('fe80::1')] }, 'interface none has no usable IPv4 or IPv6 address'],
  [
    '',
    { a: [at('192.0.2.1')], b: [at('192.0.2.2')] },
    'could not choose an IP address to advertise since this system has multiple addresses on different interfaces (192.0.2.1 on a and 192.0.2.2 on b)',
  ],
  [
    '',
    { a: [at('192.0.2.1'), at('192.0.2.2')] },
    'could not choose an IP address to advertise since this system has multiple addresses on interface a (192.0.2.1 and 192.0.2.2)',
  ],
  ['', { lo: [at('127.0.0.1', true)] }, "could not find the system's IP address"],
] as const)('advertise "%s" is refused', (given, interfaces, message) => {
  expect(() => resolveAdvertise(given, '2377', interfaces as unknown as Interfaces, [])).toThrow(
    message,
  );
});

test('an IPv6 address goes in brackets before a port', () => {
  expect(joinHostPort({ host: '::1', port: '7' })).toBe('[::1]:7');
});
