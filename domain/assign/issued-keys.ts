/** The keys that a node was given certificates for: by them it is known when it comes back (docs/pki.md, "The way back"). */
import { Fault } from '../errors.ts';
import { limits } from '../limits.ts';
import type { IssuedKey, Node } from '../model/objects.ts';

/**
 * What a node may come back by. A version of before noted no keys and went by what the node said last: that is good until
 * the node has shown a key.
 */
export function issuedKeys({ keys, description }: Pick<Node, 'keys' | 'description'>) {
  const told = description?.tls?.publicKey;
  if (keys !== undefined || told === undefined) return keys ?? [];
  return [{ key: told, seenAt: 0, isTold: true }] satisfies readonly IssuedKey[];
}

/** Nobody has seen a certificate of this node yet: all that is known is what it said to a version of before. */
export const isKeyUnknown = (node: Pick<Node, 'keys' | 'description'>): boolean =>
  issuedKeys(node).every(({ isTold }) => isTold === true);

/** A hello is to change nothing of what is noted: what was said to a version of before is kept apart from it. */
export const keptKeys = (node: Pick<Node, 'keys' | 'description'>) => {
  const keys = issuedKeys(node);
  return node.keys === undefined && keys.length > 0 ? { keys } : {};
};

/**
 * The keys after the node has asked for a certificate of `asked`. The answer may be lost, so it may go on with the key in
 * use or with the new one; and a request that comes late must not drop what it has used since, so the keys of the last
 * minutes stay. Undefined if nothing changes. Throws where one node asks for ever more keys.
 * @param held the key in use, which the node has proved; undefined if it is `asked`
 */
export function keysAfterRenewal(
  node: Node,
  asked: string,
  held: string | undefined,
  now: number,
): readonly IssuedKey[] | undefined {
  const known = issuedKeys(node);
  refuseSpent(node, asked, held);
  const current = held === undefined || held === asked ? [asked] : [held, asked];
  const isRecent = ({ seenAt }: IssuedKey, ms: number): boolean => now - seenAt < ms;
  const last = known.slice(-current.length);
  const isSame =
    last.length === current.length &&
    last.every((one, i) => one.key === current[i] && isRecent(one, limits.issuedKeyKeptMs / 2));
  if (isSame) return undefined;
  const former = known.filter(
    (one) =>
      !current.includes(one.key) && one.isTold !== true && isRecent(one, limits.issuedKeyKeptMs),
  );
  if (former.length + current.length > limits.issuedKeysMax)
    throw new Fault(
      'Unavailable',
      `node ${node.id} has asked for ${former.length} keys within ${limits.issuedKeyKeptMs / 1_000} s; it gets the next one when they are over`,
    );
  return [...former, ...current.map((key) => noted(known, key, now))];
}

/**
 * The keys after the node has come back by `held`, for a certificate of `asked`: all others are void. `held` is spent on
 * `asked`, so that an answer that got lost can be had again, and nothing else. Undefined if that has happened before.
 * Throws a Fault for a key that is not the node's, or spent.
 */
export function keysAfterReturn(
  node: Node,
  asked: string,
  held: string,
  now: number,
): readonly IssuedKey[] | undefined {
  const known = issuedKeys(node).find(({ key }) => key === held);
  if (known === undefined) throw unknownKey();
  if (known.spentOn === asked) return undefined;
  refuseSpent(node, asked, held);
  if (held === asked)
    throw new Fault('InvalidArgument', 'CSR: the key must be another one than that of before');
  return [
    { key: held, seenAt: now, spentOn: asked },
    { key: asked, seenAt: now },
  ];
}

/** The node was let in with this key, and has asked again because the answer got lost. Throws where it has gone on since. */
export function refuseFormer(node: Node, key: string): void {
  const keys = issuedKeys(node);
  if (keys.length === 0) return;
  if (keys.some((one) => one.key === key && one.spentOn === undefined)) return;
  throw new Fault('AlreadyExists', `node ${node.id} is in the cluster with another key`);
}

export const unknownKey = (): Fault =>
  new Fault(
    'PermissionDenied',
    'this cluster has no such node with this key; leave, and join as a new node',
  );

function refuseSpent(node: Node, asked: string, held: string | undefined): void {
  const isSpent = ({ key, spentOn }: IssuedKey): boolean =>
    spentOn !== undefined && ((key === held && spentOn !== asked) || key === asked);
  if (issuedKeys(node).some(isSpent))
    throw new Fault(
      'PermissionDenied',
      `node ${node.id} has come back with this key before, and got another one then; leave, and join as a new node`,
    );
}

/** A key that was spent stays so. */
function noted(known: readonly IssuedKey[], key: string, now: number): IssuedKey {
  const spentOn = known.find((one) => one.key === key)?.spentOn;
  return { key, seenAt: now, ...(spentOn !== undefined && { spentOn }) };
}
