import { describe, expect, test } from '@jest/globals';
import { pack } from '../../../bus/codec.ts';
import {
  decodeEntry,
  encodeEntry,
  hashOf,
  type LogEntry,
  LogEntryError,
} from '../../../bus/log-entry.ts';
import { Incompatible } from '../../../domain/format/format.ts';
import type { Change } from '../../../domain/store/changes.ts';

const head = {
  generation: 1,
  epoch: 3,
  leader: 'node1',
  id: 'tx1',
  at: 1_700_000_000_000,
  prev: '',
};
const changes = [
  { op: 'put', kind: 'service', object: { id: 's1', spec: { name: 'web', labels: {} } } },
  { op: 'patch', kind: 'task', id: 't1', fields: { desired: 'shutdown', nodeId: undefined } },
  { op: 'patch', kind: 'task', id: 't2', fields: { desired: 'running' } },
  { op: 'delete', kind: 'task', id: 't3' },
  { op: 'create', kind: 'task', object: { id: 't4', serviceId: 's1', specVersion: 1 } },
] as unknown as readonly Change[];

test('an entry comes back as it was, with what a patch removes', () => {
  const done = [
    { id: 'c1', result: { id: 't1' } },
    { id: 'c2', result: undefined },
  ];
  const entry: LogEntry = { ...head, prev: hashOf(Buffer.from('x')), changes, done };
  const decoded = decodeEntry(encodeEntry(entry));
  expect(decoded).toEqual(entry);
  const patch = decoded.changes[1];
  expect(patch?.op === 'patch' && Object.keys(patch.fields)).toEqual(['desired', 'nodeId']);
});

test('claims and barriers have no changes', () => {
  expect(decodeEntry(encodeEntry({ ...head, changes: [] })).changes).toEqual([]);
});

describe('refuses', () => {
  const good = { v: 1, ...head, changes: [] };
  test.each<[string, unknown, string]>([
    ['what is no msgpack', undefined, 'unreadable record'],
    ['no object', [1], 'record is not an object'],
    ['no version', { ...good, v: '1' }, 'with v 1'],
    [
      'a new object without its spec, but for a task',
      { ...good, changes: [{ op: 'create', kind: 'node', object: { id: 'n' } }] },
      'creation of a node',
    ],
    ['no generation', { ...good, generation: 0 }, 'record with generation 0'],
    ['a broken epoch', { ...good, epoch: 1.5 }, 'record with epoch 1.5'],
    ['no leader', { ...good, leader: '' }, 'record without leader'],
    ['no id', { ...good, id: 5 }, 'record without id'],
    ['no time', { ...good, at: 'now' }, 'record without time'],
    ['a broken hash', { ...good, prev: 'abc' }, 'without the hash'],
    ['no changes', { ...good, changes: {} }, 'without a list of changes'],
    ['malformed commands', { ...good, done: {} }, 'malformed commands'],
    ['a command without id', { ...good, done: [{ result: 1 }] }, 'without id'],
    ['a change that is none', { ...good, changes: [null] }, 'change is not an object'],
    [
      'an object without id',
      { ...good, changes: [{ op: 'put', kind: 'task', object: {} }] },
      'without id',
    ],
    ['a deletion of nothing', { ...good, changes: [{ op: 'delete', kind: 'task' }] }, 'without id'],
    [
      'a patch of nothing',
      { ...good, changes: [{ op: 'patch', kind: 'task', id: 'a' }] },
      'patch is not',
    ],
  ])('%s', (_, body, message) => {
    const data = body === undefined ? Uint8Array.of(0xc1) : pack(body);
    expect(() => decodeEntry(data)).toThrow(LogEntryError);
    expect(() => decodeEntry(data)).toThrow(message);
  });
});

test.each([
  ['another version', { ...head, v: 2, changes: [] }, 'is of version 2, and this natswarm reads'],
  ['a kind', { ...head, v: 1, changes: [{ op: 'put', kind: 'x' }] }, 'of the kind "x"'],
  ['an operation', { ...head, v: 1, changes: [{ op: 'x', kind: 'task' }] }, 'not known here (x)'],
])(
  '%s that a newer natswarm writes is refused, and the text says what to install',
  (_, body, found) => {
    const data = pack(body);
    expect(() => decodeEntry(data)).toThrow(Incompatible);
    expect(() => decodeEntry(data)).toThrow(found);
    expect(() => decodeEntry(data)).toThrow('install a natswarm');
  },
);
