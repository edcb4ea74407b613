// No path of the swarm reaches the engine, however it is spelled: the engine has a swarm of its own that must not be touched.

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { Random } from '../sim/world/random.ts';
import { FakeSwarm, type Front, raw, startFront } from '../support/api.ts';
import { FakeEngine } from '../support/http-engine.ts';

const spellings = 4_000;
const own = ['swarm', 'nodes', 'services', 'tasks', 'secrets', 'configs', 'natswarm'];
const methods = ['GET', 'POST', 'DELETE', 'PUT', 'HEAD', 'OPTIONS', 'PATCH'];

let front: Front;
const engine = new FakeEngine();

beforeAll(async () => {
  front = await startFront(new FakeSwarm());
  await engine.listen(join(front.dir, 'engine.sock'));
});
afterAll(async () => {
  await front.stop();
  await engine.stop();
});

/** Some spelling of a path of the swarm: as it is, encoded in part, with elements that mean nothing, behind a version or an origin. */
function spell(random: Random): string {
  const encode = (char: string): string =>
    `%${(char.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`;
  const some = (text: string): string =>
    Array.from(text, (char) => (random.chance(0.15) ? encode(char) : char)).join('');
  const odd = [
    '%0a',
    '%0d',
    '%0D%0A',
    '%00',
    '%09',
    '%20',
    '%7f',
    ';',
    '%3b',
    '%2f',
    '%5c',
    '%c2%85',
    '%e2%80%a8',
    '~',
    ':',
    '@',
    '+',
  ];
  const parts = [
    some(random.pick(own)),
    ...(random.chance(0.7) ? [`${random.chance(0.5) ? 'foo' : ''}${random.pick(odd)}bar`] : []),
    ...(random.chance(0.3)
      ? [random.pick(['update', 'logs', 'init', 'join', random.pick(odd)])]
      : []),
  ];
  const slash = (): string =>
    random.weighted({ '/': 8, '%2f': 1, '/./': 0.3, '//': 0.3, '/x/../': 0.3 });
  const version = random.chance(0.6)
    ? `/${some(random.pick(['v1.51', 'v1.24', 'v1', 'v1.', 'v9.9']))}`
    : '';
  const origin = random.chance(0.1)
    ? random.pick(['http://docker', 'HTTP://a:80', 'unix://x'])
    : '';
  const query = random.chance(0.2) ? random.pick(['?', '?a=b', '?/../containers/json']) : '';
  return `${origin}${version}${parts.map((part) => slash() + part).join('')}${query}`;
}

/** Whether the engine's router would find a call of the swarm in what it was sent: it decodes the path, and cleans it. */
function isSwarmCall(line: string): boolean {
  const target = line.slice(line.indexOf(' ') + 1).replace(/ upgrade$| expects$/, '');
  const path = decodeURIComponent(target.replace(/\?[^]*$/, ''));
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  const first = parts.find((part) => !/^v[0-9.]+$/.test(part)) ?? '';
  return own.includes(first);
}

test('of what is asked in any spelling the engine hears nothing', async () => {
  const random = new Random(13, 'spellings');
  const asked: string[] = [];
  for (let i = 0; i < spellings; i++) asked.push(`${random.pick(methods)} ${spell(random)}`);
  for (const line of asked)
    await raw(
      front.socket,
      `${line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`,
    );
  expect(asked.filter((line) => line.includes('%0a')).length).toBeGreaterThan(spellings / 50);
  // an OPTIONS is the engine's to answer: it changes nothing there
  expect(engine.seen.filter((line) => !line.startsWith('OPTIONS') && isSwarmCall(line))).toEqual(
    [],
  );
});
