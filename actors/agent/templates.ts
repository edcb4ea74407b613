import { type Template, templateKey } from '../../domain/model/template.ts';
import { limits } from '../../domain/limits.ts';
import type { Task } from '../../domain/model/objects.ts';

interface Known {
  readonly template: Template;
  /** Of the log in which it was sent: in another one the key may stand for something else. */
  readonly generation: number;
  users: number;
}

/** What tasks of this node have in common, kept as long as there is one that uses it. */
export class Templates {
  readonly #known = new Map<string, Known>();

  take(template: Template, generation: number): void {
    const key = templateKey(template);
    const users = this.#known.get(key)?.users ?? 0;
    this.#known.set(key, { template, generation, users });
  }

  /** Throws when it was not sent. */
  of(task: Pick<Task, 'serviceId' | 'specVersion'>): Template {
    const known = this.#known.get(templateKey(task));
    if (known === undefined) throw new Error(`no spec of ${templateKey(task)} has been sent`);
    return known.template;
  }

  use(task: Task): void {
    const known = this.#known.get(templateKey(task));
    if (known !== undefined) known.users += 1;
  }

  release(task: Task): void {
    const key = templateKey(task);
    const known = this.#known.get(key);
    if (known === undefined) return;
    known.users -= 1;
    if (known.users <= 0) this.#known.delete(key);
  }

  /** Of the tasks' keys, those that need not be sent again in this generation of the log; as many as a hello may name. */
  keysOf(tasks: Iterable<Task>, generation: number): readonly string[] {
    const keys = new Set<string>();
    for (const task of tasks) {
      if (keys.size >= limits.helloTemplatesMax) break;
      const key = templateKey(task);
      if (this.#known.get(key)?.generation === generation) keys.add(key);
    }
    return [...keys];
  }
}
