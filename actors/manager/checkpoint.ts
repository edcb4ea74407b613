import { Packr } from 'msgpackr';
import type { Kind, ObjectOf, Task } from '../../domain/model/objects.ts';
import {
  type OwnPart,
  ownPartOf,
  taskFrom,
  type Template,
  templateKey,
  templateOf,
} from '../../domain/model/template.ts';

/** A manager's state at one sequence, as its journal keeps it. */
export interface CheckpointState {
  readonly epoch: number;
  readonly at: number;
  readonly leader: string;
  readonly objects: { readonly [K in Kind]: readonly ObjectOf[K][] };
}
/** As it is written: what tasks share is there once. In a checkpoint of before each task has its own. */
interface Written extends Omit<CheckpointState, 'objects'> {
  readonly templates?: readonly Template[];
  readonly objects: Omit<CheckpointState['objects'], 'task'> & {
    readonly task: readonly (Task | OwnPart)[];
  };
}
const packr = new Packr({ useRecords: false, moreTypes: false });

export function encodeCheckpoint({ objects, ...state }: CheckpointState): Uint8Array {
  const templates = new Map<string, Template>();
  for (const task of objects.task) {
    const key = templateKey(task);
    if (!templates.has(key)) templates.set(key, templateOf(task));
  }
  return packr.pack({
    ...state,
    templates: [...templates.values()],
    objects: { ...objects, task: objects.task.map(ownPartOf) },
  } satisfies Written);
}

export function decodeCheckpoint(data: Uint8Array): CheckpointState {
  const { templates, objects, ...state } = packr.unpack(data) as Written;
  const known = new Map(templates?.map((template) => [templateKey(template), template]));
  const task = objects.task.map((written) => {
    const key = templateKey(written);
    const template = known.get(key) ?? templateOf(written as Task);
    known.set(key, template);
    return taskFrom(written, template);
  });
  return { ...state, objects: { ...objects, task } };
}
