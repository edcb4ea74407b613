import { expect, test } from '@jest/globals';
import { soundChange } from '../../../actors/manager/sound.ts';
import { nodeReady } from '../../../domain/assign/node-status.ts';
import type { Node, NodeDescription } from '../../../domain/model/objects.ts';
import { faultOf } from '../spec/helpers.ts';
import { nodeDraft, now, World } from './helpers.ts';

const key = (name: string): string => Buffer.from(name.padEnd(60)).toString('base64');
const [k0, k1, k2] = [key('k0'), key('k1'), key('k2')] as const;
const id = 'n'.repeat(25);
const spec = { Labels: {}, Role: 'worker', Availability: 'active' } as const;
const down = { state: 'down', message: '', addr: '' } as const;
const pins = { pin: 'a'.repeat(64), held: 'b'.repeat(64) };
const describedBy = (publicKey?: string): NodeDescription => ({
  hostname: 'h',
  platform: { architecture: 'x86_64', os: 'linux' },
  resources: { nanoCpus: 1, memoryBytes: 1 },
  engine: { version: '', labels: {}, plugins: [] },
  tls: { trustRoot: '', issuerSubject: '', issuerPublicKey: '', ...(publicKey && { publicKey }) },
});
const world = (fields: Partial<Node> = {}): World =>
  new World({
    op: 'put',
    kind: 'node',
    object: nodeDraft(id, { spec, role: 'worker', status: down, ...fields }),
  });
const keysOf = (w: World): unknown => w.store.node(id)?.keys?.map((one) => one.key);
const noted = [{ key: k0, seenAt: now - 1e9 }];
const back = { nodeId: id, token: 'W', key: k1, heldKey: k0, ...pins };

test('a join notes the key, and is answered again with no other', () => {
  const w = new World();
  const join = { nodeId: id, token: 'W', pin: pins.pin, key: k0 };
  expect(w.run('node.join', join)).toEqual({ role: 'worker' });
  expect(w.store.node(id)).toMatchObject({ keys: [{ key: k0, seenAt: now }] });
  expect(w.run('node.join', join)).toEqual({ role: 'worker' });
  w.apply([{ op: 'patch', kind: 'node', id, fields: { keys: [{ key: k1, seenAt: now }] } }]);
  expect(faultOf(() => w.run('node.join', join))).toMatch(/with another key/);
});

test('a renewal notes the new key beside the one in use; a worker has no pins', () => {
  const w = world({ keys: noted });
  w.run('node.pin', { nodeId: id, key: k1, heldKey: k0, ...pins });
  expect(keysOf(w)).toEqual([k0, k1]);
  expect(w.store.node(id)?.pins).toBeUndefined();
});

test('a manager’s key is noted and pinned in one record', () => {
  const w = world({ keys: noted, role: 'manager' });
  const before = w.store.index;
  w.run('node.pin', { nodeId: id, key: k1, heldKey: k0, ...pins });
  expect(w.store.index).toBe(before + 1);
  expect(keysOf(w)).toEqual([k0, k1]);
  expect(w.store.node(id)?.pins).toEqual([pins.pin]);
});

test.each([{}, { key: 'x y' }, { key: 'A'.repeat(10_000) }, { key: k1, heldKey: '%' }])(
  'no key: %j',
  (fields) => {
    const w = world({ keys: noted });
    expect(faultOf(() => w.run('node.pin', { nodeId: id, ...fields }))).toContain(
      'InvalidArgument',
    );
  },
);

test('a key that was only shown is noted where none is known, and nowhere else', () => {
  const seen = { nodeId: id, key: k1, isSeen: true };
  const known = world({ keys: noted });
  known.run('node.pin', seen);
  expect(keysOf(known)).toEqual([k0]);
  const old = world({ description: describedBy(k0) });
  old.run('node.pin', seen);
  expect(keysOf(old)).toEqual([k1]);
  old.run('node.pin', { ...seen, key: k2 });
  expect(keysOf(old)).toEqual([k1]);
});

test('a hello changes nothing of what a node comes back by, also in a state of before', () => {
  for (const fields of [{ keys: noted }, { description: describedBy(k0) }]) {
    const w = world(fields);
    w.apply(nodeReady(w.store, id, describedBy(k2), now));
    w.apply([{ op: 'patch', kind: 'node', id, fields: { status: down } }]);
    expect(faultOf(() => w.run('node.rejoin', { ...back, heldKey: k2 }))).toContain(
      'PermissionDenied',
    );
    expect(w.run('node.rejoin', back)).toEqual({ role: 'worker' });
  }
});

test('a record of before is read with the key that the node said then', () => {
  const w = world();
  const fields = { description: describedBy(k0) };
  const unsound = (what: string): never => {
    throw new Error(what);
  };
  w.apply([soundChange({ op: 'patch', kind: 'node', id, fields }, unsound)]);
  expect(w.run('node.rejoin', back)).toEqual({ role: 'worker' });
});

test('a return is granted once, and its answer given again', () => {
  const w = world({ keys: noted });
  expect(w.run('node.rejoin', back)).toEqual({ role: 'worker' });
  const { index } = w.store;
  expect(w.run('node.rejoin', back)).toEqual({ role: 'worker' });
  expect(w.store.node(id)?.meta.version).toBe(index);
  expect(faultOf(() => w.run('node.rejoin', { ...back, key: k2 }))).toMatch(
    /PermissionDenied.*has come back with this key before/,
  );
});

test.each<readonly [object, Partial<Node>, string]>([
  [{ token: 'x' }, {}, 'A valid join token'],
  [{ token: 'M' }, {}, 'is no manager'],
  [{ nodeId: 'm'.repeat(25) }, {}, 'no such node'],
  [{ heldKey: k2 }, {}, 'no such node'],
  [{}, { status: { ...down, state: 'ready' } }, 'is not down'],
  [{}, { spec: { ...spec, Role: 'manager' } }, 'is no worker'],
])('a return that is refused: %j %j', (fields, node, text) => {
  const w = world({ keys: noted, ...node });
  expect(faultOf(() => w.run('node.rejoin', { ...back, ...fields }))).toContain(text);
});
