import { expect, test } from '@jest/globals';
import { loser, type Stranger, surplus } from '../../../domain/fair-share.ts';

/** Connections of some addresses, mixed; the ID says how old. */
function held(counts: Readonly<Record<string, number>>): readonly Stranger[] {
  const addresses: string[] = [];
  const most = Math.max(...Object.values(counts));
  for (let i = 0; i < most; i++)
    for (const [address, count] of Object.entries(counts)) if (i < count) addresses.push(address);
  return addresses.map((address, id) => ({ id, address }));
}

function kept(counts: Readonly<Record<string, number>>, max: number, perAddressMin = 2): object {
  const strangers = held(counts);
  const gone = new Set(surplus(strangers, { max, perAddressMin }));
  const left: Record<string, number> = {};
  for (const { id, address } of strangers)
    if (!gone.has(id)) left[address] = (left[address] ?? 0) + 1;
  return left;
}

test('nobody goes while there is room', () => {
  expect(surplus([], { max: 0, perAddressMin: 0 })).toEqual([]);
  expect(kept({ a: 99, b: 1 }, 100)).toEqual({ a: 99, b: 1 });
});

test('who holds most loses first, and the others nothing', () => {
  expect(kept({ a: 1_000, b: 5, c: 1 }, 100)).toEqual({ a: 94, b: 5, c: 1 });
  expect(kept({ a: 1_000, b: 900, c: 10 }, 100)).toEqual({ a: 45, b: 45, c: 10 });
});

test('very many addresses keep a few each', () => {
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`h${i}`, 3]));
  expect(new Set(Object.values(kept(many, 100)))).toEqual(new Set([2]));
});

test('the oldest of an address go', () => {
  const strangers = [7, 8, 9, 10].map((id) => ({ id, address: 'a' }));
  expect(surplus(strangers, { max: 3, perAddressMin: 1 })).toEqual([7]);
  expect(surplus(strangers, { max: 1, perAddressMin: 1 })).toEqual([7, 8, 9]);
});

test('addresses of one network of IPv6 are one', () => {
  const counts = {
    '2001:db8::1': 10,
    '2001:db8::ffff:2': 10,
    '2001:db8:0:1::1': 10,
    '::ffff:10.0.0.1': 10,
    '::ffff:10.0.0.2': 10,
  };
  const left = kept(counts, 40) as Readonly<Record<string, number>>;
  expect((left['2001:db8::1'] ?? 0) + (left['2001:db8::ffff:2'] ?? 0)).toBe(10);
  expect(left).toMatchObject({
    '2001:db8:0:1::1': 10,
    '::ffff:10.0.0.1': 10,
    '::ffff:10.0.0.2': 10,
  });
});

test('one too many: the oldest of who holds most, and where all hold as much the oldest', () => {
  const of = (...addresses: string[]) => addresses.map((address, id) => ({ id, address }));
  expect(loser([])).toBeUndefined();
  expect(loser(of('a', 'b', 'c'))?.id).toBe(0);
  expect(loser(of('a', 'b', 'c', 'b'))?.id).toBe(1);
  expect(loser(of('a', '2001:db8::1', 'b', '2001:db8::2'))?.id).toBe(1);
});
