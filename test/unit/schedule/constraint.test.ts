import { expect, test } from '@jest/globals';
import { Fault } from '../../../domain/errors.ts';
import type { Node } from '../../../domain/model/objects.ts';
import { contains, parseAddress, parseNetwork } from '../../../domain/schedule/address.ts';
import { labelReader, nodeMatches, parseConstraints } from '../../../domain/schedule/constraint.ts';

const node: Node = {
  id: 'abc123',
  meta: { version: 1, createdAt: 0, updatedAt: 0 },
  role: 'manager',
  spec: { Labels: { Zone: 'East', 'a.b-c': 'x' }, Role: 'worker', Availability: 'active' },
  status: { state: 'ready', message: '', addr: '10.1.2.3' },
  description: {
    hostname: 'Web1',
    platform: { os: 'linux', architecture: 'x86_64' },
    resources: { nanoCpus: 1e9, memoryBytes: 1e9 },
    engine: { version: '28', labels: { storage: 'ssd' }, plugins: [] },
  },
};
const bare: Node = {
  id: 'bare',
  meta: node.meta,
  role: 'worker',
  spec: { Labels: {}, Role: 'worker', Availability: 'active' },
  status: { state: 'unknown', message: '', addr: '' },
};

test.each([
  ['node.role', 'constraint expected one operator from ==, !='],
  ['node.role = manager', 'constraint expected one operator from ==, !='],
  ['', 'constraint expected one operator from ==, !='],
  ['== manager', "key '' is invalid"],
  ['node role == manager', "key 'node role' is invalid"],
  ['node.labels.a/b == c', "key 'node.labels.a/b' is invalid"],
  ['1node == c', "key '1node' is invalid"],
  ['n == c', "key 'n' is invalid"],
  ['node.role ==', "value '' is invalid"],
  ['node.role == a,b', "value 'a,b' is invalid"],
  ['node.role == a == b', "value 'a == b' is invalid"],
  ['node.role != a == b', "key 'node.role != a' is invalid"],
  ['node.labels.x==ä', "value 'ä' is invalid"],
])('%j is refused: %s', (text, message) => {
  expect(() => parseConstraints(['node.id == x', text])).toThrow(new Fault('Unknown', message));
});

test('parses key, operator and value without the spaces around them', () => {
  expect(parseConstraints([' node.labels.a.b-c  !=  x y/z:1.*()?+[]\\^$| '])).toMatchObject([
    { key: 'node.labels.a.b-c', operator: '!=', value: 'x y/z:1.*()?+[]\\^$|' },
  ]);
});

test.each([
  ['node.id == ABC123', true],
  ['NODE.ID == abc123', true],
  ['node.id != abc123', false],
  ['node.hostname == web1', true],
  ['node.role == manager', true],
  ['node.role == worker', false],
  ['node.role != worker', true],
  ['node.platform.os == Linux', true],
  ['node.platform.arch == x86_64', true],
  ['node.platform.arch == amd64', false],
  ['node.labels.Zone == east', true],
  ['node.labels.zone == east', false],
  ['node.labels.zone != east', true],
  ['Node.Labels.a.b-c == X', true],
  ['node.labels.toString == x', false],
  ['engine.labels.storage == ssd', true],
  ['engine.labels.storage != ssd', false],
  ['node.labels == x', false],
  ['node.labels. == x', false],
  ['node.labels. != x', false],
  ['made.up == x', false],
  ['made.up != x', false],
  ['node.ip == 10.1.2.3', true],
  ['node.ip == 10.1.2.4', false],
  ['node.ip != 10.1.2.4', true],
  ['node.ip == 10.1.0.0/16', true],
  ['node.ip == 10.2.0.0/16', false],
  ['node.ip != 10.2.0.0/16', true],
  ['node.ip == ::ffff:10.1.2.3', true],
  ['node.ip == nonsense', false],
  ['node.ip != nonsense', false],
])('%s: %s', (text, expected) => {
  expect(nodeMatches(parseConstraints([text]), node)).toBe(expected);
});

test.each([
  ['node.hostname != web1', true],
  ['node.hostname == web1', false],
  ['engine.labels.a != b', true],
  ['node.platform.os == linux', false],
  ['node.ip != 10.1.2.3', true],
  ['node.ip == 10.1.2.3', false],
])('a node without a description: %s is %s', (text, expected) => {
  expect(nodeMatches(parseConstraints([text]), bare)).toBe(expected);
});

test('all constraints must hold', () => {
  const of = (...texts: string[]) => nodeMatches(parseConstraints(texts), node);
  expect(of()).toBe(true);
  expect(of('node.role == manager', 'node.id == abc123')).toBe(true);
  expect(of('node.role == manager', 'node.id == other')).toBe(false);
});

test('labels are read by their full name', () => {
  expect(labelReader('node.labels.Zone')?.(node)).toBe('East');
  expect(labelReader('engine.labels.storage')?.(node)).toBe('ssd');
  expect(labelReader('engine.labels.storage')?.(bare)).toBe('');
  expect(labelReader('node.hostname')).toBeUndefined();
});

test.each([
  ['::1', [...Array<number>(15).fill(0), 1]],
  ['fd00::12:abcd', [0xfd, 0, ...Array<number>(10).fill(0), 0, 0x12, 0xab, 0xcd]],
  ['1.2.3.4', [...Array<number>(10).fill(0), 255, 255, 1, 2, 3, 4]],
  ['1.2.3', undefined],
  ['1.2.3.256', undefined],
  ['01.2.3.4', undefined],
  ['1::2::3', undefined],
  ['1:2:3:4:5:6:7', undefined],
  ['1:2:3:4:5:6:7:8:9', undefined],
  ['12345::', undefined],
  ['', undefined],
])('address %s', (text, bytes) => {
  expect(parseAddress(text)).toEqual(bytes);
});

test.each([
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['10.1.2.0/23', '10.1.3.255', true],
  ['10.1.2.0/23', '10.1.4.0', false],
  ['0.0.0.0/0', '8.8.8.8', true],
  ['0.0.0.0/0', 'fd00::1', false],
  ['::/0', 'fd00::1', true],
  ['fd00:1::/32', 'fd00:1:2::3', true],
  ['fd00:1::/32', 'fd00:2::3', false],
])('%s contains %s: %s', (cidr, address, expected) => {
  const network = parseNetwork(cidr);
  expect(contains(network as NonNullable<typeof network>, parseAddress(address) ?? [])).toBe(
    expected,
  );
});

test.each(['10.0.0.0', '10.0.0.0/33', 'x/8', '10.0.0.0/8/8', '::/129', '10.0.0.0/-1'])(
  '%s is no network',
  (text) => {
    expect(parseNetwork(text)).toBeUndefined();
  },
);
