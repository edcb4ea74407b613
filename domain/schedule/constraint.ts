import { Fault } from '../errors.ts';
import type { Node } from '../model/objects.ts';
import type { Labels } from '../model/spec.ts';
import { contains, parseAddress, parseNetwork } from './address.ts';

/** One expression of `Placement.Constraints` (swarm-compat §3.3). Each means the same on every node. */
export interface Constraint {
  readonly key: string;
  readonly operator: '==' | '!=';
  readonly value: string;
}

const operators = ['==', '!='] as const;
const keyPattern = /^[a-z_][a-z0-9\-_.]+$/i;
/** No `<`, `>`, `~` and the like, so that they stay free for operators to come. */
const valuePattern = /^[a-z0-9:\-_\t\n\f\r .*()?+[\]\\^$|/]+$/i;

/** Throws `Fault('Unknown')` with Swarm's texts, which HTTP clients see as 500. */
export function parseConstraints(expressions: readonly string[]): readonly Constraint[] {
  return expressions.map(parseConstraint);
}

function parseConstraint(text: string): Constraint {
  const operator = operators.find((op) => text.includes(op));
  if (operator === undefined)
    throw new Fault('Unknown', `constraint expected one operator from ${operators.join(', ')}`);
  const at = text.indexOf(operator);
  const key = text.slice(0, at).trim();
  const value = text.slice(at + operator.length).trim();
  if (!keyPattern.test(key)) throw new Fault('Unknown', `key '${key}' is invalid`);
  if (!valuePattern.test(value)) throw new Fault('Unknown', `value '${value}' is invalid`);
  return { key, operator, value };
}

/** Whether the node satisfies all of them. What a node does not have is equal to ''. */
export function nodeMatches(constraints: readonly Constraint[], node: Node): boolean {
  return constraints.every((constraint) => matches(constraint, node));
}

function matches(constraint: Constraint, node: Node): boolean {
  const key = constraint.key.toLowerCase();
  if (key === 'node.ip') return matchesAddress(constraint, node.status.addr);
  const found = valueOf(constraint.key, key, node);
  // Keys that nobody knows parse, but match no node.
  if (found === undefined) return false;
  const equal = found.toLowerCase() === constraint.value.toLowerCase();
  return equal === (constraint.operator === '==');
}

function valueOf(key: string, lower: string, node: Node): string | undefined {
  switch (lower) {
    case 'node.id':
      return node.id;
    case 'node.hostname':
      return node.description?.hostname ?? '';
    case 'node.role':
      return node.role;
    case 'node.platform.os':
      return node.description?.platform.os ?? '';
    case 'node.platform.arch':
      return node.description?.platform.architecture ?? '';
    default:
      return labelOf(key, node);
  }
}

const nodeLabels = 'node.labels.';
const engineLabels = 'engine.labels.';

/**
 * The label that `node.labels.K` or `engine.labels.K` names on this node, '' when it has none; undefined when `key` is
 * of another form. The prefix is case-insensitive, the label's own key is not.
 */
export function labelOf(key: string, node: Node): string | undefined {
  const lower = key.toLowerCase();
  if (lower.startsWith(nodeLabels) && key.length > nodeLabels.length)
    return own(node.spec.Labels, key.slice(nodeLabels.length));
  if (lower.startsWith(engineLabels) && key.length > engineLabels.length)
    return own(node.description?.engine.labels ?? {}, key.slice(engineLabels.length));
  return undefined;
}

const own = (labels: Labels, key: string): string =>
  Object.hasOwn(labels, key) ? (labels[key] ?? '') : '';

/** The value is an address or a CIDR; anything else matches no node. */
function matchesAddress({ operator, value }: Constraint, addr: string): boolean {
  const single = parseAddress(value);
  const wanted = single === undefined ? parseNetwork(value) : { address: single, bits: 128 };
  if (wanted === undefined) return false;
  const address = parseAddress(addr);
  return (address !== undefined && contains(wanted, address)) === (operator === '==');
}
