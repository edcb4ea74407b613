/** Every bound of natswarm, in one place. Names end in their unit. */
const KiB = 1024;
const MiB = 1024 * KiB;
export const limits = {
  /** Largest request body of a swarm route, bytes. Swarm's own raft limit is 1.5 MB a transaction. */
  requestBodyBytesMax: 4 * MiB,
  /** Largest log message (one group commit), bytes; the server's max_payload is a little above. */
  transactionBytesMax: 3 * MiB,
  transactionChangesMax: 5_000,
  /** Largest stored object, bytes (one command's spec). */
  specBytesMax: 1.5 * MiB,
  serverPayloadBytesMax: 4 * MiB,
  /** Commands waiting for the log before further ones are refused. */
  commandsQueuedMax: 20_000,
  /** Replicas of one service. */
  replicasMax: 100_000,
  nameLengthMax: 63,
  /** Swarm-scoped events kept for `since`, as in Docker's daemon. */
  eventsKept: 256,
  /** Engine operations (create, start) that one agent runs at the same time. */
  engineOperationsMax: 8,
  statusReportTasksMax: 1_000,
  statusTextLengthMax: 4_096,
  logTailLinesMax: 1_000_000,
  apiConnectionsMax: 4_096,
} as const;
