import type { LogGroup } from '../../../bus/ports.ts';
import type { PassageHost } from './host.ts';
import type { PassageWorld } from './world.ts';

/** The log's servers as JetStream's API shows them to the manager on `host`. */
export function logGroup(world: PassageWorld, host: PassageHost, generation: number): LogGroup {
  const members = async () => {
    // as an answer that does not come
    if (!world.hasQuorum(generation) || host.generation !== generation)
      throw new Error('the servers do not answer');
    return world.members(generation);
  };
  const isOnline = (id: string): boolean => world.host(id)?.generation === generation;
  return {
    survey: async () => {
      const { ids, copies, leader } = await members();
      const servers = [...ids].map((peer) => {
        const [nodeId = ''] = peer.split('#');
        const isThere = world.host(nodeId)?.serverOf(generation) === peer;
        return { peer, nodeId, online: isThere && isOnline(nodeId) };
      });
      return { replicas: copies, servers, leader: isOnline(leader) ? leader : '' };
    },
    setReplicas: async (count) => {
      (await members()).copies = count;
    },
    forget: async (peer) => {
      (await members()).ids.delete(peer);
      world.changed();
    },
    handLead: async (to) => {
      const group = await members();
      const ids = [...group.ids].map((peer) => peer.split('#')[0] ?? '');
      group.leader = to ?? ids.find((id) => id !== group.leader && isOnline(id)) ?? '';
    },
    answers: (route) => {
      const other = world.host(route.split(':')[0] ?? '');
      return Promise.resolve(other !== undefined && other.generation > generation);
    },
  };
}
