import { isKeyUnknown, keysAfterRenewal } from '../assign/issued-keys.ts';
import { Fault } from '../errors.ts';
import { limits } from '../limits.ts';
import { pinsAfter } from '../members/pins.ts';
import type { Node } from '../model/objects.ts';
import { patchNode } from '../store/changes.ts';
import { Body } from './body.ts';
import type { Command } from './command.ts';
import { notFound } from './faults.ts';

const pin = /^[0-9a-f]{64}$/;
const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Throws `Fault` for what is no digest of a key. */
export function pinFrom(text: string): string {
  if (!pin.test(text)) throw new Fault('InvalidArgument', '"pin" must be 64 hexadecimal digits');
  return text;
}

/** A key's public half; undefined where none is given. Throws `Fault` for what cannot be one. */
export function keyFrom(text: string): string | undefined {
  if (text === '') return undefined;
  if (text.length > limits.issuedKeyTextMax || !base64.test(text))
    throw new Fault('InvalidArgument', '"key" must be a public key, base64 of its DER');
  return text;
}

/** Another manager's server has to know a manager's key before it is used; a worker has no server. */
export function pinFields(node: Node, body: Body, now: number) {
  const text = body.text('pin');
  if (text === '' || node.role !== 'manager') return undefined;
  const held = body.text('held');
  return pinsAfter(node, pinFrom(text), held === '' ? undefined : pinFrom(held), now);
}

/**
 * `{nodeId, key?, heldKey?, pin?, held?}` → `{}`: a key that the node gets a certificate for, or has shown one of, and the one
 * that it has proved to use now. `pin` and `held` are their digests (SHA-256, hex), for other managers' servers.
 * `isSeen`: a connection has shown the key; it is noted only where no key of the node is known yet.
 */
export const nodePin: Command = {
  decide(view, { now }, input) {
    const body = new Body('node.pin', input);
    const id = body.text('nodeId');
    const node = view.node(id);
    if (node === undefined) throw notFound('node', id);
    const key = keyFrom(body.text('key'));
    if (key === undefined) pinFrom(body.text('pin'));
    const isNews = key !== undefined && (!body.flag('isSeen') || isKeyUnknown(node));
    const keys = isNews
      ? keysAfterRenewal(node, key, keyFrom(body.text('heldKey')), now)
      : undefined;
    const fields = { ...pinFields(node, body, now), ...(keys !== undefined && { keys }) };
    const isSame = Object.keys(fields).length === 0;
    return { changes: isSame ? [] : [patchNode(id, fields)], result: {} };
  },
};
