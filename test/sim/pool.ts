import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SeedJob, SeedReport } from './seed.ts';

/** Processor time is what limits a run: threads beside the one that simulates, and traces of errors that are expected, cost it. */
const flags = ['--single-threaded-gc', '--max-semi-space-size=128', '--stack-trace-limit=0'];
/** A seed takes a few seconds; one that takes so long, ms, goes round in a circle. */
const hangMs = 300_000;

/**
 * Runs every job, as many at the same time as there are processes. `onReport` hears of each as it ends, in no order; a job
 * whose process dies or hangs is reported as failed.
 */
export async function runAll(
  jobs: Iterable<SeedJob>,
  processes: number,
  onReport: (report: SeedReport) => void,
): Promise<void> {
  const queue = jobs[Symbol.iterator]();
  const work = async (): Promise<void> => {
    let child: ChildProcess | undefined;
    for (let next = queue.next(); next.done !== true; next = queue.next()) {
      if (child?.connected !== true)
        child = fork(fileURLToPath(import.meta.resolve('./worker.js')), { execArgv: flags });
      onReport(await runOn(child, next.value));
    }
    child?.disconnect();
  };
  await Promise.all(Array.from({ length: processes }, work));
}

function runOn(child: ChildProcess, job: SeedJob): Promise<SeedReport> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), hangMs);
    const end = (report: SeedReport): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      resolve(report);
    };
    child.once('message', (report) => end(report as SeedReport));
    child.once('exit', (code, signal) =>
      end(lost(job, `the process that ran it ended (${signal ?? `code ${code}`})`)),
    );
    child.send(job);
  });
}

const lost = ({ seed }: SeedJob, message: string): SeedReport => ({
  seed,
  failure: { name: 'Crash', message },
  virtualMs: 0,
  acknowledged: 0,
  unknown: 0,
  refused: 0,
  faults: 0,
  records: 0,
  operations: {},
  mishaps: {},
  convergedMs: 0,
  digest: '',
  generations: 0,
  powerCuts: 0,
  trace: [],
  cpuMs: 0,
});
