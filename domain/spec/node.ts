import { Fault } from '../errors.ts';
import { limits } from '../limits.ts';
import { isPrintable } from '../printable.ts';
import type { Availability, Labels, NodeRole, NodeSpec } from '../model/spec.ts';
import { always, decode, omitEmpty, stringMap, struct, text } from './decode.ts';
import { badRequest } from './faults.ts';
import { quote } from './go-text.ts';

const nodeType = struct('swarm.NodeSpec', {
  Name: omitEmpty(text()),
  Labels: always(stringMap),
  Role: always(text('swarm.NodeRole')),
  Availability: always(text('swarm.NodeAvailability')),
});

/** Case does not matter to Docker. Throws `Fault`. */
export function availabilityFrom(given: string): Availability {
  const value = given.toLowerCase();
  if (value === 'active' || value === 'pause' || value === 'drain') return value;
  throw badRequest(`invalid Availability: ${quote(given)}`);
}

function roleFrom(given: string): NodeRole {
  const value = given.toLowerCase();
  if (value === 'worker' || value === 'manager') return value;
  throw badRequest(`invalid Role: ${quote(given)}`);
}

/** The labels that a node has from the start: what its daemon was told, sent along when it joins. Throws `Fault`. */
export function nodeLabelsFrom(input: unknown): Labels {
  const wrong = (reason: string): Fault => new Fault('InvalidArgument', `node labels: ${reason}`);
  if (input === undefined || input === null) return {};
  if (typeof input !== 'object' || Array.isArray(input)) throw wrong('expected an object');
  const entries: readonly [string, unknown][] = Object.entries(input);
  if (entries.length > limits.joinLabelsMax) throw wrong(`more than ${limits.joinLabelsMax}`);
  let length = 0;
  for (const [name, value] of entries) {
    if (name === '') throw wrong('a label without a name');
    if (typeof value !== 'string') throw wrong(`the value of ${quote(name)} must be a string`);
    if (!isPrintable(name) || !isPrintable(value))
      throw wrong(`${quote(name)} or its value has control characters in it`);
    length += name.length + value.length;
  }
  if (length > limits.joinLabelsTextMax)
    throw wrong(`more than ${limits.joinLabelsTextMax} characters`);
  return Object.fromEntries(entries) as Labels;
}

/** A canonical node spec from a request's body; it replaces the old one as a whole. */
export function nodeSpecFrom(input: unknown): NodeSpec {
  const wire = decode(nodeType, input);
  const Role = roleFrom(wire.Role);
  return { ...wire, Role, Availability: availabilityFrom(wire.Availability) };
}
