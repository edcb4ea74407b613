import type { Availability, NodeRole, NodeSpec } from '../model/spec.ts';
import { always, decode, omitEmpty, stringMap, struct, text } from './decode.ts';
import { badRequest } from './faults.ts';
import { quote } from './go-text.ts';

const nodeType = struct('swarm.NodeSpec', {
  Name: omitEmpty(text()),
  Labels: always(stringMap),
  Role: always(text('swarm.NodeRole')),
  Availability: always(text('swarm.NodeAvailability')),
});

/** Case does not matter to Docker. */
function availabilityFrom(given: string): Availability {
  const value = given.toLowerCase();
  if (value === 'active' || value === 'pause' || value === 'drain') return value;
  throw badRequest(`invalid Availability: ${quote(given)}`);
}

function roleFrom(given: string): NodeRole {
  const value = given.toLowerCase();
  if (value === 'worker' || value === 'manager') return value;
  throw badRequest(`invalid Role: ${quote(given)}`);
}

/** A canonical node spec from a request's body; it replaces the old one as a whole. */
export function nodeSpecFrom(input: unknown): NodeSpec {
  const wire = decode(nodeType, input);
  const Role = roleFrom(wire.Role);
  return { ...wire, Role, Availability: availabilityFrom(wire.Availability) };
}
