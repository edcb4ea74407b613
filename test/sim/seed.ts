import process from 'node:process';
import { drawOptions, type SimBounds } from './options.ts';
import { plantedBugs } from './planted.ts';
import { simulate, type SimResult } from './run.ts';

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
  const { user, system } = process.cpuUsage(start);
  return {
    ...result,
    failure: failure && describe(failure),
    trace: failure === undefined ? [] : result.trace,
    cpuMs: (user + system) / 1_000,
  };
}

const describe = ({ name, message, stack }: Error): SeedReport['failure'] => ({
  name,
  message,
  ...(stack !== undefined && { stack }),
});
