import { keysAfterReturn, refuseFormer, unknownKey } from '../assign/issued-keys.ts';
import { Fault } from '../errors.ts';
import { isId } from '../ids.ts';
import type { Cluster } from '../model/objects.ts';
import type { NodeRole } from '../model/spec.ts';
import { parseAddress } from '../schedule/address.ts';
import { nodesMax } from '../spec/cluster-labels.ts';
import { availabilityFrom, nodeLabelsFrom } from '../spec/node.ts';
import { patchNode } from '../store/changes.ts';
import { Body } from './body.ts';
import type { Command } from './command.ts';
import { notFound } from './faults.ts';
import { keyFrom, pinFields, pinFrom } from './keys.ts';

/** Swarm's text, whatever is wrong with the secret of a token. */
export const badTokenFault = (): Fault =>
  new Fault('InvalidArgument', 'A valid join token is necessary to join this cluster');

/**
 * The role that a token gives. Whoever lets strangers in compares in constant time first (`pki.tokenMatches`); this
 * comparison is for a token that was rotated in between.
 */
export function roleOfToken(
  { rootCa: { tokens } }: Pick<Cluster, 'rootCa'>,
  token: string,
  matches: (given: string, expected: string) => boolean = (a, b) => a === b,
): NodeRole {
  const worker = matches(token, tokens.worker);
  const manager = matches(token, tokens.manager);
  if (worker) return 'worker';
  if (manager) return 'manager';
  throw badTokenFault();
}

/** '' where none is known. Everybody's tools print it, and nodes are placed by it. */
function addressFrom(text: string): string {
  if (text !== '' && parseAddress(text) === undefined)
    throw new Fault('InvalidArgument', 'node.join: "addr" must be an IP address');
  return text;
}

function requireRoom(nodes: number, max: number | undefined): void {
  if (max === undefined || nodes < max) return;
  throw new Fault(
    'ResourceExhausted',
    `this cluster has as many nodes as it may have: ${max} (its label natswarm.nodes.max); remove nodes that are gone ("docker node rm"), or raise the label`,
  );
}

/**
 * `{nodeId, token, pin, key?, availability?, addr?, labels?}` → `{role}`: a new node, not yet seen. The ID comes from the key
 * of the joiner's request, so a join that is made again (the answer got lost) finds its own node and adds none; one whose
 * node has gone on to another key does not.
 */
export const nodeJoin: Command = {
  decide(view, { now }, input) {
    const body = new Body('node.join', input);
    const cluster = view.cluster();
    if (cluster === undefined) throw notFound('cluster', 'default');
    const id = body.text('nodeId');
    if (!isId(id)) throw new Fault('InvalidArgument', 'node.join: "nodeId" must be an ID');
    const role = roleOfToken(cluster, body.text('token'));
    const pin = pinFrom(body.text('pin'));
    const key = keyFrom(body.text('key'));
    const availability = availabilityFrom(body.text('availability') || 'active');
    const addr = addressFrom(body.text('addr'));
    const Labels = nodeLabelsFrom(body.raw('labels'));
    const known = view.node(id);
    if (known !== undefined) {
      if (known.role !== role)
        throw new Fault('AlreadyExists', `node ${id} is in the cluster with another role`);
      if (key !== undefined) refuseFormer(known, key);
      return { changes: [], result: { role } };
    }
    requireRoom(view.count('node'), nodesMax(cluster.spec.Labels ?? {}));
    return {
      changes: [
        {
          op: 'put',
          kind: 'node',
          object: {
            id,
            spec: { Labels, Role: role, Availability: availability },
            role,
            status: { state: 'unknown', message: '', addr },
            ...(key !== undefined && { keys: [{ key, seenAt: now }] }),
            ...(role === 'manager' && { pins: [pin] }),
          },
        },
      ],
      result: { role },
    };
  },
};

/**
 * `{nodeId, token, key, heldKey, pin, held}` → `{role}`: a node that is down comes back by `heldKey`, which it has proved to
 * have, for a certificate of `key`. The join listener's own way in, as `node.join`.
 */
export const nodeRejoin: Command = {
  decide(view, { now }, input) {
    const body = new Body('node.rejoin', input);
    const cluster = view.cluster();
    if (cluster === undefined) throw notFound('cluster', 'default');
    const id = body.text('nodeId');
    const asked = roleOfToken(cluster, body.text('token'));
    const [key, held] = [keyFrom(body.text('key')), keyFrom(body.text('heldKey'))];
    const node = view.node(id);
    if (node === undefined || key === undefined || held === undefined) throw unknownKey();
    const keys = keysAfterReturn(node, key, held, now);
    if (node.status.state === 'ready')
      throw new Fault('FailedPrecondition', `node ${id} is not down`);
    const { role } = node;
    if (role !== asked || role !== node.spec.Role)
      throw new Fault('InvalidArgument', `node ${id} is no ${asked}, as the token's holder`);
    const fields = { ...pinFields(node, body, now), ...(keys !== undefined && { keys }) };
    const isSame = Object.keys(fields).length === 0;
    return { changes: isSame ? [] : [patchNode(id, fields)], result: { role } };
  },
};
