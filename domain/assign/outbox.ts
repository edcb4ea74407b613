import { limits } from '../limits.ts';
import type { Task } from '../model/objects.ts';
import {
  type OwnPart,
  ownPartOf,
  type Template,
  templateKey,
  templateOf,
} from '../model/template.ts';
import { type EndedTask, endedOf, hasEndedOnNode } from './ended.ts';

/** What one message tells a node. */
export interface AssignmentPart {
  /** It belongs to the full set, with which a session begins. */
  readonly full: boolean;
  /** The full set goes on in the next part. */
  readonly more: boolean;
  /** Of the tasks here, those that the node has not got yet. */
  readonly templates: readonly Template[];
  readonly put: readonly OwnPart[];
  readonly ended: readonly EndedTask[];
  readonly remove: readonly string[];
}

export interface OutboxInput {
  /** The tasks that the node has to have now. */
  readonly ids: readonly string[];
  /** Keys of templates that the node still has from an earlier session. */
  readonly has: readonly string[];
  /** The task as it is now, if the node has to have it. */
  readonly task: (id: string) => Task | undefined;
  /** How much it takes of a message, bytes. */
  readonly sizeOf: (value: unknown) => number;
}

/** The encoded sizes of templates by their spec: tasks and nodes share them. */
const sizes = new WeakMap<object, number>();

/**
 * What one node has yet to be told in a session. It holds IDs only, and each part is made when it is sent, of the state of
 * that moment: however much a node has to get, and however fast it changes, one part of it is in memory.
 */
export class Outbox {
  readonly #input: OutboxInput;
  /** In the order in which the node is told; the full set comes first. */
  readonly #waiting: Set<string>;
  /** Tasks of the full set that wait. */
  #setLeft: number;
  #isSetOpen = true;
  /** What the node has been told in this session: its tasks with the keys of their templates, '' for none. */
  readonly #told = new Map<string, string>();
  /** How many of those tasks use a template. The node drops one that none uses any more. */
  readonly #users = new Map<string, number>();
  /** Until the full set is over the node keeps what it had before. */
  #kept: ReadonlySet<string>;

  constructor(input: OutboxInput) {
    this.#input = input;
    this.#waiting = new Set(input.ids);
    this.#setLeft = input.ids.length;
    this.#kept = new Set(input.has);
  }

  /** The node is to be told of these as they are when it comes to it. */
  add(ids: Iterable<string>): void {
    for (const id of ids) this.#waiting.add(id);
  }

  /** The next part; undefined when there is nothing to tell. */
  next(): { readonly part: AssignmentPart; readonly bytes: number } | undefined {
    const draft = new Draft();
    const full = this.#isSetOpen;
    for (const id of this.#waiting) {
      if (!this.#take(id, draft)) break;
      this.#waiting.delete(id);
      if (this.#setLeft > 0) this.#setLeft -= 1;
    }
    if (!full && draft.isEmpty) return undefined;
    const more = this.#setLeft > 0;
    if (full && !more) {
      this.#isSetOpen = false;
      this.#kept = new Set();
    }
    const { templates, put, ended, remove, bytes } = draft;
    return { part: { full, more, templates, put, ended, remove }, bytes };
  }

  /** Adds what there is to say of one task; false when it does not fit into the part. */
  #take(id: string, part: Draft): boolean {
    const task = this.#input.task(id);
    const isTold = this.#told.has(id);
    if (task === undefined) {
      if (!isTold) return true;
      if (!part.fits(this.#input.sizeOf(id))) return false;
      part.remove.push(id);
      this.#forget(id);
      return true;
    }
    return hasEndedOnNode(task)
      ? isTold || this.#takeEnded(task, part)
      : this.#takeLive(task, part);
  }

  #takeEnded(task: Task, part: Draft): boolean {
    const ended = endedOf(task);
    if (!part.fits(this.#input.sizeOf(ended))) return false;
    part.ended.push(ended);
    this.#told.set(task.id, '');
    return true;
  }

  #takeLive(task: Task, part: Draft): boolean {
    const key = templateKey(task);
    const isNew = !this.#users.has(key) && !this.#kept.has(key);
    const own = ownPartOf(task);
    if (!part.fits(this.#input.sizeOf(own) + (isNew ? this.#sizeOfTemplate(task) : 0)))
      return false;
    if (isNew) part.templates.push(templateOf(task));
    part.put.push(own);
    if (!this.#told.has(task.id)) {
      this.#told.set(task.id, key);
      this.#users.set(key, (this.#users.get(key) ?? 0) + 1);
    }
    return true;
  }

  #sizeOfTemplate(task: Task): number {
    let size = sizes.get(task.spec);
    if (size === undefined) sizes.set(task.spec, (size = this.#input.sizeOf(templateOf(task))));
    return size;
  }

  #forget(id: string): void {
    const key = this.#told.get(id) ?? '';
    this.#told.delete(id);
    const left = (this.#users.get(key) ?? 0) - 1;
    if (left > 0) this.#users.set(key, left);
    else this.#users.delete(key);
  }
}

/** A part that is being made. It takes one thing at least, however large. */
class Draft {
  readonly templates: Template[] = [];
  readonly put: OwnPart[] = [];
  readonly ended: EndedTask[] = [];
  readonly remove: string[] = [];
  bytes = 0;

  get isEmpty(): boolean {
    return this.put.length + this.ended.length + this.remove.length === 0;
  }

  fits(bytes: number): boolean {
    if (!this.isEmpty && this.bytes + bytes > limits.assignPartBytesMax) return false;
    this.bytes += bytes;
    return true;
  }
}
