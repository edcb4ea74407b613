/**
 * Every subject of the bus is built and parsed here; the bus is public API, version 1.
 *
 * | subject | kind | who sends | meaning |
 * |---|---|---|---|
 * | `natswarm.v1.command.<noun>.<verb>` | request | managers, clients | a command to the leader |
 * | `natswarm.v1.leader` | message | the leader | "I lead" with generation and epoch; agents say hello again |
 * | `natswarm.v1.agent.<node>.hello` | request | that node | description, engine, running tasks |
 * | `natswarm.v1.agent.<node>.status` | request | that node | task statuses; answered after commit |
 * | `natswarm.v1.agent.<node>.beat` | message | that node | heartbeat |
 * | `natswarm.v1.agent.<node>.leave` | message | that node | it leaves the swarm: its tasks are run elsewhere now |
 * | `natswarm.v1.node.<node>.assign` | message | the leader | assignments: the full set, then numbered increments |
 * | `natswarm.v1.node.<node>.membership` | message | the leader | roots to trust, managers, whether to renew the certificate |
 * | `natswarm.v1.node.<node>.logs` | request | managers | asks the node's agent for the log of one of its tasks |
 * | `natswarm.v1.node.<node>.tree` | request | managers | asks the node's agent which actors run there |
 * | `natswarm.v1.manager.<node>.beat` | request | the leader | "I lead"; the answer grants its lease |
 * | `natswarm.v1.manager.<node>.canvass` | request | a manager that would lead | "do you hear a leader?" |
 * | `natswarm.v1.manager.<node>.abdicate` | message | a leader that stops | others need not wait for its silence |
 * | `natswarm.v1.manager.<node>.excuse` | message | a manager | its server closes nodes' connections on purpose |
 * | `natswarm.v1.manager.<node>.command` | request | managers | a command, to the manager that is thought to lead |
 * | `natswarm.v1.manager.<node>.index` | request | managers | how far the state is, asked of the leader |
 *
 * Only managers may publish below `natswarm.v1.manager`: no certificate of a worker reaches there.
 */
const root = 'natswarm.v1';
const agentVerbs = ['hello', 'status', 'beat', 'leave'] as const;
const nodeVerbs = ['assign', 'logs', 'membership', 'tree'] as const;
export const subjects = {
  command: (name: string): string => `${root}.command.${name}`,
  commands: `${root}.command.>`,
  commandName: (subject: string): string => subject.slice(`${root}.command.`.length),
  leader: `${root}.leader`,
  agent: (node: string, verb: AgentVerb): string => `${root}.agent.${node}.${verb}`,
  agents: (verb: AgentVerb): string => `${root}.agent.*.${verb}`,
  /** The node that a message on an agent's subject comes from. */
  agentOf: (subject: string): string => subject.split('.')[3] ?? '',
  node: (node: string, verb: NodeVerb): string => `${root}.node.${node}.${verb}`,
  manager: (node: string, verb: ManagerVerb): string => `${root}.manager.${node}.${verb}`,
  /** Everything that a node's agent may publish, and everything it may subscribe to beside its inbox. */
  agentPublishes: (node: string): readonly string[] =>
    agentVerbs.map((verb) => subjects.agent(node, verb)),
  nodeSubscribes: (node: string): readonly string[] => [
    ...nodeVerbs.map((verb) => subjects.node(node, verb)),
    subjects.leader,
  ],
  /** All of natswarm's subjects. */
  everything: 'natswarm.>',
  inboxPrefix: (node: string): string => `_INBOX_${node}`,
  /**
   * Whether an answer to a message on `subject` may go to `reply`. The server does not check whether the sender of a
   * request may write to the subject that he wants its answer at, and who answers may write nearly everywhere. So
   * answers go to inboxes only, and what an agent asks is answered to its own node.
   */
  mayAnswer: (subject: string, reply: string): boolean =>
    subject.startsWith(`${root}.agent.`)
      ? reply.startsWith(`${subjects.inboxPrefix(subjects.agentOf(subject))}.`)
      : reply.startsWith('_INBOX_'),
} as const;
export type AgentVerb = (typeof agentVerbs)[number];
export type NodeVerb = (typeof nodeVerbs)[number];
export type ManagerVerb = 'beat' | 'canvass' | 'abdicate' | 'excuse' | 'command' | 'index';
