import { limits } from '../limits.ts';
import type { Node, Service, Task } from '../model/objects.ts';
import { ownPartOf } from '../model/template.ts';
import type { Change, Draft } from '../store/changes.ts';
import type { Context, View } from '../store/view.ts';
import { isTerminal, isWanted, taskStateRank } from '../task-state.ts';
import { DirtyCheck } from './dirty.ts';
import type { Plan } from './plan.ts';
import { type Slot, type SlotKey, slotsOf } from './slot.ts';

type TaskPatch = Partial<
  Pick<Task, 'desired' | 'status' | 'replaces' | 'byUpdate' | 'takenOverBy'>
>;
type ServiceChange = Extract<Change, { op: 'patch'; kind: 'service' }>;
type TaskChange =
  | Extract<Change, { op: 'put' | 'patch'; kind: 'task' }>
  | Extract<Change, { op: 'delete' }>;

/**
 * The working copy of one service that the steps of a plan change one after another. It keeps one change per object
 * at most, however often a task is touched.
 */
export class ServicePlanBuilder {
  readonly view: View;
  readonly now: number;
  readonly slots: Map<SlotKey, Slot>;
  readonly #newId: () => string;
  readonly #reasons = new Map<string, number>();
  readonly #taskChanges = new Map<string, TaskChange>();
  #serviceFields: ServiceChange['fields'] | undefined;
  #service: Service;
  #dirty: DirtyCheck;
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(view: View, service: Service, ctx: Context) {
    this.view = view;
    this.now = ctx.now;
    this.#newId = ctx.newId;
    this.#service = service;
    this.#dirty = new DirtyCheck(service);
    this.slots = slotsOf(service, view.tasksOfService(service.id));
  }

  get service(): Service {
    return this.#service;
  }

  /** The plan is as large as one may be: what can wait for the next one should. */
  get isFull(): boolean {
    return this.#taskChanges.size >= limits.planChangesMax;
  }

  nodeOf(task: Task): Node | undefined {
    return task.nodeId === '' ? undefined : this.view.node(task.nodeId);
  }

  isDirty(task: Task): boolean {
    return this.#dirty.isDirty(task, this.nodeOf(task));
  }

  slot(key: SlotKey): Slot {
    let slot = this.slots.get(key);
    if (slot === undefined) this.slots.set(key, (slot = { key, tasks: [] }));
    return slot;
  }

  /** Looks again at `at`, ms, at the latest. */
  wake(at: number): void {
    this.#wakeAt = Math.min(this.#wakeAt, at);
  }

  /** Says why something is left undone. */
  note(reason: string): void {
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1);
  }

  create(slot: Slot, draft: Omit<Draft<'task'>, 'id'>): Task {
    const object: Draft<'task'> = { id: this.#newId(), ...draft };
    this.#taskChanges.set(object.id, { op: 'put', kind: 'task', object });
    const task = { ...object, meta: { version: 0, createdAt: this.now, updatedAt: this.now } };
    slot.tasks.push(task);
    return task;
  }

  patch(slot: Slot, task: Task, fields: TaskPatch): Task {
    const after = { ...task, ...fields, meta: { ...task.meta, updatedAt: this.now } };
    slot.tasks = slot.tasks.map((t) => (t.id === task.id ? after : t));
    const earlier = this.#taskChanges.get(task.id);
    if (earlier?.op === 'put') {
      const object = { ...earlier.object, ...fields };
      this.#taskChanges.set(task.id, { op: 'put', kind: 'task', object });
    } else {
      const all = earlier?.op === 'patch' ? { ...earlier.fields, ...fields } : fields;
      this.#taskChanges.set(task.id, { op: 'patch', kind: 'task', id: task.id, fields: all });
    }
    return after;
  }

  /** The task is not wanted any more, but stays as history. */
  shutdown(slot: Slot, task: Task): void {
    if (!isWanted(task.desired)) return;
    this.patch(slot, task, {
      desired: 'shutdown',
      // No agent has heard of it, so nobody else would ever say that it stopped.
      ...(neverAssigned(task) && {
        status: { state: 'shutdown', at: this.now, message: 'shutdown' },
      }),
    });
  }

  /** The task goes for good: at once when nothing of it can still run, else once it has stopped. */
  remove(slot: Slot, task: Task): void {
    if (isOver(this.view, task)) this.delete(slot, task);
    else if (task.desired !== 'remove') this.patch(slot, task, { desired: 'remove' });
  }

  delete(slot: Slot, task: Task): void {
    slot.tasks = slot.tasks.filter((t) => t.id !== task.id);
    if (this.#taskChanges.get(task.id)?.op === 'put') this.#taskChanges.delete(task.id);
    else this.#taskChanges.set(task.id, { op: 'delete', kind: 'task', id: task.id });
  }

  patchService(fields: ServiceChange['fields']): void {
    this.#serviceFields = { ...this.#serviceFields, ...fields };
    const merged: Record<string, unknown> = { ...this.#service, ...fields };
    for (const key of Object.keys(fields)) if (merged[key] === undefined) delete merged[key];
    this.#service = merged as unknown as Service;
    if (fields.spec !== undefined) this.#dirty = new DirtyCheck(this.#service);
  }

  /** The plan, cut where it would have too many changes for one transaction. The service's change comes first. */
  plan(): Plan {
    const { id } = this.#service;
    const fields = this.#serviceFields;
    const changes: Change[] =
      fields === undefined ? [] : [{ op: 'patch', kind: 'service', id, fields }];
    const room = limits.planChangesMax - changes.length;
    for (const change of this.#taskChanges.values())
      if (changes.length < limits.planChangesMax) changes.push(this.#bare(change));
    if (this.#taskChanges.size > room) this.wake(this.now);
    return {
      changes,
      ...(Number.isFinite(this.#wakeAt) && { wakeAt: this.#wakeAt }),
      reasons: [...this.#reasons].map(([reason, count]) => `${reason} (${count})`),
    };
  }

  /** New tasks go without the spec of their service, which is there already. */
  #bare(change: TaskChange): Change {
    return change.op === 'put' && change.object.specVersion === this.#service.specVersion
      ? { op: 'create', kind: 'task', object: ownPartOf(change.object) }
      : change;
  }
}

const neverAssigned = (task: Task): boolean =>
  taskStateRank[task.status.state] < taskStateRank.assigned;

/** Nothing of the task runs, and nobody will say more about it. */
export const isOver = (view: View, task: Task): boolean =>
  isTerminal(task.status.state) || neverAssigned(task) || view.node(task.nodeId) === undefined;
