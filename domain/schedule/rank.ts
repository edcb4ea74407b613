import { compareText } from '../ids.ts';
import type { Node } from '../model/objects.ts';
import type { Placement } from '../model/spec.ts';
import { labelReader } from './constraint.ts';
import { Heap } from './heap.ts';
import type { Host, NodeSet } from './node-set.ts';

/** Recent failures from which on a node is only the last resort (swarm-compat §4.5). */
const failuresMax = 5;

/** For which tasks nodes are ranked: one version of one service. */
export interface Ranking {
  readonly serviceId: string;
  /** Names service and spec version, as `Host.fail` does. */
  readonly failureKey: string;
  readonly now: number;
  readonly accepts: (host: Host) => boolean;
}

/**
 * Answers the best host for the next task, again and again, until none accepts one more. The caller places one task of
 * the service on each host that it is given before it asks for the next.
 */
export type Picker = Iterator<Host, void>;

export function pickHosts(
  set: NodeSet,
  ranking: Ranking,
  preferences: Placement['Preferences'],
): Picker {
  // Other descriptors than labels parse but mean nothing.
  const labels = (preferences ?? []).flatMap(
    ({ Spread }) => labelReader(Spread?.SpreadDescriptor ?? '') ?? [],
  );
  if (labels.length === 0) return ranked(set.byLoad(), ranking);
  return picksOf(branch([...set.byLoad()], labels, ranking));
}

type Label = (node: Node) => string;

/** A host that has a task of the service already, or has failed it. */
interface Candidate {
  readonly host: Host;
  readonly failures: number;
  tasks: number;
}

/**
 * Hosts by recent failures, then tasks of the service, then all tasks. `hosts` come emptiest first, so those without a
 * task of the service are taken as they come: a service of one task looks at few of a thousand nodes.
 */
function* ranked(hosts: Iterable<Host>, ranking: Ranking): Generator<Host, void> {
  const seen = new Map<Host, Candidate>();
  for (const host of hosts) {
    // A host that was taken comes again, with its new load.
    if (seen.has(host) || !ranking.accepts(host)) continue;
    const candidate = { host, failures: failures(host, ranking), tasks: ofService(host, ranking) };
    seen.set(host, candidate);
    if (candidate.failures > 0 || candidate.tasks > 0) continue;
    candidate.tasks += 1;
    yield host;
  }
  const heap = new Heap([...seen.values()], compareCandidates);
  for (let best = heap.top; best !== undefined; best = heap.top)
    if (ranking.accepts(best.host)) {
      best.tasks += 1;
      yield best.host;
      heap.grown();
    } else heap.drop();
}

const ofService = (host: Host, { serviceId }: Ranking): number => host.activeOf.get(serviceId) ?? 0;

/** Few failures are as good as none. */
function failures(host: Host, { failureKey, now }: Ranking): number {
  const recent = host.recentFailures(failureKey, now);
  return recent < failuresMax ? 0 : recent;
}

const compareCandidates = (a: Candidate, b: Candidate): number =>
  a.failures - b.failures ||
  a.tasks - b.tasks ||
  a.host.active - b.host.active ||
  a.host.order - b.host.order;

/** One value of a spread label, with the hosts or the values of the next label below it. */
interface Branch {
  /** Tasks of the service below. */
  load: number;
  readonly order: number;
  readonly next: () => Host | undefined;
}

/** Spreads evenly over the values of the first label, within each over those of the second, and so on. */
function branch(
  hosts: readonly Host[],
  labels: readonly Label[],
  ranking: Ranking,
  order = 0,
): Branch {
  const [label, ...rest] = labels;
  const load = hosts.reduce((sum, host) => sum + ofService(host, ranking), 0);
  if (label === undefined) {
    const picker = ranked(hosts, ranking);
    return { load, order, next: () => picker.next().value ?? undefined };
  }
  const groups = [...groupBy(hosts, label)].sort(([a], [b]) => compareText(a, b));
  const children = groups.map(([, group], i) => branch(group, rest, ranking, i));
  const heap = new Heap(children, (a, b) => a.load - b.load || a.order - b.order);
  return { load, order, next: () => nextOf(heap) };
}

/** A host of the branch with the fewest tasks; full branches drop out. */
function nextOf(heap: Heap<Branch>): Host | undefined {
  for (let least = heap.top; least !== undefined; least = heap.top) {
    const host = least.next();
    if (host !== undefined) {
      least.load += 1;
      heap.grown();
      return host;
    }
    heap.drop();
  }
  return undefined;
}

function* picksOf(root: Branch): Generator<Host, void> {
  for (let host = root.next(); host !== undefined; host = root.next()) yield host;
}

/** Nodes without the label are a branch of their own. */
function groupBy(hosts: readonly Host[], label: Label): Map<string, Host[]> {
  const groups = new Map<string, Host[]>();
  for (const host of hosts) {
    const value = label(host.node);
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [host]);
    else group.push(host);
  }
  return groups;
}
