import type { Task } from '../model/objects.ts';

/** A field of tasks that a node below the level does not know. */
export interface LevelField {
  readonly level: number;
  /** Where it is in a task; only objects lie on the way. */
  readonly path: readonly string[];
}

/** What feature levels have added to the tasks that nodes get: the first one nothing. */
export const levelFields: readonly LevelField[] = [];

/** The task as a node that can `level` knows it. What it does not know it would leave out of what it does, and not say so. */
export function knownAt(
  level: number,
  task: Task,
  fields: readonly LevelField[] = levelFields,
): Task {
  return fields
    .filter((field) => field.level > level)
    .reduce((known, { path }) => without(known, path), task);
}

function without<T extends object>(object: T, [name = '', ...rest]: readonly string[]): T {
  const entry = Object.entries(object).find(([key]) => key === name);
  if (entry === undefined) return object;
  const value: unknown = entry[1];
  const isOnTheWay = rest.length > 0 && typeof value === 'object' && value !== null;
  return { ...object, [name]: isOnTheWay ? without(value, rest) : undefined };
}
