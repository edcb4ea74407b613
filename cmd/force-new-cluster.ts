import { Replica } from '../actors/manager/replica.ts';
import { daemonFault } from '../domain/errors.ts';
import type { ManagerTold } from '../domain/model/objects.ts';
import { clusterSpecForInit } from '../domain/spec/cluster.ts';
import type { Change } from '../domain/store/changes.ts';
import type { View } from '../domain/store/view.ts';
import { beginGeneration, journalOf, statesAside } from './generation.ts';
import type { Identity } from '../actors/node/identity.ts';
import type { NodeFiles } from './node-files.ts';
import { StartFiles } from './start-files.ts';

/**
 * What a generation begun by force leaves free: the other managers may have gone on without this one, with generations
 * and version numbers of which it does not know.
 */
const gap = { generations: 1_000, records: 1_000_000 } as const;

/**
 * Begins a generation of this manager alone, from what its journal knows, and answers what this node is in it. The old one
 * stays as it is. Throws a Fault when this manager has no state.
 */
export async function forceGeneration(files: NodeFiles, identity: Identity): Promise<Identity> {
  const replica = await knownState(files, identity);
  if (replica === undefined)
    throw daemonFault(
      'FailedPrecondition',
      'this manager has no copy of the state of its swarm yet; force a new cluster on another one',
    );
  const known = replica.snapshot();
  const checkpoint = { ...known, seq: known.seq + gap.records };
  const generation = identity.generation + gap.generations;
  await beginGeneration(files, generation, checkpoint);
  await new StartFiles(files).setHold(undefined);
  const { joining: _, ...rest } = identity;
  return { ...rest, generation, form: 'alone', founding: { after: checkpoint.seq } };
}

/** What this manager knows: of the present state, or of the last that was set aside. Undefined for nothing. */
async function knownState(files: NodeFiles, identity: Identity): Promise<Replica | undefined> {
  const { generation, nodeId } = identity;
  const aside = statesAside(files).toReversed();
  for (const dir of [undefined, ...aside]) {
    if (dir !== undefined && !dir.startsWith(`${generation}-`)) continue;
    const journal = journalOf(files, generation, dir);
    const replica = await Replica.open(journal);
    await journal.close();
    if (replica.store.node(nodeId)?.role === 'manager') return replica;
  }
  return undefined;
}

/** What `swarm init --force-new-cluster` says of the cluster and of this node, over what there is. */
export function forcedChanges(
  view: View,
  nodeId: string,
  place: ManagerTold,
  given: unknown,
): readonly Change[] {
  const cluster = view.cluster();
  const status = view.node(nodeId)?.status;
  if (cluster === undefined || status === undefined) return [];
  const spec = clusterSpecForInit(given, cluster.spec);
  const addr = place.addr.slice(0, place.addr.lastIndexOf(':')).replaceAll(/[[\]]/g, '');
  return [
    {
      op: 'patch',
      kind: 'cluster',
      id: cluster.id,
      // locking is not begun nor ended by the way
      fields: { spec: { ...spec, EncryptionConfig: cluster.spec.EncryptionConfig } },
    },
    {
      op: 'patch',
      kind: 'node',
      id: nodeId,
      fields: {
        status: { ...status, addr },
        manager: { ...place, reachability: 'reachable' },
      },
    },
  ];
}
