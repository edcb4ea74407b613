/**
 * Swarm's task states with swarmkit's numbers (swarm-compat §4.1). The order is the lifecycle: an observed
 * state only ever moves to the right.
 */
export const taskStateRank = {
  new: 0,
  pending: 64,
  assigned: 192,
  accepted: 256,
  preparing: 320,
  ready: 384,
  starting: 448,
  running: 512,
  complete: 576,
  shutdown: 640,
  failed: 704,
  rejected: 768,
  remove: 800,
  orphaned: 832,
} as const;

export type TaskState = keyof typeof taskStateRank;
/** What the manager wants of a task; it too only moves to the right. */
export type DesiredState = 'ready' | 'running' | 'complete' | 'shutdown' | 'remove';

export const taskStates = Object.keys(taskStateRank) as readonly TaskState[];

export const isAdvance = (from: TaskState, to: TaskState): boolean =>
  taskStateRank[to] > taskStateRank[from];

/** Ended: its container does not run and never will again. */
export const isTerminal = (state: TaskState): boolean =>
  taskStateRank[state] > taskStateRank.running;

/** Wanted to run now or soon. */
export const isWanted = (desired: DesiredState): boolean =>
  taskStateRank[desired] <= taskStateRank.running;

/** Before `starting` a failure means that the node would not take the task; from there on the task broke. */
export const failureState = (at: TaskState): 'rejected' | 'failed' =>
  taskStateRank[at] >= taskStateRank.starting ? 'failed' : 'rejected';
