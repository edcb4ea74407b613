import type { Filters } from '../filters.ts';
import type { SwarmEvent } from './event.ts';

/** Keys that must match an event's id or name, whatever its type, as in Docker. */
const objectKeys = [
  'daemon',
  'container',
  'plugin',
  'volume',
  'network',
  'service',
  'node',
  'secret',
  'config',
] as const;

export const isInScope = (filters: Filters, scope: 'local' | 'swarm'): boolean =>
  filters.exact('scope', scope);

/** Whether a client with these filters is told of the event. Unknown keys do not matter. */
export function includesEvent(filters: Filters, event: SwarmEvent): boolean {
  const name = event.attributes['name'] ?? '';
  return (
    filters.exact('event', event.action) &&
    filters.exact('type', event.type) &&
    isInScope(filters, 'swarm') &&
    objectKeys.every((key) => filters.prefix(key, event.id) || filters.prefix(key, name)) &&
    (filters.exact('image', event.id) || filters.exact('image', '')) &&
    filters.get('label').every((label) => hasLabel(event, label))
  );
}

/** Here `k=` asks for an empty value. */
function hasLabel({ attributes }: SwarmEvent, label: string): boolean {
  const at = label.indexOf('=');
  if (at === -1) return Object.hasOwn(attributes, label);
  return attributes[label.slice(0, at)] === label.slice(at + 1);
}
