import type { SimOptions } from '../options.ts';
import { opLabel } from '../check/acknowledged.ts';
import type { Random } from '../world/random.ts';

/** How the containers of an image behave, read off its name (`programs.ts`). */
export type Behaviour =
  | 'steady'
  | 'healthy'
  | 'crashing'
  | 'finishing'
  | 'sick'
  | 'broken'
  | 'missing';
export const behaviourOf = (image: string): Behaviour => image.split(':')[0] as Behaviour;
export const runsWell = (image: string): boolean =>
  ['steady', 'healthy'].includes(behaviourOf(image));
const behaviours: Readonly<Record<Behaviour, number>> = {
  steady: 8,
  healthy: 2,
  crashing: 0.5,
  finishing: 0.4,
  sick: 0.4,
  broken: 0.3,
  missing: 0.3,
};

/** Values of the nodes' label `zone`, which nodes may get and lose. */
export const zones = ['a', 'b'] as const;
const constraintsKnown = [
  'node.role==worker',
  'node.role==manager',
  'node.labels.zone!=a',
  'node.labels.zone==b',
];

const ms = 1e6;
const s = 1e9;

/** A service spec as a client sends it. */
export interface Wire {
  readonly Name: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly TaskTemplate: {
    readonly ContainerSpec: Readonly<Record<string, unknown>>;
    readonly ForceUpdate: number;
  } & Readonly<Record<string, unknown>>;
  readonly Mode: { readonly Replicated?: { readonly Replicas: number }; readonly Global?: object };
  readonly UpdateConfig?: object;
  readonly RollbackConfig?: object;
}

export const withOp = (spec: Wire, op: number): Wire => ({
  ...spec,
  Labels: { ...spec.Labels, [opLabel]: String(op) },
});

export function drawService(random: Random, options: SimOptions, name: string): Wire {
  const global = random.chance(0.2);
  return {
    Name: name,
    Labels: {},
    TaskTemplate: drawTask(random, options),
    Mode: global ? { Global: {} } : { Replicated: { Replicas: drawReplicas(random, options) } },
    ...(random.chance(0.8) && { UpdateConfig: drawRollout(random, true) }),
    ...(random.chance(0.6) && { RollbackConfig: drawRollout(random, false) }),
  };
}

export const drawReplicas = (random: Random, options: SimOptions): number =>
  random.int(0, options.replicasMax);

export const drawImage = (random: Random): string =>
  `${random.weighted(behaviours)}:${random.int(1, 1e6)}`;

function drawTask(random: Random, { specBytes }: SimOptions): Wire['TaskTemplate'] {
  const constraints = random.chance(0.25) ? [random.pick(constraintsKnown)] : [];
  return {
    ContainerSpec: {
      Image: drawImage(random),
      StopGracePeriod: random.pick([0.1, 1, 10]) * s,
      ...(specBytes > 0 && random.chance(0.25) && { Env: [`LARGE=${'x'.repeat(specBytes)}`] }),
    },
    ForceUpdate: 0,
    ...(random.chance(0.7) && {
      RestartPolicy: {
        Condition: random.weighted({ any: 6, 'on-failure': 1, none: 0.4 }),
        // one that ends at once and comes again at once shows little more for all the time that it takes
        Delay: random.pick([100, 2_000, 5_000, 5_000, 5_000]) * ms,
        MaxAttempts: random.pick([0, 0, 3, 10]),
        Window: random.pick([0, 0, 20_000]) * ms,
      },
    }),
    ...(random.chance(0.4) && {
      Resources: {
        Reservations: {
          NanoCPUs: random.pick([0.1, 0.5, 1]) * 1e9,
          MemoryBytes: random.pick([64, 512]) * 2 ** 20,
        },
      },
    }),
    Placement: {
      Constraints: constraints,
      ...(random.chance(0.1) && { MaxReplicas: random.int(1, 3) }),
    },
  };
}

function drawRollout(random: Random, forward: boolean): object {
  return {
    Parallelism: random.pick([0, 1, 1, 2, 3]),
    Delay: random.pick([0, 0, 500, 3_000]) * ms,
    FailureAction: random.pick(forward ? ['pause', 'continue', 'rollback'] : ['pause', 'continue']),
    Monitor: random.pick([500, 2_000, 5_000]) * ms,
    MaxFailureRatio: random.pick([0, 0, 0.3]),
    Order: random.pick(['stop-first', 'stop-first', 'start-first']),
  };
}
