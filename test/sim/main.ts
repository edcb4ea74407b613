/**
 * `npm run sim -- [--seeds N] [--from S] [--processes P] [--minutes M] [--faults KIND,…] [--managers N] [--plant BUG]`
 * runs N seeds from S on, in a process for each core; `-- --seed S [--trace]` one of them. Progress on stderr; a failing
 * seed is printed with the command that runs it again.
 */
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { drawOptions } from './options.ts';
import { runAll } from './pool.ts';
import { runSeed, type SeedJob, type SeedReport } from './seed.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    from: { type: 'string' },
    seed: { type: 'string' },
    processes: { type: 'string', default: String(availableParallelism()) },
    minutes: { type: 'string' },
    trace: { type: 'boolean', default: false },
    faults: { type: 'string' },
    managers: { type: 'string' },
    plant: { type: 'string', default: '' },
  },
});
const traceShown = 40;

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const bounds = {
  ...(values.minutes !== undefined && { safetyMs: Math.round(Number(values.minutes) * 60_000) }),
  ...(values.faults !== undefined && { faults: values.faults.split(',') }),
  ...(values.managers !== undefined && { managers: Number(values.managers) }),
};
const jobOf = (seed: number): SeedJob => ({ seed, bounds, plant: values.plant });

function show(report: SeedReport): string {
  const { seed, failure, virtualMs, acknowledged, unknown, faults, convergedMs, records } = report;
  const minutes = virtualMs / 60_000;
  return [
    `seed ${seed}`,
    failure === undefined ? 'ok' : 'FAILED',
    `${minutes.toFixed(1)} min in ${(report.cpuMs / 1_000).toFixed(1)} s of CPU`,
    `${acknowledged} acknowledged, ${unknown} unknown, ${faults} faults, ${records} records`,
    `${report.generations} generations over ${report.powerCuts} power cuts`,
    `converged in ${(convergedMs / 1_000).toFixed(0)} s, ${report.digest.slice(0, 8)}`,
  ].join(': ');
}

function explain({ seed, failure, trace }: SeedReport): void {
  for (const line of trace.slice(-traceShown)) say(`  ${line}`);
  say(`  ${failure?.name}: ${failure?.message}`);
  if (failure?.name !== 'Violation') say(`  ${failure?.stack}`);
  const flags = (['minutes', 'faults', 'managers', 'plant'] as const).flatMap((name) =>
    values[name] === undefined || values[name] === '' ? [] : [`--${name} ${values[name]}`],
  );
  say(`again: npm run sim -- ${[`--seed ${seed}`, ...flags].join(' ')} --trace`);
}

function take(report: SeedReport): void {
  say(show(report));
  if (report.failure !== undefined) explain(report);
}

/** What the run was, and what the least of its seeds was. */
function summarize(reports: readonly SeedReport[], wallMs: number): string {
  const failed = reports.filter(({ failure }) => failure !== undefined).map(({ seed }) => seed);
  const least = (of: (report: SeedReport) => number): number => Math.min(...reports.map(of));
  const sum = (of: (report: SeedReport) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  const cpuS = sum(({ cpuMs }) => cpuMs) / 1_000;
  return [
    `${reports.length} seeds, ${failed.length} failed${failed.length === 0 ? '' : ` (${failed.join(' ')})`}`,
    `each at least ${(least(({ virtualMs }) => virtualMs) / 60_000).toFixed(1)} virtual minutes, ` +
      `${least(({ acknowledged }) => acknowledged)} acknowledged writes, ${least(({ faults }) => faults)} faults`,
    `slowest convergence ${(Math.max(...reports.map(({ convergedMs }) => convergedMs)) / 1_000).toFixed(0)} s`,
    `${(wallMs / 1_000).toFixed(0)} s, ${cpuS.toFixed(0)} s of CPU, ${(cpuS / reports.length).toFixed(2)} a seed`,
  ].join('; ');
}

async function main(): Promise<number> {
  const start = performance.now();
  const reports: SeedReport[] = [];
  if (values.seed !== undefined) {
    const job = jobOf(Number(values.seed));
    say(JSON.stringify(drawOptions(job.seed, bounds)));
    reports.push(await runSeed(job, values.trace ? say : undefined));
    reports.forEach(take);
  } else {
    const first = Number(values.from ?? Math.floor(Math.random() * 2 ** 31));
    const jobs = Array.from({ length: Number(values.seeds) }, (_, i) => jobOf(first + i));
    await runAll(jobs, Number(values.processes), (report) => {
      reports.push(report);
      take(report);
    });
  }
  reports.sort((a, b) => a.seed - b.seed);
  say(summarize(reports, performance.now() - start));
  return reports.every(({ failure }) => failure === undefined) ? 0 : 1;
}

process.exitCode = await main();
