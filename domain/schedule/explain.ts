import type { Filter } from './filter.ts';
import type { Host } from './node-set.ts';

/** Why none of the hosts takes the task, in the words of `docker service ps`. */
export function explainNone(filters: readonly Filter[], hosts: Iterable<Host>): string {
  const counts = filters.map((filter) => ({ filter, count: 0 }));
  for (const host of hosts) {
    // Each node counts for the first filter that refuses it.
    const refusing = counts.find(({ filter }) => !filter.accepts(host));
    if (refusing !== undefined) refusing.count += 1;
  }
  const reasons = counts
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count)
    .map(({ filter, count }) => filter.explain(count));
  return reasons.length === 0 ? 'no suitable node' : `no suitable node (${reasons.join('; ')})`;
}

/** Why the one host that a task is bound to does not take it; undefined when it does. */
export const explainRefusal = (filters: readonly Filter[], host: Host): string | undefined =>
  filters.find((filter) => !filter.accepts(host))?.explain(1);
