import { Random } from '../world/random.ts';
import type { HandoverHost } from './host.ts';
import { follow, found, hasPlace, unsettled, write } from './run.ts';
import { HandoverWorld } from './world.ts';

/** Another manager, when the one whose disk was rolled back comes back: it has been up all the time, was off while the
 * later records were written, or has them all and is off now. */
export type Other = 'current' | 'behind' | 'off';

export interface RollbackOptions {
  readonly seed: number;
  readonly part: 'all' | 'store';
  readonly others: readonly [Other, Other];
  /** A planted bug: servers start on whatever their disks have. */
  readonly unguarded?: boolean;
}
const kinds: readonly Other[] = ['current', 'behind', 'off'];

export function drawRollback(seed: number): RollbackOptions {
  const random = new Random(seed, 'rollback options');
  const part = random.pick(['all', 'store'] as const);
  return { seed, part, others: [random.pick(kinds), random.pick(kinds)] };
}

export interface RollbackResult {
  readonly failure: Error | undefined;
  /** Commands acknowledged, in all and while some were `behind`. */
  readonly acknowledged: number;
  readonly meanwhile: number;
  readonly setAside: boolean;
  readonly lines: readonly string[];
}

const limitMs = 120_000;

/** Three managers; the disk of one goes back to what it was before its last start. Nothing acknowledged may be lost. */
export async function simulateRollback(options: RollbackOptions): Promise<RollbackResult> {
  const { seed, part, others, unguarded = false } = options;
  const world = new HandoverWorld({ seed, hosts: 3, unguarded });
  const acknowledged: string[] = [];
  const settled = (): Promise<void> =>
    world.settle('rollback', limitMs, () => unsettled(world, acknowledged));
  let failure: Error | undefined;
  let meanwhile = 0;
  try {
    await found(world);
    write(world, acknowledged);
    follow(world);
    await world.run(60_000, () => world.hosts.every(hasPlace(world)));
    const victim = world.random.pick(world.hosts);
    const those = (kind: Other): readonly HandoverHost[] =>
      world.others(victim).filter((_, index) => others[index] === kind);
    victim.powerOff();
    const snapshot = victim.snapshot();
    victim.powerOn();
    await world.run(5_000);
    await settled();
    const before = acknowledged.length;
    for (const host of those('behind')) host.powerOff();
    await world.run(20_000);
    meanwhile = acknowledged.length - before;
    for (const host of [victim, ...those('off')]) host.powerOff();
    victim.rollBack(snapshot, part);
    for (const host of [victim, ...those('behind')]) {
      await world.run(world.random.between(0, 3_000));
      host.powerOn();
    }
    await world.run(20_000);
    for (const host of those('off')) host.powerOn();
    await settled();
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  const { lines } = world;
  const setAside = lines.some((line) => line.includes(' set aside '));
  return { failure, acknowledged: acknowledged.length, meanwhile, setAside, lines };
}
