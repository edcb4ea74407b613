import type { View } from '../../domain/store/view.ts';
import type { LocalState } from '../ports.ts';
import { clusterView, type ReadTlsInfo } from './cluster.ts';

const twoManagersWarning = `WARNING: Running Swarm in a two-manager configuration. This configuration provides
         no fault tolerance, and poses a high risk to lose control over the cluster.
         Refer to https://docs.docker.com/engine/swarm/admin_guide/ to configure the
         Swarm for fault-tolerance.`;

/** Value of the `Swarm` header (swarm-compat §1.1). */
export function swarmHeader({ state, manager }: LocalState): string {
  if (state !== 'active') return state;
  return manager ? 'active/manager' : 'active/worker';
}

/**
 * `.Swarm` of /info (swarm-compat §2.10). `view` is the state, or why it cannot be had; it counts on active managers
 * only.
 */
export function swarmInfo(
  local: LocalState,
  view: View | { readonly error: string } | undefined,
  readTlsInfo: ReadTlsInfo,
) {
  const failed = view !== undefined && 'error' in view;
  const info = {
    NodeID: local.nodeId,
    NodeAddr: local.nodeAddr,
    LocalNodeState: local.state,
    ControlAvailable: local.manager,
    Error: local.error === '' && failed ? view.error : local.error,
    RemoteManagers:
      local.remoteManagers.length === 0
        ? null
        : local.remoteManagers.map(({ nodeId, addr }) => ({ NodeID: nodeId, Addr: addr })),
  };
  if (view === undefined || failed) return info;
  return { ...info, ...clusterPart(view, readTlsInfo) };
}

function clusterPart(view: View, readTlsInfo: ReadTlsInfo) {
  const cluster = view.cluster();
  let managers = 0;
  for (const node of view.list('node')) if (node.manager !== undefined) managers += 1;
  const nodes = view.count('node');
  return {
    ...(nodes === 0 ? {} : { Nodes: nodes }),
    ...(managers === 0 ? {} : { Managers: managers }),
    ...(cluster === undefined ? {} : { Cluster: clusterView(cluster, readTlsInfo) }),
    ...(managers === 2 ? { Warnings: [twoManagersWarning] } : {}),
  };
}

/** The engine's /info with natswarm's swarm in place of its own. */
export function mergeInfo(engine: unknown, swarm: ReturnType<typeof swarmInfo>): object {
  const info = engine as Readonly<Record<string, unknown>>;
  if (!('Warnings' in swarm)) return { ...info, Swarm: swarm };
  const before: unknown = info['Warnings'];
  const warnings: unknown[] = [...(Array.isArray(before) ? before : []), twoManagersWarning];
  return { ...info, Swarm: swarm, Warnings: warnings };
}
