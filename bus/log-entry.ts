import { createHash } from 'node:crypto';
import { Incompatible, refuseKind, upgraded } from '../domain/format/format.ts';
import { recordFormat } from '../domain/format/formats.ts';
import { isKind } from '../domain/kinds/table.ts';
import type { Change } from '../domain/store/changes.ts';
import { CodecError, pack, packedBytes, unpack } from './codec.ts';

/** A command that another manager sent to the leader, and what came of it. */
export interface DoneCommand {
  readonly id: string;
  readonly result: unknown;
}

/**
 * One record of the state log: a transaction, all of it or nothing. The first record of a new epoch is the claim of
 * leadership by `leader`; without changes a record is a claim or a barrier.
 */
export interface LogEntry {
  /** Which log this is; grows when the cluster starts a new one. */
  readonly generation: number;
  /** Grows with each change of leader. */
  readonly epoch: number;
  /** Node that wrote the record. */
  readonly leader: string;
  /** Names the transaction, for whoever must tell two with the same content apart. */
  readonly id: string;
  /** Leader's wall clock, ms; never goes back from one record to the next. */
  readonly at: number;
  /** `hashOf` the record before; '' at the beginning of a lineage. */
  readonly prev: string;
  readonly changes: readonly Change[];
  /** The commands of other managers that this record carries out: should the answer not reach one, its copy tells. */
  readonly done?: readonly DoneCommand[];
}

/** A record that is no log entry; `message` says what is wrong with it. */
export class LogEntryError extends Error {
  override readonly name = 'LogEntryError';
}

/** Throws `CodecError` for values that cannot be encoded. The size is the caller's to check. */
export function encodeEntry(entry: LogEntry): Uint8Array {
  const { generation, epoch, leader, id, at, prev, done } = entry;
  const changes = entry.changes.map(writeChange);
  return pack({ v: recordFormat.version, generation, epoch, leader, id, at, prev, changes, done });
}

/** What a change takes of a record, bytes. */
export const changeBytes = (change: Change): number => packedBytes(writeChange(change));

/**
 * Throws `LogEntryError`, and `Incompatible` for what a newer natswarm wrote. Objects inside the changes are as the writer
 * validated them.
 */
export function decodeEntry(data: Uint8Array): LogEntry {
  const body = asFields(readBody(data), 'record');
  const fields = upgraded(recordFormat, requireCount(body, 'v', 0), body);
  const changes = fields['changes'];
  if (!Array.isArray(changes)) throw new LogEntryError('record without a list of changes');
  const prev = fields['prev'];
  if (typeof prev !== 'string' || !/^(?:[0-9a-f]{64})?$/.test(prev))
    throw new LogEntryError('record without the hash of the one before');
  const done = fields['done'];
  return {
    generation: requireCount(fields, 'generation', 1),
    epoch: requireCount(fields, 'epoch', 0),
    leader: requireName(fields, 'leader'),
    id: requireName(fields, 'id'),
    at: requireTime(fields),
    prev,
    changes: changes.map(readChange),
    ...(done !== undefined && { done: readDone(done) }),
  };
}

/** SHA-256 of a record's bytes, hex: what the next record carries as `prev`. */
export function hashOf(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

type Fields = Readonly<Record<string, unknown>>;

/** The codec leaves `undefined` fields out, but in a patch they mean removal: they go by name. */
function writeChange(change: Change): object {
  if (change.op !== 'patch') return change;
  const remove = Object.entries(change.fields).flatMap(([name, value]) =>
    value === undefined ? [name] : [],
  );
  return remove.length === 0 ? change : { ...change, remove };
}

function readChange(value: unknown): Change {
  const fields = asFields(value, 'change');
  const op = fields['op'];
  const kind = fields['kind'];
  const object = fields['object'];
  if (!isKind(kind)) refuseKind(recordFormat.what, text(kind));
  switch (op) {
    case 'create':
      if (kind !== 'task') throw new LogEntryError(`creation of a ${text(kind)}`);
      requireName(asFields(object, 'object'), 'id');
      return { op, kind, object } as Change;
    case 'put':
      requireName(asFields(object, 'object'), 'id');
      return { op, kind, object } as Change;
    case 'delete':
      return { op, kind, id: requireName(fields, 'id') } as Change;
    case 'patch':
      return { op, kind, id: requireName(fields, 'id'), fields: readPatch(fields) } as Change;
    default:
      throw new Incompatible(
        `the ${recordFormat.what} holds a change that is not known here (${text(op)})`,
      );
  }
}

function readDone(value: unknown): readonly DoneCommand[] {
  if (!Array.isArray(value)) throw new LogEntryError('record with malformed commands');
  return value.map((done: unknown) => {
    const fields = asFields(done, 'command');
    return { id: requireName(fields, 'id'), result: fields['result'] };
  });
}

function readPatch(change: Fields): Fields {
  const patch = { ...asFields(change['fields'], 'patch') };
  const remove = change['remove'] ?? [];
  if (!Array.isArray(remove)) throw new LogEntryError('malformed patch');
  for (const name of remove) patch[String(name)] = undefined;
  return patch;
}

function readBody(data: Uint8Array): unknown {
  try {
    return unpack(data);
  } catch (cause) {
    if (cause instanceof CodecError) throw new LogEntryError('unreadable record', { cause });
    throw cause;
  }
}

function asFields(value: unknown, what: string): Fields {
  if (
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value) ||
    value instanceof Uint8Array
  )
    throw new LogEntryError(`${what} is not an object`);
  return value as Fields;
}

function requireCount(fields: Fields, name: string, min: number): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min)
    throw new LogEntryError(`record with ${name} ${text(value)}`);
  return value;
}

function requireTime(fields: Fields): number {
  const at = fields['at'];
  if (typeof at !== 'number' || !Number.isFinite(at))
    throw new LogEntryError('record without time');
  return at;
}

function requireName(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string' || value === '') throw new LogEntryError(`record without ${name}`);
  return value;
}

/** For messages: never more than a few characters of what a record holds. */
const text = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? `${value}`.slice(0, 20) : typeof value;
