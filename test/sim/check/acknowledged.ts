import type { Applied } from '../../../domain/store/changes.ts';
import type { Audit, Seen } from './audit.ts';
import { Violation } from './violation.ts';

/** What a client asked for: enough to find it in the log. `op` is its number, kept as a label of the object. */
export interface Asked {
  readonly op: number;
  readonly kind: 'service' | 'node' | 'cluster';
  readonly what: 'write' | 'rollback' | 'remove';
  /** '' for an object that is to be made. */
  readonly id: string;
}
export type Outcome =
  | { readonly kind: 'acknowledged'; readonly index: number; readonly result: unknown }
  | { readonly kind: 'refused'; readonly message: string }
  /** The answer never came: it may have happened or not. */
  | { readonly kind: 'unknown'; readonly message: string };

export const opLabel = 'op';

/** What was acknowledged is in the log where the answer says, and what was refused is nowhere. */
export class AcknowledgedCheck {
  readonly #refused = new Map<number, string>();
  /** Services whose removal was asked for and not refused. */
  readonly #removals = new Set<string>();
  /** Highest index that anybody was answered with. */
  newest = 0;
  acknowledged = 0;
  unknown = 0;
  refused = 0;

  /** Before a command is sent. */
  ask(asked: Asked): void {
    if (asked.what === 'remove') this.#removals.add(asked.id);
  }

  answer(asked: Asked, outcome: Outcome, audit: Audit): void {
    audit.poll();
    switch (outcome.kind) {
      case 'unknown':
        this.unknown++;
        return;
      case 'refused':
        this.refused++;
        this.#refused.set(asked.op, outcome.message);
        return;
      case 'acknowledged':
        this.acknowledged++;
        this.newest = Math.max(this.newest, outcome.index);
        this.#find(asked, outcome.index, audit);
    }
  }

  #find(asked: Asked, index: number, audit: Audit): void {
    const changes = audit.record(index)?.applied ?? [];
    if (changes.some((change) => isDone(asked, change))) return;
    throw new Violation(
      'acknowledged',
      `command ${asked.op} (${asked.what} ${asked.kind} ${asked.id}) was acknowledged at ${index} and is not there`,
    );
  }

  /** Every change of what clients own is one that a client asked for. */
  readonly record = ({ seq, applied }: Seen): void => {
    for (const { kind, id, before, after } of applied) {
      if (kind === 'service' && before !== undefined && after === undefined) {
        if (!this.#removals.has(id))
          throw new Violation('explained', `record ${seq}: nobody removed service ${id}`);
      }
      if (kind === 'task' || after === undefined) continue;
      const op = after.spec.Labels[opLabel];
      const refusal = op === undefined ? undefined : this.#refused.get(Number(op));
      if (refusal !== undefined && before?.spec !== after.spec)
        throw new Violation('explained', `record ${seq}: command ${op} was refused: ${refusal}`);
    }
  };
}

function isDone({ op, kind, what, id }: Asked, change: Applied): boolean {
  if (change.kind !== kind || (id !== '' && change.id !== id)) return false;
  if (what === 'remove') return change.after === undefined;
  return what === 'rollback'
    ? change.before?.meta.version !== change.after?.meta.version
    : change.after?.spec.Labels[opLabel] === String(op);
}
