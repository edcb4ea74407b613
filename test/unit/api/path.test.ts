import { expect, test } from '@jest/globals';
import { isOwnPath } from '../../../api/own-paths.ts';
import { parseTarget } from '../../../api/path.ts';
import { checkVersion, compareVersions, splitVersion } from '../../../api/version.ts';

const pathOf = (url: string): string => {
  const target = parseTarget(url);
  return target.kind === 'ok' ? target.path : target.kind;
};

test.each([
  ['/services', '/services'],
  ['/v1.51/services/a%20b/logs?stdout=1', '/v1.51/services/a b/logs'],
  ['/%73warm/init', '/swarm/init'],
  ['http://docker/swarm/init', '/swarm/init'],
  ['HTTP://docker:80/v1.51/info?x=1', '/v1.51/info'],
  ['//swarm/init', 'redirect'],
  ['/x/../swarm/init', 'redirect'],
  ['/x/%2e%2e/swarm/init', 'redirect'],
  ['/./swarm', 'redirect'],
  ['/services/', '/services/'],
  ['/', '/'],
  ['*', 'bad'],
  ['', 'bad'],
  ['/%zz', 'bad'],
  ['/%ff', 'bad'],
])('the target %s is read as %s', (url, path) => {
  expect(pathOf(url)).toBe(path);
});

test('a path that is not clean is sent to the clean one, with its query', () => {
  expect(parseTarget('//a/./b//c%20d/?q=%20')).toEqual({
    kind: 'redirect',
    location: '/a/b/c%20d/?q=%20',
  });
  expect(parseTarget('/../..')).toEqual({ kind: 'redirect', location: '/' });
});

test('the engine gets path and query as they were sent', () => {
  expect(parseTarget('http://x/v1.51/images/a%2Fb/json?platform=%7B%7D')).toMatchObject({
    path: '/v1.51/images/a/b/json',
    query: 'platform=%7B%7D',
    raw: '/v1.51/images/a%2Fb/json?platform=%7B%7D',
  });
});

test.each([
  ['/swarm', true],
  ['/services/x/logs', true],
  ['/secrets/x', true],
  ['/tasks', true],
  ['/servicesx', false],
  ['/containers/json', false],
  ['/Swarm', false],
])('%s is a path of the swarm: %s', (path, own) => {
  expect(isOwnPath(path)).toBe(own);
});

test('a version is split off', () => {
  expect(splitVersion('/v1.51/services')).toEqual({ version: '1.51', path: '/services' });
  expect(splitVersion('/services/v1.51/x')).toEqual({ version: '', path: '/services/v1.51/x' });
  expect(splitVersion('/v1.51')).toEqual({ version: '', path: '/v1.51' });
});

test('versions compare number by number', () => {
  expect(compareVersions('1.9', '1.24')).toBeLessThan(0);
  expect(compareVersions('1.51', '1.51')).toBe(0);
  expect(compareVersions('1.51.1', '1.51')).toBeGreaterThan(0);
  expect(compareVersions('2', '1.99')).toBeGreaterThan(0);
});

test('versions out of range are refused with the words of Docker', () => {
  expect(() => checkVersion('1.24', '1.24', '1.51')).not.toThrow();
  expect(() => checkVersion('1.51', '1.24', '1.51')).not.toThrow();
  expect(() => checkVersion('1.99', '1.24', '1.51')).toThrow(
    'client version 1.99 is too new. Maximum supported API version is 1.51',
  );
  expect(() => checkVersion('1.12', '1.24', '1.51')).toThrow(
    'client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
  );
});

test('names beyond ASCII are UTF-8, escaped or not', () => {
  const bytes = Buffer.from('/services/é').toString('latin1');
  expect(parseTarget(bytes)).toMatchObject({ path: '/services/é', raw: bytes });
  expect(parseTarget('/services/%C3%A9')).toMatchObject({ path: '/services/é' });
});
