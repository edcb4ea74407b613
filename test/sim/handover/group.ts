import type { LogGroup } from '../../../bus/ports.ts';
import type { LogServer } from '../../../domain/members/plan.ts';
import { pause } from '../../../supervisors/clock.ts';
import { exchange } from './exchange.ts';
import type { HandoverHost } from './host.ts';
import type { HandoverWorld } from './world.ts';

/** As long as a copy takes, and a new server until it knows what the others know, ms. */
const copyMs = 700;
const newMs = 1_000;
/** Until the servers have agreed that one of them is none any more, ms. */
const agreeMs = 200;
/** How long there is for an answer: to a question, and to what is to be done, ms. */
const limitMs = { question: 1_000, change: 5_000 } as const;

const nodeOf = (peer: string): string => peer.split('#')[0] ?? '';

/** Each question and answer may be lost or late on its way; who only reads asks again soon. */
export function logGroup(world: HandoverWorld, host: HandoverHost, generation: number): LogGroup {
  const { question, change } = limitMs;
  const direct = groupOf(world, host, generation);
  return {
    survey: () => exchange(world, 'survey', question, () => direct.survey()),
    isMember: () => exchange(world, 'survey', question, () => direct.isMember()),
    setReplicas: (count) => exchange(world, 'copies', change, () => direct.setReplicas(count)),
    forget: (peer) =>
      exchange(world, 'forget', change, () => direct.forget(peer), { isRequestLate: false }),
    handLead: (to) => exchange(world, 'lead', change, () => direct.handLead(to)),
    answers: (route) =>
      exchange(world, 'answers', question, () => direct.answers(route)).catch(() => false),
  };
}

/** The log's servers as JetStream's API shows them to the manager on `host`. */
function groupOf(world: HandoverWorld, host: HandoverHost, generation: number): LogGroup {
  const members = async () => {
    // as an answer that does not come
    if (!world.hasQuorum(generation) || host.generation !== generation || world.isCutOff(host.id))
      throw new Error('the servers do not answer');
    const group = world.members(generation);
    if (!group.ids.has(host.serverOf(generation)) && !world.isLetIn(host))
      throw new Error('the servers do not know this one');
    return group;
  };
  const isOnline = (id: string): boolean =>
    world.host(id)?.generation === generation && !world.isCutOff(id);
  return {
    survey: async () => {
      const { ids, grownAt, replicas, copies, leader } = await members();
      const copyOn = (peer: string, online: boolean): LogServer['copy'] => {
        const since = copies.get(peer);
        if (since === undefined) return 'none';
        return online && world.clock.now() >= since + copyMs ? 'current' : 'behind';
      };
      const servers = [...ids].map((peer) => {
        const nodeId = nodeOf(peer);
        const isThere = world.host(nodeId)?.serverOf(generation) === peer;
        const online = isThere && isOnline(nodeId);
        return { peer, nodeId, online, copy: copyOn(peer, online) };
      });
      const isNew = world.clock.now() < grownAt + newMs;
      const isMoving = isNew || servers.some(({ online, copy }) => online && copy === 'behind');
      return {
        replicas,
        servers,
        leader: isOnline(leader) ? leader : '',
        ...(isMoving && { unsettledUp: 'a server or a copy is behind' }),
      };
    },
    isMember: async () => (await members()).ids.has(host.serverOf(generation)),
    setReplicas: async (count) => {
      world.setReplicas(await members(), generation, count);
      world.changed();
    },
    forget: async (peer) => {
      await members();
      await pause(world.clock, agreeMs, new AbortController().signal);
      world.forget(generation, peer);
    },
    handLead: async (to) => {
      const group = await members();
      const keepers = [...group.copies.keys()].map(nodeOf).filter(isOnline);
      group.leader = to ?? keepers.find((id) => id !== group.leader) ?? '';
    },
    answers: (route) => {
      const other = world.host(route.split(':')[0] ?? '');
      const isThere = other !== undefined && other.generation > generation;
      return Promise.resolve(isThere && !world.isCutOff(other.id) && !world.isCutOff(host.id));
    },
  };
}
