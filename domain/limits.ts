/** Every bound of natswarm, in one place. Names end in their unit. */
const KiB = 1024;
const MiB = 1024 * KiB;
export const limits = {
  /** Largest request body of a swarm route, bytes. Swarm's own raft limit is 1.5 MB a transaction. */
  requestBodyBytesMax: 4 * MiB,
  /** Bodies of all requests that are on their way in together, bytes: two of the largest. */
  requestBodiesBytesMax: 8 * MiB,
  /** Of such bodies what is behind the first bytes of each, of all together: bytes at once and a second. */
  requestBodySmallBytes: 64 * KiB,
  largeBodiesBurstBytes: 16 * MiB,
  largeBodiesBytesPerS: 4 * MiB,
  /** What is read only to be thrown away, because its request was refused: bytes at once and a second, of all together. */
  discardBurstBytes: 16 * MiB,
  discardBytesPerS: 4 * MiB,
  /** A list that is longer is sent in chunks of about this length, characters. */
  listChunkLength: 256 * KiB,
  /** How long such a body may take to arrive, ms. */
  requestBodyMs: 30_000,
  /** Head of a request; `docker build` sends all registry credentials in one header. */
  requestHeaderBytesMax: MiB,
  /** Bytes that a connection is read by where nothing is looked at. */
  pumpBufferBytes: 64 * KiB,
  /** Bytes that one direction of a passed connection holds while the other side is behind, and read at a time. */
  streamBufferBytes: 256 * KiB,
  /** Answers of the engine that the front itself reads (/info, past events), bytes. */
  engineAnswerBytesMax: 16 * MiB,
  /** How long the engine may take to answer a ping before its last known answer is given, ms. */
  enginePingMs: 1_000,
  /**
   * Largest log message (one group commit), bytes: an update writes the spec of before as well, so two of the largest fit.
   * The server's max_payload is a little above.
   */
  transactionBytesMax: 3.5 * MiB,
  transactionChangesMax: 5_000,
  /** Largest stored object, bytes (one command's spec). */
  specBytesMax: 1.5 * MiB,
  serverPayloadBytesMax: 4 * MiB,
  /** Changes of one plan that go into one transaction; the rest follows in the next. */
  planChangesMax: 1_000,
  /** Ended tasks kept of one slot, whatever the history's retention limit and `MaxAttempts` say. */
  taskHistoryPerSlotMax: 1_000,
  /** A slot gets a new task at most this often because the last one ended, even with a restart delay of 0. */
  restartIntervalMsMin: 1_000,
  /** How long a replacement waits for the task that it replaces to stop. */
  taskStopWaitMs: 60_000,
  /** Failures of one service on one node that the scheduler remembers, and of how many services. */
  nodeFailuresKept: 100,
  nodeFailingServicesKept: 1_000,
  /** What a scheduler goes on without and has not told of yet. */
  schedulingFailuresKept: 100,
  /** Records asked of the log in one read. */
  logReadRecordsMax: 500,
  /** Records applied between two checkpoints of a manager's journal; with fewer, bytes of them, or as many as the last checkpoint has. */
  checkpointEveryRecords: 10_000,
  checkpointEveryBytes: 64 * MiB,
  /** Records that stay in the log behind a checkpoint, and bytes of them: who changed what, when. */
  logTailRecordsKept: 1_000,
  logTailBytesKept: 32 * MiB,
  /** Commands waiting for the log before further ones are refused. */
  commandsQueuedMax: 20_000,
  /** Free on the disk of a manager's state, bytes: with less, reports of nodes wait; and commands that add to it are refused. */
  diskFreeForReportsBytes: 512 * MiB,
  diskFreeForCommandsBytes: 256 * MiB,
  /** Changes of a node's place in a swarm that wait for their turn: of clients, and as many of the node itself. */
  membershipChangesWaitingMax: 64,
  /** Managers that one remembers something of. */
  managersKnownMax: 1_000,
  /** States of a manager that were set aside and are kept; with more, none is set aside before somebody removes some. */
  statesAsideMax: 8,
  /** Replicas of one service. */
  replicasMax: 100_000,
  nameLengthMax: 63,
  /** Templates of one container spec together, characters. */
  templateTextMax: 128 * KiB,
  /** Steps of the evaluation of these templates together; 64 characters of output count as one more. */
  templateStepsMax: 100_000,
  /** Width and precision in a template's `printf`, characters; Go's own bound. */
  templatePaddingMax: 1_000_000,
  /** One text field of a command (registry credentials are the longest), characters. */
  commandTextLengthMax: 64 * KiB,
  /** Swarm-scoped events kept for `since`, as in Docker's daemon. */
  eventsKept: 256,
  /** Swarm-scoped events that wait for one slow client of /events; beyond, it is disconnected. */
  eventsQueuedMax: 4_096,
  /** Engine operations (create, start) that one agent runs at the same time. */
  engineOperationsMax: 16,
  /** The longest time that a node keeps its tasks while its engine is away. */
  engineGraceMsMax: 24 * 3_600_000,
  /** Connections to the engine for short calls, and for those that last: streams, stops, pulls. */
  engineConnectionsMax: 32,
  engineStreamsMax: 1_024,
  /** Containers whose last event is remembered; for others the agent asks the engine again. */
  engineEventsKept: 4_096,
  /** Longest log frame or line held in memory before it is handed on, bytes. */
  logFrameBytesMax: 2 * MiB,
  /** Lines asked of a log in one question, bytes, and at least so many; a line that is longer comes alone. */
  logAnswerBytesMax: 256 * KiB,
  logAnswerBytesMin: 8 * KiB,
  /** Lines that are under way to all clients of the API together, bytes. */
  logReaderBytesMax: 16 * MiB,
  /** How long an answer about a log waits for a line, ms. */
  logHoldMsMax: 20_000,
  /** Logs that one node reads for managers at the same time. */
  logFeedsMax: 4_096,
  /** Actors that one node tells another of, and that all nodes of a cluster tell of together; of the rest only the number. */
  treeRowsMax: 1_000,
  treeRowsOfClusterMax: 20_000,
  /** Nodes that are asked for their actors at the same time. */
  treesAskedMax: 32,
  treeTextLengthMax: 256,
  /** Pull attempts whose outcome is remembered, and for how long. */
  pullsRememberedMax: 1_000,
  pullRememberedMs: 30_000,
  /** How long a registry may stay silent before an image that is here already is used as it is. */
  pullAnswerMs: 5_000,
  /** A registry's failure that came sooner than this has kept nobody waiting. */
  pullQuickMs: 1_000,
  /** Registries that did not answer and are remembered. */
  registriesRememberedMax: 100,
  /**
   * About how much one message of assignments takes, bytes; a single task with its spec may take more. Small, so that a
   * slow network brings a part in good time, and one part for each of many nodes fits into memory.
   */
  assignPartBytesMax: 512 * KiB,
  /** What one node may send to the leader, a second and at once; a hello counts as many messages. */
  nodeMessagesPerS: 1_000,
  nodeMessagesBurst: 4_000,
  nodeBytesPerS: 2 * MiB,
  nodeBytesBurst: 16 * MiB,
  nodeHelloMessages: 50,
  /** How long a node that sends more has no way to the bus, ms. */
  nodeBarredMs: 60_000,
  /** Heartbeats of all nodes that a leader hears in a second; with more nodes, each sends them less often. */
  heartbeatsPerSMax: 400,
  /** Sessions that begin anew in a second because their nodes are to send heartbeats at another pace. */
  sessionRenewalsPerS: 50,
  /** Several heartbeats of one node within this time count as one, ms. Short: a heartbeat also asks for the next assignment. */
  heartbeatEveryMsMin: 5,
  /** Bodies of what a node sends to the leader: hello and status; heartbeat and leave. */
  agentBodyBytesMax: MiB,
  agentNoteBytesMax: 32 * KiB,
  /** A node's description as JSON, a name in it (characters), and its lists: plugins, generic resources. */
  descriptionLengthMax: 64 * KiB,
  descriptionNameMax: 256,
  descriptionListMax: 256,
  /** Changes of a node's description: bytes at once and then in a second (a full one a minute), and what one costs at least. */
  descriptionChangeBytesBurst: MiB,
  descriptionChangeBytesPerS: KiB,
  descriptionChangeBytesMin: 2 * KiB,
  /** ID of a session, drawn by an agent. */
  sessionIdLengthMax: 64,
  /** Published ports of one task's status. */
  statusPortsMax: 128,
  /** How far a node's clock may be ahead of its manager's in what it reports. */
  reportAheadMsMax: 600_000,
  /** Specs that a node says it has in its hello. */
  helloTemplatesMax: 1_000,
  statusReportTasksMax: 1_000,
  /** About how much one status report takes, bytes; a single status may take more. */
  statusReportBytesMax: 512 * KiB,
  /** Tries to remove a container before the next full set of assignments has to find it again. */
  containerRemoveTriesMax: 5,
  statusTextLengthMax: 4_096,
  logTailLinesMax: 1_000_000,
  /** Tasks whose logs one request reads at the same time, without and with `follow`. */
  logTasksAtOnceMax: 32,
  logTasksFollowedMax: 2_048,
  /** With as many tasks read for all clients together, no further request for logs is taken; those that are go on. */
  logTasksReadMax: 2_048,
  apiConnectionsMax: 4_096,
  /** Requests of one connection that have come and are not answered; no client of Docker sends a second one ahead. */
  pipelinedRequestsMax: 64,
  /** Streams of events and logs that are open at the same time. */
  apiStreamsMax: 128,
  /** What clients of the API have not read of their answers, all together, bytes: as much as 64 connections buffer. */
  apiUnreadBytesMax: 16 * MiB,
  /**
   * Connections that wait to be accepted; the kernel's `somaxconn` may be lower. With Node's 511, somebody who opens a thousand
   * at once has all others at a Unix socket refused meanwhile.
   */
  listenBacklog: 4_096,
  /** Labels that a node brings along when it joins; names and values together, characters. */
  joinLabelsMax: 256,
  joinLabelsTextMax: 16 * KiB,
  /**
   * New nodes that one manager lets in a second, unless a label of the cluster says otherwise; those of so many ms at once;
   * and how long the next ones wait, ms. 250 at once, and 500 more within 20 s, is what automation needs that makes a large
   * cluster; ten seconds at full speed would be thousands.
   */
  joinsPerS: 25,
  joinBurstMs: 10_000,
  joinWaitMsMax: 20_000,
  /** Roots that a node trusts together, PEM, characters; and managers of one cluster. */
  rootsTextMax: 48 * KiB,
  managersMax: 64,
  /** A request to the join listener, and an answer of it, bytes. */
  joinBodyBytesMax: 64 * KiB,
  /** The whole state, given to a new manager, bytes. */
  checkpointBytesMax: 2_048 * MiB - 1,
  /** Connections of strangers to the join listener at a time. */
  joinConnectionsMax: 1_024,
  /** Connections of one manager's bus: nodes of the largest cluster on one manager, and clients. */
  busConnectionsMax: 16_384,
  /** Of these, such as have not shown a certificate yet; and how many of them an address may have, whoever has more. */
  busStrangersMax: 1_024,
  busStrangersPerAddressMin: 16,
  /** Connections of one worker to the bus of one manager; its agent has one. */
  busConnectionsPerNodeMax: 8,
  /** Subscriptions of one connection to the bus; a manager has some 20, an agent 5. */
  busSubscriptionsMax: 256,
  /** Bytes asked of the log in one read; one record more may come. */
  logReadBytesMax: 8 * MiB,
  /** Records appended to a journal that wait for the disk, bytes; beyond, the journal refuses. */
  journalBufferBytesMax: 64 * MiB,
  /** A journal's file is closed and the next begun above this, bytes. */
  journalSegmentBytesMax: 64 * MiB,
  /** Nodes told at the same time to get a certificate of the new root, and how often some are told, ms. */
  rotationBatchNodesMax: 30,
  rotationRoundMs: 3_000,
  /** How long the root of a rotation that was given up is trusted at least, ms; and how many of them there may be. */
  formerRootKeptMs: 3_600_000,
  formerRootsMax: 8,
  /** Keys of one manager's server that others know; and how long one that is in use no more is among them, ms. */
  pinnedKeysMax: 16,
  formerKeyKeptMs: 3_600_000,
  /** Keys of one node that it was given certificates for; how long one that it uses no more is among them; and one, characters. */
  issuedKeysMax: 64,
  issuedKeyKeptMs: 120_000,
  issuedKeyTextMax: 2_048,
  /** One exchange with an external CA: its answer, bytes, and how long it may take, ms. */
  externalCaAnswerBytesMax: 256 * KiB,
  externalCaMs: 5_000,
  /** External CAs of one cluster. */
  externalCasMax: 32,
} as const;
