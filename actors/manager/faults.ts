import { daemonFault, Fault, noLeaderText } from '../../domain/errors.ts';

/** Nobody leads; whatever was asked for was certainly not done. */
export const noLeader = (): Fault => daemonFault('Unknown', noLeaderText);
export const isNoLeader = (error: unknown): boolean =>
  error instanceof Fault && error.message === noLeaderText;

/** What this manager knows and the log do not fit together, so it answers nothing. */
export const inDoubt = (why: string): Fault =>
  daemonFault('Unavailable', `This manager's state and the log contradict each other: ${why}.`);

const lostLeadershipText = 'raft: failed to process the request: node lost leader status';
/** The leader lost its place with the command on its way: it may have happened or not. Swarm's text. */
export const lostLeadership = (): Fault => new Fault('Unknown', lostLeadershipText);
export const isLostLeadership = (error: unknown): boolean =>
  error instanceof Fault && error.message === lostLeadershipText;

/** No answer came from the leader in time: it may have happened or not. Swarm's text. */
export const noAnswer = (): Fault => new Fault('DeadlineExceeded', 'context deadline exceeded');

/** What was asked for does not fit into a message or record; nothing was done. Swarm's text. */
export const tooLarge = (): Fault =>
  new Fault('Unknown', "raft: raft message is too large and can't be sent");
