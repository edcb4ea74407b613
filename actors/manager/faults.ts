import { daemonFault, Fault, noLeaderText } from '../../domain/errors.ts';

/** Nobody leads; whatever was asked for was certainly not done. */
export const noLeader = (): Fault => new Fault('Unknown', noLeaderText, 'daemon', 'no-leader');
export const isNoLeader = (error: unknown): boolean =>
  error instanceof Fault && error.reason === 'no-leader';

/** What this manager knows and the log do not fit together, so it answers nothing. */
export const inDoubt = (why: string): Fault =>
  daemonFault('Unavailable', `This manager's state and the log contradict each other: ${why}.`);

/** The leader lost its place with the command on its way: it may have happened or not. Swarm's text. */
export const lostLeadership = (): Fault =>
  new Fault(
    'Unknown',
    'raft: failed to process the request: node lost leader status',
    'manager',
    'lost-leadership',
  );
export const isLostLeadership = (error: unknown): boolean =>
  error instanceof Fault && error.reason === 'lost-leadership';

/** No answer came from the leader in time: it may have happened or not. Swarm's text. */
export const noAnswer = (): Fault => new Fault('DeadlineExceeded', 'context deadline exceeded');

/** What was asked for does not fit into a message or record; nothing was done. Swarm's text. */
export const tooLarge = (): Fault =>
  new Fault('Unknown', "raft: raft message is too large and can't be sent");
