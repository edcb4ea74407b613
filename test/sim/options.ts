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
export type FaultKind = (typeof faultKinds)[number] | (typeof managerFaultKinds)[number];

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

/** Everything that one run does, drawn from its seed alone. Durations in virtual ms. */
export interface SimOptions {
  readonly seed: number;
  readonly nodes: number;
  /** The first of the nodes. */
  readonly managers: number;
  readonly servicesMax: number;
  readonly replicasMax: number;
  /** Length of the phase with faults. */
  readonly safetyMs: number;
  readonly clients: number;
  /** Mean pause of one client between two commands. */
  readonly commandEveryMs: number;
  readonly commands: Readonly<Record<CommandKind, number>>;
  /** Mean time between two faults. */
  readonly faultEveryMs: number;
  readonly faults: Readonly<Record<FaultKind, number>>;
  readonly busLatencyMs: readonly [min: number, max: number];
  readonly logDelayMs: readonly [min: number, max: number];
  /** Shares of the log's requests that go wrong all through the phase with faults. */
  readonly logTroubleRate: number;
  readonly messageLossRate: number;
  readonly historyLimit: number;
  readonly heartbeatPeriodMs: number;
  readonly checkpointEvery: number;
  /** How much the nodes' wall clocks differ at most. */
  readonly clockSkewMs: number;
  /** By how much their monotonic clocks run too fast or too slow at most, as a share. */
  readonly clockDrift: number;
  /** Mean time that an engine's call takes. */
  readonly engineCallMs: number;
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
  const faultEveryMs = random.pick([5_000, 20_000, 60_000]);
  const faults = {
    ...some(faultKinds, []),
    leaderKill: 0,
    leaderStop: 0,
    partition: 0,
    linkCut: 0,
  };
  if (only === undefined) return { faultEveryMs, faults };
  for (const kind of [...faultKinds, ...managerFaultKinds])
    faults[kind] = Number(only.includes(kind));
  return { faultEveryMs: 3_000, faults };
}

/** Managers and what may befall them, from randomness of their own. */
function drawManagers(options: SimOptions, bounds: SimBounds): SimOptions {
  const random = new Random(options.seed, 'managers');
  const drawn = random.pick([1, 1, 3, 3, 5]);
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

/**
 * Swarm testing (Groce et al., 2012): each run has only some kinds of faults and commands, so that none hides what
 * another would show.
 */
export function drawOptions(seed: number, bounds: SimBounds = {}): SimOptions {
  const random = new Random(seed, 'options');
  const some = <K extends string>(kinds: readonly K[], sure: readonly K[]): Record<K, number> =>
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
    nodes: random.int(1, 7),
    managers: 1,
    servicesMax: random.int(1, 8),
    replicasMax: random.pick([1, 3, 6, 12]),
    safetyMs: bounds.safetyMs ?? random.int(6, 14) * 60_000,
    clients: random.int(1, 4),
    commandEveryMs: random.pick([400, 1_500, 5_000]),
    commands: some(commandKinds, ['create', 'update']),
    ...drawFaults(random, some, bounds),
    busLatencyMs: [latencyMin, latencyMin * random.pick([1, 3, 20])],
    logDelayMs: [logMin, logMin * random.pick([1, 3, 20])],
    logTroubleRate: random.pick([0, 0, 0.01, 0.05]),
    messageLossRate: random.pick([0, 0, 0.001, 0.02]),
    historyLimit: random.pick([0, 1, 2, 5, 5]),
    heartbeatPeriodMs: random.pick([2_000, 5_000, 5_000]),
    checkpointEvery: random.pick([20, 200, 10_000]),
    clockSkewMs: random.pick([0, 0, 500, 20_000]),
    clockDrift: 0,
    engineCallMs: random.pick([2, 20, 200]),
  };
  return drawManagers(options, bounds);
}
