import { fromCallback } from 'xstate';
import type { Bus } from '../../bus/ports.ts';
import { subjects } from '../../bus/subjects.ts';
import { type TreeAnswer, treeAskFrom, type TreeRow } from '../../bus/tree-bodies.ts';
import { printableLine } from '../../domain/printable.ts';
import type { Clock } from '../../supervisors/clock.ts';
import type { ChildActor, Registry, TreeLine } from '../../supervisors/registry.ts';

/** The actors of this node. Where there are more than `rowsMax`, those that have failed come before the others. */
export function treeOf(registry: Registry, now: number, rowsMax = Infinity): TreeAnswer {
  const lines = registry.tree();
  if (lines.length <= rowsMax) return { rows: lines.map((line) => rowOf(line, now)), left: 0 };
  const kept = lines.toSorted((a, b) => b.restarts - a.restarts).slice(0, rowsMax);
  const rows = kept
    .toSorted((a, b) => (a.address < b.address ? -1 : 1))
    .map((line) => rowOf(line, now));
  return { rows, left: lines.length - rows.length };
}

const rowOf = ({ since, lastError, ...line }: TreeLine, now: number): TreeRow => ({
  ...line,
  forMs: Math.max(0, Math.round(now - since)),
  lastError: printableLine(lastError),
});

/** The agent's part `tree`: tells managers what runs on this node. */
export const treeDeskLogic = fromCallback<Parameters<ChildActor['send']>[0], TreeDeskInput>(
  ({ input: { bus, nodeId, registry, clock } }) =>
    bus.subscribe(subjects.node(nodeId, 'tree'), ({ body, reply }) => {
      const rowsMax = treeAskFrom(body);
      if (rowsMax !== undefined) reply?.(treeOf(registry, clock.now(), rowsMax));
    }),
);
interface TreeDeskInput {
  readonly bus: Bus;
  readonly nodeId: string;
  readonly registry: Registry;
  readonly clock: Clock;
}
