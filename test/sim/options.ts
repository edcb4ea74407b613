import { limits } from '../../domain/limits.ts';
import { Random } from './world/random.ts';

export const faultKinds = [
  'daemonCrash',
  'anyDaemonCrash',
  'daemonStop',
  'clockJump',
  'journalTrouble',
  'containerCrash',
  'engineAway',
  'engineCrash',
  'hostReboot',
  'busDown',
  'busCut',
  'halfOpen',
  'logCut',
  'messageLoss',
] as const;
/** Only where there are several managers. */
export const managerFaultKinds = ['leaderKill', 'leaderStop', 'partition', 'linkCut'] as const;
/**
 * The daemon of a host stands still; its clock too; and that of the leader's host, which comes to,
 * cut off, with what it takes for its lease when nodes look for another server.
 */
export const freezeKinds = ['freeze', 'suspend', 'staleLeader'] as const;
/** The engine takes calls and does not answer for a while; or dies, or hangs, for longer than its node waits for it. */
export const engineKinds = ['engineHang', 'engineLost'] as const;
export type FaultKind =
  | (typeof faultKinds)[number]
  | (typeof managerFaultKinds)[number]
  | (typeof freezeKinds)[number]
  | (typeof engineKinds)[number];
const allKinds: readonly FaultKind[] = [
  ...faultKinds,
  ...managerFaultKinds,
  ...freezeKinds,
  ...engineKinds,
];

export const commandKinds = [
  'create',
  'update',
  'label',
  'scale',
  'force',
  'rollback',
  'remove',
  'drain',
  'stale',
] as const;
export type CommandKind = (typeof commandKinds)[number];

/** What is done to the cluster itself. */
export const operationKinds = [
  'rotateTokens',
  'rotateUnlockKey',
  'lock',
  'rotateRoot',
  'promote',
  'demote',
  'renew',
  'reload',
] as const;
export type OperationKind = (typeof operationKinds)[number];

/** A run in which little happened shows little. */
export interface Goals {
  readonly acknowledged: number;
  readonly faults: number;
}
const goals: Goals = { acknowledged: 500, faults: 10 };

/** Everything that one run does, drawn from its seed alone. Durations in virtual ms. */
export interface SimOptions {
  readonly seed: number;
  readonly nodes: number;
  /** The first of the nodes. */
  readonly managers: number;
  readonly servicesMax: number;
  readonly replicasMax: number;
  /** Least length of the phase with faults, and what has to have happened before it ends. */
  readonly safetyMs: number;
  readonly goals: Goals;
  readonly clients: number;
  /** Mean pause of one client between two commands where no goal sets it; a burst has none. */
  readonly commandEveryMs: number;
  /** How likely a command follows the one before at once. */
  readonly burstRate: number;
  readonly commands: Readonly<Record<CommandKind, number>>;
  readonly operations: Readonly<Record<OperationKind, number>>;
  /** Mean pause between two of them. */
  readonly operationEveryMs: number;
  /** Share of their messages that are lost or late, requests and answers alike. */
  readonly mishapRate: number;
  /** Mean time between two faults. */
  readonly faultEveryMs: number;
  readonly faults: Readonly<Record<FaultKind, number>>;
  readonly busLatencyMs: readonly [min: number, max: number];
  readonly logDelayMs: readonly [min: number, max: number];
  /** Shares of the log's requests that go wrong all through the phase with faults. */
  readonly logTroubleRate: number;
  readonly messageLossRate: number;
  readonly historyLimit: number;
  /** Environment of some services' tasks, bytes; 0 for none. */
  readonly specBytes: number;
  readonly heartbeatPeriodMs: number;
  readonly checkpointEvery: number;
  /** How much the nodes' wall clocks differ at most. */
  readonly clockSkewMs: number;
  /** By how much their monotonic clocks run too fast or too slow at most, as a share. */
  readonly clockDrift: number;
  /** Mean time that an engine's call takes. */
  readonly engineCallMs: number;
  /** How long a node keeps its tasks while its engine is away. */
  readonly engineGraceMs: number;
}

export interface SimBounds {
  /** Where not drawn from the seed. */
  readonly safetyMs?: number;
  /** Only these, and often. */
  readonly faults?: readonly string[];
  readonly managers?: number;
}

/** Draws as many numbers whatever is asked for, so that the rest of the options stays as it is. */
function drawFaults(
  random: Random,
  some: <K extends string>(kinds: readonly K[], sure: readonly K[]) => Record<K, number>,
  { faults: only }: SimBounds,
): Pick<SimOptions, 'faultEveryMs' | 'faults'> {
  const faultEveryMs = random.pick([6_000, 20_000, 40_000]);
  const faults = {
    ...some(faultKinds, []),
    leaderKill: 0,
    leaderStop: 0,
    partition: 0,
    linkCut: 0,
    freeze: 0,
    suspend: 0,
    staleLeader: 0,
    engineHang: 0,
    engineLost: 0,
  };
  if (only === undefined) return { faultEveryMs, faults };
  for (const kind of allKinds) faults[kind] = Number(only.includes(kind));
  return { faultEveryMs: 3_000, faults };
}

/** Operations on the cluster, from randomness of their own. */
function drawOperations(
  seed: number,
  someOf: (
    random: Random,
  ) => <K extends string>(kinds: readonly K[], sure: readonly K[]) => Record<K, number>,
): Pick<SimOptions, 'operations' | 'operationEveryMs' | 'mishapRate'> {
  const random = new Random(seed, 'operations');
  return {
    operations: someOf(random)(operationKinds, []),
    operationEveryMs: random.pick([30_000, 60_000, 120_000]),
    mishapRate: random.pick([0.05, 0.3, 0.6]),
  };
}

/** Managers and what may befall them, from randomness of their own. */
function drawManagers(options: SimOptions, bounds: SimBounds): SimOptions {
  const random = new Random(options.seed, 'managers');
  const drawn = Number(random.weighted({ 1: 8, 2: 1, 3: 6, 4: 1, 5: 1 }));
  const managers = bounds.managers ?? drawn;
  const faults = { ...options.faults };
  for (const kind of managerFaultKinds) {
    const weight = random.chance(0.6) ? random.between(0.5, 2) : 0;
    if (managers > 1 && bounds.faults === undefined) faults[kind] = weight;
  }
  return {
    ...options,
    managers,
    nodes: Math.max(options.nodes, managers),
    faults,
    clockDrift: random.pick([0, 0.001, 0.02]),
  };
}

/** Processes that stand still, from randomness of their own. */
function drawFreezes(options: SimOptions, bounds: SimBounds): SimOptions {
  const random = new Random(options.seed, 'freezes');
  const faults = { ...options.faults };
  for (const kind of freezeKinds) {
    const weight = random.chance(0.4) ? random.between(0.2, 1) : 0;
    if (bounds.faults === undefined) faults[kind] = weight;
  }
  return { ...options, faults };
}

/** Engines that hang or stay away, from randomness of their own. */
function drawEngines(options: SimOptions, bounds: SimBounds): SimOptions {
  const random = new Random(options.seed, 'engines');
  const faults = { ...options.faults };
  for (const kind of engineKinds) {
    const weight = random.chance(0.4) ? random.between(0.2, 1) : 0;
    if (bounds.faults === undefined) faults[kind] = weight;
  }
  return { ...options, faults, engineGraceMs: random.pick([0, 5_000, 20_000, 60_000]) };
}

/**
 * What the clients do, from randomness of its own: as much as the goals ask for and a little more, evenly or in bursts.
 * Tasks take by far the most of the computer's time: one run in ten is about them, the others are about what happens to
 * records, managers and nodes, with a few.
 */
function drawWorkload(
  { seed, goals }: SimOptions,
  some: (random: Random) => Record<CommandKind, number>,
): Pick<
  SimOptions,
  'clients' | 'commandEveryMs' | 'burstRate' | 'commands' | 'servicesMax' | 'replicasMax'
> {
  const random = new Random(seed, 'workload');
  const clients = random.int(1, 4);
  const burstRate = random.pick([0, 0, 0.5, 0.9]);
  const commands = some(random);
  // a run without goals is short: something has to happen in it
  const busy = random.chance(0.1) || goals.acknowledged === 0;
  return {
    clients,
    commandEveryMs: random.pick([400, 1_500, 5_000]),
    burstRate,
    commands: {
      ...commands,
      label: commands.label + random.pick(busy ? [0, 5, 10] : [30, 60, 90]),
    },
    servicesMax: random.int(1, busy ? 5 : 2),
    replicasMax: random.pick(busy ? [2, 3, 3, 8] : [1, 1, 2, 3]),
  };
}

/**
 * One run in forty has specs, histories or loads of nodes near their limits, with few of the others: what the tasks of a node
 * take together is then far over what a message holds. It is every manager's work, so there are few. From randomness of its own.
 */
function drawLimits(options: SimOptions): SimOptions {
  const random = new Random(options.seed, 'near limits');
  const few = { ...options, managers: Math.min(options.managers, 3) };
  switch (random.weighted({ none: 117, specs: 1, histories: 1, loads: 1 })) {
    case 'specs':
      return { ...few, specBytes: limits.specBytesMax - 16 * 1_024, replicasMax: 4 };
    case 'histories':
      return { ...few, specBytes: 100_000, historyLimit: 50, servicesMax: 2 };
    case 'loads':
      return { ...few, specBytes: 4_096, replicasMax: 60, servicesMax: 2 };
    case 'none':
      return options;
  }
}

/**
 * Swarm testing (Groce et al., 2012): each run has only some kinds of faults and commands, so that none hides what
 * another would show.
 */
export function drawOptions(seed: number, bounds: SimBounds = {}): SimOptions {
  const random = new Random(seed, 'options');
  const someOf =
    (random: Random) =>
    <K extends string>(kinds: readonly K[], sure: readonly K[]): Record<K, number> =>
      Object.fromEntries(
        kinds.map((kind) => [
          kind,
          sure.includes(kind) || random.chance(0.6) ? random.between(0.2, 1) : 0,
        ]),
      ) as Record<K, number>;
  const latencyMin = random.pick([0.1, 1, 5]);
  const logMin = random.pick([0.5, 2, 10]);
  const options: SimOptions = {
    seed,
    nodes: random.int(1, 5),
    managers: 1,
    servicesMax: 0,
    replicasMax: 0,
    safetyMs: bounds.safetyMs ?? Math.round(random.between(8.7, 9) * 60_000),
    goals: bounds.safetyMs === undefined ? goals : { acknowledged: 0, faults: 0 },
    clients: 0,
    commandEveryMs: 0,
    burstRate: 0,
    commands: {} as SimOptions['commands'],
    ...drawOperations(seed, someOf),
    ...drawFaults(random, someOf(random), bounds),
    busLatencyMs: [latencyMin, latencyMin * random.pick([1, 3, 20])],
    logDelayMs: [logMin, logMin * random.pick([1, 3, 20])],
    logTroubleRate: random.pick([0, 0, 0.01, 0.05]),
    messageLossRate: random.pick([0, 0, 0.001, 0.02]),
    historyLimit: random.pick([0, 1, 2, 5, 5]),
    specBytes: 0,
    heartbeatPeriodMs: random.pick([2_000, 5_000, 10_000, 10_000]),
    checkpointEvery: random.pick([20, 200, 1_000]),
    clockSkewMs: random.pick([0, 0, 500, 20_000]),
    clockDrift: 0,
    engineCallMs: random.pick([2, 20, 200]),
    engineGraceMs: 0,
  };
  const workload = drawWorkload(options, (own) => someOf(own)(commandKinds, ['create', 'update']));
  const cluster = drawFreezes(drawManagers({ ...options, ...workload }, bounds), bounds);
  return drawLimits(drawEngines(cluster, bounds));
}
