import { expect, test } from '@jest/globals';
import {
  issuedKeys,
  keysAfterRenewal,
  keysAfterReturn,
  refuseFormer,
} from '../../../domain/assign/issued-keys.ts';
import { limits } from '../../../domain/limits.ts';
import type { IssuedKey, Node } from '../../../domain/model/objects.ts';

const start = 1_700_000_000_000;
const kept = limits.issuedKeyKeptMs;
const nodeWith = (keys: readonly IssuedKey[] | undefined, told?: string): Node =>
  ({
    id: 'n',
    ...(keys && { keys }),
    ...(told !== undefined && { description: { tls: { publicKey: told } } }),
  }) as unknown as Node;
const first: IssuedKey = { key: 'k0', seenAt: start };
/** Renewals one after the other: key asked for, key in use, when. */
const after = (node: Node, asks: readonly (readonly [string, string, number])[]): Node => {
  let now = node;
  for (const [asked, held, at] of asks) {
    const keys = keysAfterRenewal(now, asked, held, at);
    if (keys !== undefined) now = { ...now, keys };
  }
  return now;
};
const names = (node: Node): readonly string[] => issuedKeys(node).map(({ key }) => key);

test('while the answer to a renewal may be lost, the node is known by both keys', () => {
  const node = after(nodeWith([first]), [['k1', 'k0', start + kept]]);
  expect(names(node)).toEqual(['k0', 'k1']);
  expect(keysAfterRenewal(node, 'k1', 'k0', start + kept + 1)).toBeUndefined();
  expect(names(after(node, [['k2', 'k1', start + 2 * kept]]))).toEqual(['k1', 'k2']);
});

test('a request that comes late drops nothing that the node has used since', () => {
  const node = after(nodeWith([first]), [
    ['k1', 'k0', start],
    ['k2', 'k1', start + 1],
    ['k1', 'k0', start + 2],
  ]);
  expect(names(node)).toContain('k2');
});

test('a key that somebody was given in between is gone with the second renewal after it', () => {
  const node = after(nodeWith([first]), [
    ['evil', 'k0', start],
    ['k1', 'k0', start + kept],
    ['k2', 'k1', start + 2 * kept],
  ]);
  expect(names(node)).toEqual(['k1', 'k2']);
});

test('one that asks for ever more keys gets no more, and displaces none', () => {
  let node = nodeWith([first]);
  const ask = (n: number, at: number): void => {
    node = after(node, [[`x${n}`, 'k0', at]]);
  };
  for (let n = 1; n < limits.issuedKeysMax; n++) ask(n, start + n);
  expect(names(node)).toHaveLength(limits.issuedKeysMax);
  const all = names(node);
  expect(() => ask(0, start + 100)).toThrow(/has asked for \d+ keys within 120 s/);
  expect(names(node)).toEqual(all);
  ask(limits.issuedKeysMax - 1, start + 200);
  ask(0, start + 200 + kept);
  expect(names(node)).toEqual(['k0', 'x0']);
});

test('a return spends the key on one new key, which is given again and is the only one', () => {
  const node = nodeWith([{ key: 'evil', seenAt: start }, first]);
  const keys = keysAfterReturn(node, 'k1', 'k0', start);
  expect(keys?.map(({ key, spentOn }) => [key, spentOn])).toEqual([
    ['k0', 'k1'],
    ['k1', undefined],
  ]);
  const back = nodeWith(keys);
  expect(keysAfterReturn(back, 'k1', 'k0', start + 1)).toBeUndefined();
  const spent = /has come back with this key before/;
  expect(() => keysAfterReturn(back, 'k2', 'k0', start + 1)).toThrow(spent);
  expect(() => keysAfterReturn(back, 'k0', 'k1', start + 1)).toThrow(spent);
  expect(() => keysAfterRenewal(back, 'k2', 'k0', start + 1)).toThrow(spent);
  expect(() => keysAfterReturn(back, 'k1', 'evil', start + 1)).toThrow(/no such node/);
  // the next return is by the new key, and as good
  const again = nodeWith(keysAfterReturn(back, 'k2', 'k1', start + 2));
  expect(() => keysAfterReturn(again, 'k1', 'k0', start + 3)).toThrow(/no such node/);
  expect(keysAfterReturn(again, 'k2', 'k1', start + 3)).toBeUndefined();
});

test('nobody comes back for the key that he has', () => {
  expect(() => keysAfterReturn(nodeWith([first]), 'k0', 'k0', start)).toThrow(/another one/);
});

test('what the answer to a return was for renews with the spent key, too, and keeps it spent', () => {
  const back = nodeWith(keysAfterReturn(nodeWith([first]), 'k1', 'k0', start));
  const node = after(back, [['k1', 'k0', start + kept]]);
  expect(issuedKeys(node).find(({ key }) => key === 'k0')?.spentOn).toBe('k1');
});

test('what was said to a version of before is good until the node has shown a key', () => {
  const node = nodeWith(undefined, 'told');
  expect(keysAfterReturn(node, 'k1', 'told', start)?.map(({ key }) => key)).toEqual(['told', 'k1']);
  const seen = nodeWith(keysAfterRenewal(node, 'k0', undefined, start), 'other');
  expect(names(seen)).toEqual(['k0']);
  expect(() => keysAfterReturn(seen, 'k1', 'told', start)).toThrow(/no such node/);
});

test('a join is answered again until the node has gone on to another key', () => {
  expect(() => refuseFormer(nodeWith([first]), 'k0')).not.toThrow();
  expect(() => refuseFormer(nodeWith(undefined), 'k0')).not.toThrow();
  const renewed = after(nodeWith([first]), [['k1', 'k0', start]]);
  expect(() => refuseFormer(renewed, 'k0')).not.toThrow();
  const gone = after(renewed, [['k2', 'k1', start + kept]]);
  const returned = nodeWith(keysAfterReturn(renewed, 'k2', 'k0', start));
  for (const node of [gone, returned])
    expect(() => refuseFormer(node, 'k0')).toThrow(/in the cluster with another key/);
});
