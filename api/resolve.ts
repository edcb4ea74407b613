import { daemonFault } from '../domain/errors.ts';
import { compareText } from '../domain/ids.ts';
import { type Node, type Service, type Task, taskName } from '../domain/model/objects.ts';
import type { View } from '../domain/store/view.ts';

/**
 * The object that a user's word means: exact id, else exact name, else start of the id. Undefined when there is
 * none; throws Docker's 400 when there are several (swarm-compat §2.1).
 */
export function findService(view: View, word: string): Service | undefined {
  const exact = view.service(word);
  if (exact !== undefined) return exact;
  const named = view.serviceByName(word);
  if (named?.spec.Name === word) return named;
  return pick('service', word, view.list('service'), () => false);
}

export function findNode(view: View, word: string): Node | undefined {
  return (
    view.node(word) ??
    pick('node', word, view.list('node'), (node) => node.description?.hostname === word)
  );
}

export function findTask(view: View, word: string): Task | undefined {
  return view.task(word) ?? pick('task', word, view.list('task'), (task) => nameOf(task) === word);
}

/** As Swarm names tasks: with their own id at the end. */
export const nameOf = (task: Task): string => `${taskName(task)}.${task.id}`;

function pick<T extends { readonly id: string }>(
  kind: string,
  word: string,
  objects: Iterable<T>,
  isNamed: (object: T) => boolean,
): T | undefined {
  const named: T[] = [];
  const started: T[] = [];
  for (const object of objects) {
    if (isNamed(object)) named.push(object);
    else if (object.id.startsWith(word)) started.push(object);
  }
  const found = named.length > 0 ? named : started;
  if (found.length > 1)
    throw daemonFault(
      'InvalidArgument',
      `${kind} ${word} is ambiguous (${found.length} matches found): ${someOf(found)}; say which by its ID`,
    );
  return found[0];
}

/** As many as anybody reads. */
const idsShown = 10;

/** Docker leaves it at the number; whoever asked for a node by a hostname that another one took needs the IDs. */
function someOf(found: readonly { readonly id: string }[]): string {
  const ids = found.map(({ id }) => id).sort(compareText);
  const rest = ids.splice(idsShown).length;
  return `${ids.join(', ')}${rest === 0 ? '' : ` and ${rest} more`}`;
}

export const notFound = (kind: string, word: string): Error =>
  daemonFault('NotFound', `${kind} ${word} not found`);

export function getService(view: View, word: string): Service {
  const service = findService(view, word);
  if (service === undefined) throw notFound('service', word);
  return service;
}
export function getNode(view: View, word: string): Node {
  const node = findNode(view, word);
  if (node === undefined) throw notFound('node', word);
  return node;
}
export function getTask(view: View, word: string): Task {
  const task = findTask(view, word);
  if (task === undefined) throw notFound('task', word);
  return task;
}
