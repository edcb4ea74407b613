import process from 'node:process';
import { drawOptions, type SimBounds } from './options.ts';
import { drawMoment, simulateMoment } from './handover/moments.ts';
import { drawRollback, simulateRollback } from './handover/rollback.ts';
import { drawHandover, type HandoverResult, simulateHandover } from './handover/run.ts';
import { plantedBugs, unsyncedSwitch } from './planted.ts';
import { simulate, type SimResult } from './run.ts';

/** In one seed of so many, a disk is rolled back too. */
const rollbackEvery = 5;

/** One seed to run, as it goes to a process that runs it. */
export interface SeedJob {
  readonly seed: number;
  readonly bounds: SimBounds;
  /** '' for none. */
  readonly plant: string;
}
/** What came of it, in a form that passes between processes. */
export interface SeedReport extends Omit<SimResult, 'failure'> {
  readonly failure: Pick<Error, 'name' | 'message' | 'stack'> | undefined;
  /** Of the log, one after the other, while managers come and go. */
  readonly generations: number;
  /** Machines that lost their power meanwhile. */
  readonly powerCuts: number;
  /** Processor time, ms: the machine may be busy with other things. */
  readonly cpuMs: number;
}

export async function runSeed(
  { seed, bounds, plant }: SeedJob,
  onTrace?: (line: string) => void,
): Promise<SeedReport> {
  const start = process.cpuUsage();
  const options = drawOptions(seed, bounds);
  const { failure, ...result } = await simulate(options, {
    ...plantedBugs[plant],
    ...(onTrace && { onTrace }),
  });
  const passage = await simulateHandover(drawHandover(seed, plant === unsyncedSwitch));
  const moment = await simulateMoment(drawMoment(seed));
  const rollback =
    seed % rollbackEvery === 0 ? await simulateRollback(drawRollback(seed)) : undefined;
  const journeys = [passage, moment, rollback];
  const { user, system } = process.cpuUsage(start);
  return {
    ...result,
    failure: describe(failure ?? journeys.find((journey) => journey?.failure)?.failure),
    trace: failure === undefined ? journeys.flatMap(traced) : result.trace,
    generations: passage.generation,
    powerCuts: passage.powerCuts,
    cpuMs: (user + system) / 1_000,
  };
}

const traced = (
  result: Pick<HandoverResult, 'failure' | 'lines'> | undefined,
): readonly string[] => (result?.failure === undefined ? [] : result.lines);

const describe = (error: Error | undefined): SeedReport['failure'] =>
  error && {
    name: error.name,
    message: error.message,
    ...(error.stack !== undefined && { stack: error.stack }),
  };
