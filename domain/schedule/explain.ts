import type { Filter } from './filter.ts';
import type { Host } from './node-set.ts';

/** Why none of the hosts takes the task, in the words of `docker service ps`. */
export function explainNone(filters: readonly Filter[], hosts: Iterable<Host>): string {
  const counts = filters.map((filter) => ({ filter, refused: [] as Host[] }));
  for (const host of hosts) {
    // Each node counts for the first filter that refuses it.
    const refusing = counts.find(({ filter }) => !filter.accepts(host));
    refusing?.refused.push(host);
  }
  const reasons = counts
    .sort((a, b) => b.refused.length - a.refused.length)
    .flatMap(({ filter, refused: [first, ...rest] }) =>
      first === undefined ? [] : filter.explain(rest.length + 1, first),
    );
  return reasons.length === 0 ? 'no suitable node' : `no suitable node (${reasons.join('; ')})`;
}

/** Why the one host that a task is bound to does not take it; undefined when it does. */
export const explainRefusal = (filters: readonly Filter[], host: Host): string | undefined =>
  filters.find((filter) => !filter.accepts(host))?.explain(1, host);
