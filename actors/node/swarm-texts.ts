import { isVoter, majorityOf, placedManagers } from '../../domain/members/form.ts';
import type { View } from '../../domain/store/view.ts';

/** What Docker's daemon says about a node's place in a swarm. */
export const text = {
  notManager:
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  worker:
    "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.",
  joinTimeout:
    'Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the "docker info" command to see the current swarm status of your node.',
  preparing:
    'This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster.',
  inSwarm:
    'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.',
  notInSwarm: 'This node is not part of a swarm',
  noContradiction: 'the state of this manager and the log do not contradict each other',
  tooManyChanges:
    'Too many changes of this node’s place in a swarm are waiting. Wait for one to end, and try again.',
  locked:
    'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.',
  lockedLeave:
    'Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.',
  notLocked: 'swarm is not locked',
  malformedKey: 'invalid key string',
  wrongKey: 'swarm could not be unlocked: invalid key provided',
  leavingManager:
    'You are attempting to leave the swarm on a node that is participating as a manager. ',
  leavingHint:
    'The only way to restore a swarm that has lost consensus is to reinitialize it with `--force-new-cluster`. Use `--force` to suppress this message.',
  lastManager:
    'You are attempting to leave the swarm on a node that is participating as a manager. Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message. ',
} as const;

/** Docker's words for what the cluster would lose, as far as this manager knows. */
export function leaveWarning(view: View | undefined): string {
  const voters = view === undefined ? [] : placedManagers(view).filter(isVoter);
  const reachable = voters.filter(({ manager }) => manager.reachability === 'reachable').length;
  if (voters.length <= 1) return text.lastManager;
  const left = reachable - 1;
  const loses = left < majorityOf(voters.length);
  return `${text.leavingManager}${
    loses
      ? `Removing this node leaves ${left} managers out of ${voters.length}. Without a Raft quorum your swarm will be inaccessible. `
      : 'Doing so may lose the consensus of your cluster. '
  }${text.leavingHint}`;
}
