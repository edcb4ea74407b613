import { expect, test } from '@jest/globals';
import {
  type ClusterHealth,
  type Copy,
  isSettled,
  type Peer,
  peerIdOf,
} from '../../../bus/nats/membership.ts';

const peer = (name: string, change: Partial<Peer> = {}): Peer => ({
  name,
  peerId: `peer-${name}`,
  current: true,
  offline: false,
  lag: 0,
  ...change,
});
const copy = (server: string, change: Partial<Copy> = {}): Copy => ({
  server,
  messages: 10,
  first: 101,
  last: 110,
  deleted: 0,
  ...change,
});
const well: ClusterHealth = {
  metaLeader: 'a',
  metaSize: 3,
  metaPeers: [peer('b'), peer('c')],
  streamLeader: 'b',
  streamGroup: 'S-R3F-x',
  replicas: 3,
  streamReplicas: [peer('a'), peer('c')],
  isMigrating: false,
  copies: [copy('a'), copy('b'), copy('c')],
  answered: ['a', 'b', 'c'],
};

test('all is well', () => {
  expect(isSettled(well, 3)).toBeUndefined();
  const empty = { messages: 0, first: 101, last: 100 };
  const copies = ['a', 'b', 'c'].map((name) => copy(name, empty));
  expect(isSettled({ ...well, copies }, 3)).toBeUndefined();
});

test('a log of fewer replicas than servers is well too', () => {
  const two = { replicas: 2, streamReplicas: [peer('c')], copies: [copy('b'), copy('c')] };
  expect(isSettled({ ...well, ...two }, 3)).toBeUndefined();
});

test('a server was removed, and the log is still to have as many replicas as before', () => {
  const two = {
    metaSize: 2,
    metaPeers: [peer('b')],
    streamReplicas: [peer('a')],
    copies: [copy('a'), copy('b')],
  };
  expect(isSettled({ ...well, ...two }, 2)).toBeUndefined();
});

const troubles: readonly (readonly [Partial<ClusterHealth>, string])[] = [
  [{ metaLeader: undefined }, 'the servers have no leader'],
  [{ metaSize: 4 }, "the servers' group has 4 members, not 3"],
  [{ metaPeers: [peer('b'), peer('c', { current: false })] }, 'server c is behind'],
  [{ metaPeers: [peer('', { offline: true }), peer('c')] }, 'server peer- is offline'],
  [{ streamLeader: undefined }, 'the log has no leader'],
  [{ isMigrating: true }, 'the log is being moved'],
  [{ streamReplicas: [peer('a')] }, 'the log has 2 of 3 replicas'],
  [{ streamReplicas: [peer('a'), peer('c', { lag: 1 })] }, 'replica c is behind'],
  [{ copies: [copy('a'), copy('b')] }, '2 servers have a copy of the log, not 3'],
  [{ copies: [copy('a'), copy('b', { messages: 9 }), copy('c')] }, 'the copy of b is damaged'],
  [{ copies: [copy('a'), copy('b', { deleted: 1 }), copy('c')] }, 'the copy of b is damaged'],
  [
    { copies: [copy('a'), copy('b'), copy('c', { messages: 11, last: 111 })] },
    'the copies of a and c differ',
  ],
  [
    { copies: [copy('a'), copy('b', { messages: 11, first: 100 }), copy('c')] },
    'the copies of a and b differ',
  ],
];

test.each(troubles)('not settled: %j', (change, trouble) => {
  expect(isSettled({ ...well, ...change }, 3)).toBe(trouble);
});

test('while the log goes on, some records behind are not behind', () => {
  const replicas = { streamReplicas: [peer('a', { lag: 5 }), peer('c')] };
  const copies = [copy('a'), copy('b', { messages: 15, last: 115 }), copy('c')];
  expect(isSettled({ ...well, ...replicas, copies }, 3, 5)).toBeUndefined();
  expect(isSettled({ ...well, ...replicas, copies }, 3, 4)).toBe('replica a is behind');
  expect(isSettled({ ...well, copies }, 3, 4)).toBe('the copies of a and b differ');
});

test("JetStream's name of a server", () => {
  // as nats-server 2.15.1 said it
  expect(peerIdOf('manager1-b5aa4740')).toBe('8Rw5IQd7');
  expect(peerIdOf('manager2-8f5aeb4a')).toBe('k8fWWogT');
});
