import { Fault } from '../errors.ts';
import type { Node } from '../model/objects.ts';
import type { Labels } from '../model/spec.ts';
import { contains, parseAddress, parseNetwork } from './address.ts';

/** One expression of `Placement.Constraints` (swarm-compat §3.3), read once and asked of many nodes. */
export interface Constraint {
  readonly key: string;
  readonly operator: '==' | '!=';
  readonly value: string;
  readonly matches: (node: Node) => boolean;
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
  return { key, operator, value, matches: matcher(key, operator, value) };
}

/** Whether the node satisfies all of them. */
export const nodeMatches = (constraints: readonly Constraint[], node: Node): boolean =>
  constraints.every((constraint) => constraint.matches(node));

type Matcher = Constraint['matches'];

function matcher(key: string, operator: Constraint['operator'], value: string): Matcher {
  const wanted = operator === '==';
  const isEqual = key.toLowerCase() === 'node.ip' ? addressEquals(value) : textEquals(key, value);
  // Keys that nobody knows, and values that are no address, parse but match no node.
  return isEqual === undefined ? () => false : (node) => isEqual(node) === wanted;
}

function textEquals(key: string, value: string): Matcher | undefined {
  const read = readers.get(key.toLowerCase()) ?? labelReader(key);
  const lower = value.toLowerCase();
  return read === undefined ? undefined : (node) => read(node).toLowerCase() === lower;
}

/** The value is an address or a CIDR. */
function addressEquals(value: string): Matcher | undefined {
  const single = parseAddress(value);
  const network = single === undefined ? parseNetwork(value) : { address: single, bits: 128 };
  if (network === undefined) return undefined;
  return (node) => {
    const address = parseAddress(node.status.addr);
    return address !== undefined && contains(network, address);
  };
}

/** What a node does not have reads as ''. */
type Reader = (node: Node) => string;

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['node.id', (node) => node.id],
  ['node.hostname', (node) => node.description?.hostname ?? ''],
  ['node.role', (node) => node.role],
  ['node.platform.os', (node) => node.description?.platform.os ?? ''],
  ['node.platform.arch', (node) => node.description?.platform.architecture ?? ''],
]);

const nodeLabels = 'node.labels.';
const engineLabels = 'engine.labels.';

/**
 * Reads the label that `node.labels.K` or `engine.labels.K` names; undefined when `key` is of another form. The prefix
 * is case-insensitive, the label's own key is not.
 */
export function labelReader(key: string): Reader | undefined {
  const lower = key.toLowerCase();
  if (lower.startsWith(nodeLabels) && key.length > nodeLabels.length) {
    const name = key.slice(nodeLabels.length);
    return (node) => own(node.spec.Labels, name);
  }
  if (lower.startsWith(engineLabels) && key.length > engineLabels.length) {
    const name = key.slice(engineLabels.length);
    return (node) => own(node.description?.engine.labels ?? {}, name);
  }
  return undefined;
}

const own = (labels: Labels, key: string): string =>
  Object.hasOwn(labels, key) ? (labels[key] ?? '') : '';
