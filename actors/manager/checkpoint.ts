import { Packr } from 'msgpackr';
import { refuseKind, upgraded, versionBefore } from '../../domain/format/format.ts';
import { checkpointFormat } from '../../domain/format/formats.ts';
import { isKind, type Objects, ofKinds } from '../../domain/kinds/table.ts';
import type { Task } from '../../domain/model/objects.ts';
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
  readonly objects: Objects;
}
/** As it is written: what tasks share is there once. In a checkpoint of before each task has its own. */
interface Written extends Omit<CheckpointState, 'objects'> {
  /** Of its form; a checkpoint of before has none. */
  readonly v?: number;
  readonly templates?: readonly Template[];
  /** Without the kinds that its writer did not know. */
  readonly objects: Partial<Omit<Objects, 'task'>> & {
    readonly task?: readonly (Task | OwnPart)[];
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
    v: checkpointFormat.version,
    ...state,
    templates: [...templates.values()],
    objects: { ...objects, task: objects.task.map(ownPartOf) },
  } satisfies Written);
}

/** Throws `Incompatible` for one that a newer natswarm wrote. */
export function decodeCheckpoint(data: Uint8Array): CheckpointState {
  const { v = versionBefore, ...written } = packr.unpack(data) as Written;
  const { templates, objects, ...state } = upgraded<Written>(checkpointFormat, v, written);
  const unknown = Object.keys(objects).find((kind) => !isKind(kind));
  if (unknown !== undefined) refuseKind(checkpointFormat.what, unknown);
  const { task: tasks = [], ...others } = objects;
  const known = new Map(templates?.map((template) => [templateKey(template), template]));
  const task = tasks.map((written) => {
    const key = templateKey(written);
    const template = known.get(key) ?? templateOf(written as Task);
    known.set(key, template);
    return taskFrom(written, template);
  });
  const read: Partial<Objects> = { ...others, task };
  return { ...state, objects: ofKinds((kind) => read[kind] ?? []) };
}
