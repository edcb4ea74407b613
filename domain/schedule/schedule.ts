import { errorText } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Node, Task, TaskStatus } from '../model/objects.ts';
import type { Applied, Change } from '../store/changes.ts';
import type { Context, View } from '../store/view.ts';
import { isTerminal, isWanted, taskStateRank } from '../task-state.ts';
import { explainNone, explainRefusal } from './explain.ts';
import { type Filter, filtersOf } from './filter.ts';
import { type Needs, needsOf, noNeeds } from './needs.ts';
import { type Host, type Load, NodeSet } from './node-set.ts';
import { pickHosts } from './rank.ts';

export interface Pass {
  readonly changes: readonly Change[];
  /** The pass ended at `changesMax`: make another one. */
  readonly more: boolean;
}

/** What a pass goes on without. */
export interface Failure {
  readonly kind: 'node' | 'task' | 'service';
  readonly id: string;
  readonly reason: string;
}

/** Tasks of one version of a service that wait for a node: whatever holds for one of them holds for all. */
interface Group {
  readonly key: string;
  readonly serviceId: string;
  readonly specVersion: number;
  ids: string[];
  /** Those of `ids` that wait no more; taken out at the next pass. */
  readonly left: Set<string>;
  /** Set while no node takes them: the reason, and the scheduler's `#room` at that time. */
  stuck?: { readonly err: string; readonly room: number };
}

/** Tasks of one group that a pass assigned, each to the host at its place. */
interface Proposal {
  readonly group: Group;
  readonly load: Load;
  readonly ids: readonly string[];
  readonly hosts: readonly Host[];
}

/** A pass under way. */
interface Draft {
  readonly view: View;
  readonly now: number;
  readonly changes: Change[];
  readonly changesMax: number;
}

/**
 * Assigns tasks to nodes (swarm-compat §4.5). It keeps an index of nodes and waiting tasks that follows the log, so
 * that a pass costs what is waiting and not what is running. What a pass assigned counts only until the log is heard
 * of again, or until the next pass: then what was really written counts.
 */
export class Scheduler {
  readonly #nodes = new NodeSet();
  readonly #waiting = new Map<string, Group>();
  #lastEntered: Group | undefined;
  #proposals: Proposal[] = [];
  /** Grows whenever something may fit that did not fit before. */
  #room = 0;
  readonly #failures: Failure[] = [];
  /** The state that the waiting tasks are known from; a view of another index may tell something else. */
  #index: number;

  constructor(view: View) {
    this.#index = view.index;
    for (const node of view.list('node')) this.#put(node);
    for (const task of view.list('task')) this.#take(task.id, undefined, task);
  }

  /** Takes in one transaction that was written to the log. */
  observe(applied: readonly Applied[]): void {
    this.#takeBack();
    // A transaction that only deletes does not tell its index.
    this.#index =
      applied.find(({ after }) => after !== undefined)?.after?.meta.version ?? Number.NaN;
    for (const change of applied)
      if (change.kind === 'task') this.#take(change.id, change.before, change.after);
      else if (change.kind === 'node') {
        this.#room += 1;
        if (change.after === undefined) this.#nodes.delete(change.id);
        else this.#put(change.after);
      }
  }

  /** One pass over all waiting tasks, as `view` shows them; at most `changesMax` changes. */
  pass(
    view: View,
    ctx: Pick<Context, 'now'>,
    changesMax: number = limits.transactionChangesMax,
  ): Pass {
    if (this.#takeBack()) this.#room += 1;
    const draft: Draft = { view, now: ctx.now, changes: [], changesMax };
    for (const group of this.#waiting.values()) {
      if (roomIn(draft) <= 0) break;
      this.#try(group, draft);
    }
    return { changes: draft.changes, more: roomIn(draft) <= 0 };
  }

  /** What nodes and tasks the scheduler goes on without, each once; those that were taken are forgotten. */
  takeFailures(): readonly Failure[] {
    return this.#failures.splice(0);
  }

  /** What fails for one group is no other's. */
  #try(group: Group, draft: Draft): void {
    try {
      const ids = this.#waitingIds(draft.view, group);
      if (group.ids.length === 0) this.#drop(group);
      const first = ids[0] === undefined ? undefined : draft.view.task(ids[0]);
      if (first === undefined) return;
      if (first.nodeId === '') this.#assign(group, first, ids, draft);
      else this.#confirm(group, first, ids, draft);
    } catch (error) {
      const err = `the scheduler cannot read this task: ${errorText(error)}`;
      if (group.stuck?.err !== err) this.#fail('service', group.serviceId, errorText(error));
      group.stuck = { err, room: this.#room };
      for (const id of group.ids) explain(id, err, draft);
    }
  }

  #put(node: Node): void {
    const flaw = this.#nodes.put(node);
    if (flaw !== undefined) this.#fail('node', node.id, `unreadable record: ${flaw}`);
  }

  /** A task that cannot be read is as none. */
  #take(id: string, before: Task | undefined, after: Task | undefined): void {
    try {
      this.#see(before, after);
    } catch (error) {
      this.#fail('task', id, errorText(error));
    }
  }

  #fail(kind: Failure['kind'], id: string, reason: string): void {
    if (this.#failures.length < limits.schedulingFailuresKept)
      this.#failures.push({ kind, id, reason });
  }

  #waitingIds(view: View, group: Group): readonly string[] {
    if (group.left.size > 0) {
      group.ids = group.ids.filter((id) => !group.left.has(id));
      group.left.clear();
    }
    if (view.index === this.#index) return group.ids;
    return group.ids.filter((id) => {
      const task = view.task(id);
      return task !== undefined && isWaiting(task);
    });
  }

  #takeBack(): boolean {
    const proposals = this.#proposals;
    this.#proposals = [];
    for (const { group, load, ids, hosts } of proposals) {
      for (const host of hosts) this.#nodes.remove(host, load);
      const waiting = this.#waiting.get(group.key) ?? group;
      this.#waiting.set(group.key, waiting);
      waiting.ids = [...ids, ...waiting.ids];
    }
    return proposals.length > 0;
  }

  #assign(group: Group, first: Task, ids: readonly string[], draft: Draft): void {
    let done = 0;
    if (group.stuck?.room !== this.#room) {
      delete group.stuck;
      const filters = filtersOf(first);
      const tried = ids.slice(0, roomIn(draft));
      done = this.#place(group, first, tried, filters, draft);
      if (done < tried.length)
        group.stuck = { err: explainNone(filters, this.#nodes.hosts()), room: this.#room };
    }
    if (group.stuck === undefined) return;
    for (const id of ids.slice(done)) explain(id, group.stuck.err, draft);
  }

  /** Answers how many of the tasks found a node. */
  #place(
    group: Group,
    first: Task,
    ids: readonly string[],
    filters: readonly Filter[],
    draft: Draft,
  ): number {
    const { serviceId, spec } = first;
    const load = { serviceId, needs: needsOf(first), active: true };
    const accepts = (host: Host): boolean => filters.every((filter) => filter.accepts(host));
    const ranking = { serviceId, failureKey: group.key, now: draft.now, accepts };
    const picker = pickHosts(this.#nodes, ranking, spec.Placement?.Preferences);
    const status: TaskStatus = {
      state: 'assigned',
      at: draft.now,
      message: 'scheduler assigned task to node',
    };
    const hosts: Host[] = [];
    for (const id of ids) {
      const { value: host } = picker.next();
      if (host === undefined) break;
      this.#nodes.add(host, load);
      hosts.push(host);
      const fields = { nodeId: host.node.id, status };
      draft.changes.push({ op: 'patch', kind: 'task', id, fields });
    }
    this.#propose(group, load, ids.slice(0, hosts.length), hosts);
    return hosts.length;
  }

  /** Tasks of global services have their node from birth: it only has to take them. */
  #confirm(group: Group, first: Task, ids: readonly string[], draft: Draft): void {
    const filters = filtersOf(first);
    const load = { serviceId: first.serviceId, needs: needsOf(first), active: true };
    const status: TaskStatus = {
      state: 'assigned',
      at: draft.now,
      message: 'scheduler confirmed task can run on preassigned node',
    };
    const confirmed: string[] = [];
    const hosts: Host[] = [];
    for (const id of ids) {
      if (roomIn(draft) <= 0) break;
      const host = this.#nodes.host(draft.view.task(id)?.nodeId ?? '');
      const err = host === undefined ? undefined : explainRefusal(filters, host);
      if (host !== undefined && err === undefined) {
        this.#nodes.add(host, load);
        hosts.push(host);
        confirmed.push(id);
        draft.changes.push({ op: 'patch', kind: 'task', id, fields: { status } });
      } else if (err !== undefined) explain(id, err, draft);
    }
    this.#propose(group, load, confirmed, hosts);
  }

  #propose(group: Group, load: Load, ids: readonly string[], hosts: readonly Host[]): void {
    this.#proposals.push({ group, load, ids, hosts });
    if (ids.length < group.ids.length) {
      const gone = new Set(ids);
      group.ids = group.ids.filter((id) => !gone.has(id));
    } else this.#drop(group);
  }

  #see(before: Task | undefined, after: Task | undefined): void {
    const waited = before !== undefined && isWaiting(before);
    if (after !== undefined && isWaiting(after)) {
      if (!waited) this.#enter(after);
      return;
    }
    if (waited) this.#waiting.get(groupKey(before))?.left.add(before.id);
    if (!countsAlike(before, after)) {
      if (before !== undefined) this.#uncount(before);
      if (after !== undefined) this.#count(after);
    }
    if (after !== undefined && hasFailed(after) && (before === undefined || !hasFailed(before)))
      this.#nodes.host(after.nodeId)?.fail(groupKey(after), after.meta.updatedAt);
  }

  #count(task: Task): void {
    const host = holdsPlace(task) ? this.#nodes.host(task.nodeId) : undefined;
    if (host !== undefined) this.#nodes.add(host, loadOf(task));
  }

  #uncount(task: Task): void {
    const host = holdsPlace(task) ? this.#nodes.host(task.nodeId) : undefined;
    if (host === undefined) return;
    this.#room += 1;
    this.#nodes.remove(host, loadOf(task));
  }

  #enter(task: Task): void {
    const { serviceId, specVersion } = task;
    // Tasks of one service mostly come in a row.
    let group = this.#lastEntered;
    if (group?.serviceId !== serviceId || group.specVersion !== specVersion) {
      const key = groupKey(task);
      group = this.#waiting.get(key) ?? { key, serviceId, specVersion, ids: [], left: new Set() };
      this.#waiting.set(key, group);
      this.#lastEntered = group;
    }
    group.ids.push(task.id);
  }

  #drop(group: Group): void {
    group.ids = [];
    this.#waiting.delete(group.key);
    if (this.#lastEntered === group) this.#lastEntered = undefined;
  }
}

const groupKey = (task: Task): string => `${task.serviceId}/${task.specVersion}`;

const isWaiting = (task: Task): boolean =>
  task.status.state === 'pending' && isWanted(task.desired);

/** It takes room on its node until it has really stopped, wanted or not. */
const holdsPlace = (task: Task): boolean =>
  taskStateRank[task.status.state] >= taskStateRank.assigned && !isTerminal(task.status.state);

/** Neither a status on the way nor an end that was counted before changes what the task takes. */
const countsAlike = (before: Task | undefined, after: Task | undefined): boolean =>
  before !== undefined &&
  after !== undefined &&
  holdsPlace(before) === holdsPlace(after) &&
  before.nodeId === after.nodeId &&
  isWanted(before.desired) === isWanted(after.desired);

const loadOf = (task: Task): Load => ({
  serviceId: task.serviceId,
  needs: needsKnown(task),
  active: isWanted(task.desired),
});

/** What a task takes that runs already. Where that cannot be read it counts as a task only. */
function needsKnown(task: Task): Needs {
  try {
    return needsOf(task);
  } catch {
    return noNeeds;
  }
}

const hasFailed = ({ status: { state } }: Task): boolean =>
  state === 'failed' || state === 'rejected';

/** Writes the reason into the task, unless it is there. */
function explain(id: string, err: string, { view, now, changes, changesMax }: Draft): void {
  const task = view.task(id);
  if (task === undefined || task.status.err === err || changes.length >= changesMax) return;
  const status = { ...task.status, at: now, err };
  changes.push({ op: 'patch', kind: 'task', id, fields: { status } });
}

const roomIn = ({ changes, changesMax }: Draft): number => changesMax - changes.length;
