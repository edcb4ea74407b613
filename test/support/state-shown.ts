// What a swarm's state shows to its clients that another version must show, too: all but what changes by itself.

import type { Daemon } from './daemon.ts';

interface Shown {
  readonly ID: string;
  readonly CreatedAt: string;
  readonly Spec: { readonly Name?: string };
  readonly PreviousSpec?: unknown;
  readonly UpdateStatus?: { readonly State: string };
  readonly Description?: { readonly Hostname: string };
}

const byId = (one: { readonly ID: string }, other: { readonly ID: string }): number =>
  one.ID < other.ID ? -1 : 1;

/** @param leftOut node that only one of two states has: the manager of a restored one is another node */
export async function stateShown(manager: Daemon, leftOut = ''): Promise<object> {
  const get = async <T>(path: string): Promise<T> => {
    const { status, body, text } = await manager.api('GET', path);
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`);
    return body as T;
  };
  const swarm = await get<{ ID: string; Spec: object; JoinTokens: object }>('/swarm');
  const nodes = await get<readonly Shown[]>('/nodes');
  const services = await get<readonly Shown[]>('/services');
  return {
    cluster: { ID: swarm.ID, Spec: swarm.Spec, JoinTokens: swarm.JoinTokens },
    nodes: nodes
      .filter(({ ID }) => ID !== leftOut)
      .map(({ ID, CreatedAt, Spec, Description }) => ({
        ID,
        CreatedAt,
        Spec,
        hostname: Description?.Hostname,
      }))
      .toSorted(byId),
    services: services
      .map(({ ID, CreatedAt, Spec, PreviousSpec, UpdateStatus }) => ({
        ID,
        CreatedAt,
        Spec,
        PreviousSpec,
        update: UpdateStatus?.State,
      }))
      .toSorted(byId),
  };
}
