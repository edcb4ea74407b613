import { parseAddress } from './schedule/address.ts';

/** A connection whose holder nobody knows yet. */
export interface Stranger {
  readonly id: number;
  readonly address: string;
}

/** What many of them may hold together, and what each address keeps whatever the others hold. */
export interface Shares {
  readonly max: number;
  readonly perAddressMin: number;
}

/**
 * Those that have to go so that no more than `max` stay. The room is shared among addresses, each having as much as any
 * other or as much as it wants: who holds most loses first, and of what one holds the oldest go, for those who mean it
 * are done in no time.
 * @param strangers oldest first
 */
export function surplus(strangers: readonly Stranger[], shares: Shares): readonly number[] {
  if (strangers.length <= shares.max) return [];
  const held = new Map<string, number[]>();
  for (const { id, address } of strangers) {
    const key = holderOf(address);
    const ids = held.get(key);
    if (ids === undefined) held.set(key, [id]);
    else ids.push(id);
  }
  const share = shareOf(
    [...held.values()].map(({ length }) => length),
    shares,
  );
  return [...held.values()].flatMap((ids) => ids.slice(0, Math.max(0, ids.length - share)));
}

/** The one that has to go when there is one too many: the oldest of the address that holds most. */
export function loser<S extends Pick<Stranger, 'address'>>(strangers: Iterable<S>): S | undefined {
  const held = new Map<string, { readonly first: S; count: number }>();
  let most: { readonly first: S; readonly count: number } | undefined;
  for (const one of strangers) {
    const key = holderOf(one.address);
    const holder = held.get(key) ?? { first: one, count: 0 };
    holder.count++;
    held.set(key, holder);
  }
  for (const holder of held.values())
    if (most === undefined || holder.count > most.count) most = holder;
  return most?.first;
}

/** The largest number that each may hold such that all together hold `max` at most. */
function shareOf(counts: readonly number[], { max, perAddressMin }: Shares): number {
  const ascending = [...counts].sort((a, b) => a - b);
  let room = max;
  for (const [i, count] of ascending.entries()) {
    const share = Math.floor(room / (ascending.length - i));
    if (count > share) return Math.max(share, perAddressMin);
    room -= count;
  }
  return max;
}

/** Whoever has one address of IPv6 has a network of them, a /64 at least. */
function holderOf(address: string): string {
  const bytes = address.includes(':') ? parseAddress(address) : undefined;
  return bytes === undefined || isMapped(bytes) ? address : bytes.slice(0, 8).join('.');
}

const isMapped = (bytes: readonly number[]): boolean =>
  bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
