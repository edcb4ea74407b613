import { compareText } from '../../domain/ids.ts';
import type { Task } from '../../domain/model/objects.ts';
import { DirtyCheck } from '../../domain/orchestrate/dirty.ts';
import type { Labels } from '../../domain/model/spec.ts';
import type { View } from '../../domain/store/view.ts';
import { taskStates } from '../../domain/task-state.ts';
import { type Call, type Deps, ok, okList, type Reply, type Route } from '../call.ts';
import { HttpError } from '../errors.ts';
import { Filters } from '../filters.ts';
import { getNode, getService, getTask, nameOf } from '../resolve.ts';
import { fieldsOf } from '../view/readable.ts';
import { taskView } from '../view/task.ts';

/** /tasks… of Docker's API (swarm-compat §2.3, §2.4), but for the logs. */
export function taskRoutes(deps: Deps): readonly Route[] {
  return [
    { method: 'GET', path: '/tasks', handle: (call) => listTasks(deps, call) },
    {
      method: 'GET',
      path: '/tasks/{id}',
      handle: async ({ id }) => ok(taskView(getTask(await deps.swarm.read(), id))),
    },
  ];
}

async function listTasks({ swarm }: Deps, { query }: Call): Promise<Reply> {
  query.check();
  const filters = Filters.parse(query.get('filters'));
  const view = await swarm.read();
  filters.allow(
    '_up-to-date',
    'desired-state',
    'id',
    'label',
    'name',
    'node',
    'runtime',
    'service',
  );
  const isMatch = matcher(filters, view);
  const tasks = [...candidates(filters, view)]
    .filter(isMatch)
    .sort((a, b) => compareText(a.id, b.id));
  return okList(tasks, taskView);
}

/** The tasks of the services that are asked for, or all. Throws 404 for a service that is unknown. */
function* candidates(filters: Filters, view: View): Iterable<Task> {
  const words = filters.get('service');
  if (words.length === 0) yield* view.list('task');
  const ids = new Set(words.map((word) => getService(view, word).id));
  for (const id of ids) yield* view.tasksOfService(id);
}

function matcher(filters: Filters, view: View): (task: Task) => boolean {
  const services = new Set(filters.get('service').map((word) => getService(view, word).id));
  const nodes = new Set(filters.get('node').map((word) => getNode(view, word).id));
  const states = desiredStates(filters);
  const runtimes = filters.get('runtime');
  const isDirty = filters.get('_up-to-date').length > 0 ? dirtyCheck(view) : undefined;
  return (task) =>
    (services.size === 0 || services.has(task.serviceId)) &&
    (nodes.size === 0 || nodes.has(task.nodeId)) &&
    (states.size === 0 || states.has(task.desired)) &&
    (runtimes.length === 0 || runtimes.includes('container')) &&
    filters.prefix('id', task.id) &&
    filters.prefix('name', nameOf(task)) &&
    filters.labels('label', fieldsOf(task.serviceLabels) as Labels) &&
    !(isDirty?.(task) ?? false);
}

function desiredStates(filters: Filters): ReadonlySet<string> {
  const values = filters.get('desired-state').filter((value) => value !== '');
  const known: readonly string[] = taskStates;
  const unknown = values.find((value) => !known.includes(value.toLowerCase()));
  if (unknown !== undefined) throw new HttpError(500, `Invalid desired-state filter: '${unknown}'`);
  return new Set(values.map((value) => value.toLowerCase()));
}

/** Tasks of a service that is gone are not up to date either. */
function dirtyCheck(view: View): (task: Task) => boolean {
  const checks = new Map<string, DirtyCheck>();
  return (task) => {
    const service = view.service(task.serviceId);
    if (service === undefined) return true;
    let check = checks.get(service.id);
    if (check === undefined) checks.set(service.id, (check = new DirtyCheck(service)));
    try {
      return check.isDirty(task, view.node(task.nodeId));
    } catch {
      // what cannot be compared cannot be called up to date
      return true;
    }
  };
}
