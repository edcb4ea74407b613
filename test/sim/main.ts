/**
 * `npm run sim -- [--seeds N] [--from S] [--seed S] [--minutes M] [--trace] [--faults KIND,…]
 * [--managers N] [--plant BUG]`: runs N seeds from S on, or
 * one with its trace. Progress on stderr; a failing seed is printed with the command that runs it again.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { drawOptions } from './options.ts';
import { plantedBugs } from './planted.ts';
import { type SimResult, simulate } from './run.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    from: { type: 'string' },
    seed: { type: 'string' },
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

/** Processor time since `start`, or since this process began: the machine may be busy with other things. */
function cpuMs(start?: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1_000;
}

function show(result: SimResult, tookMs: number): string {
  const { seed, failure, virtualMs, acknowledged, unknown, faults, convergedMs, records } = result;
  const minutes = virtualMs / 60_000;
  return [
    `seed ${seed}`,
    failure === undefined ? 'ok' : 'FAILED',
    `${minutes.toFixed(1)} min in ${(tookMs / 1_000).toFixed(1)} s of CPU`,
    `${acknowledged} acknowledged, ${unknown} unknown, ${faults} faults, ${records} records`,
    `converged in ${(convergedMs / 1_000).toFixed(0)} s, ${result.digest.slice(0, 8)}`,
  ].join(': ');
}

function explain({ seed, failure, trace }: SimResult): void {
  for (const line of trace.slice(-traceShown)) say(`  ${line}`);
  say(`  ${failure?.name}: ${failure?.message}`);
  if (failure?.name !== 'Violation') say(`  ${failure?.stack}`);
  const flags = (['minutes', 'faults', 'managers', 'plant'] as const).flatMap((name) =>
    values[name] === undefined || values[name] === '' ? [] : [`--${name} ${values[name]}`],
  );
  say(`again: npm run sim -- ${[`--seed ${seed}`, ...flags].join(' ')} --trace`);
}

async function main(): Promise<number> {
  const single = values.seed !== undefined;
  const first = Number(values.seed ?? values.from ?? Math.floor(Math.random() * 2 ** 31));
  const count = single ? 1 : Number(values.seeds);
  const failed: number[] = [];
  let virtualMs = 0;
  let slowestMs = 0;
  for (let seed = first; seed < first + count; seed++) {
    const options = drawOptions(seed, bounds);
    if (single) say(JSON.stringify(options));
    const start = process.cpuUsage();
    const result = await simulate(options, {
      ...plantedBugs[values.plant],
      ...(single && values.trace && { onTrace: say }),
    });
    virtualMs += result.virtualMs;
    slowestMs = Math.max(slowestMs, result.convergedMs);
    say(show(result, cpuMs(start)));
    if (result.failure === undefined) continue;
    failed.push(seed);
    explain(result);
  }
  const seconds = cpuMs() / 1_000;
  const minutes = virtualMs / 60_000;
  const which = failed.length === 0 ? '' : ` (${failed.join(' ')})`;
  say(
    `${count} seeds, ${failed.length} failed${which}; ${minutes.toFixed(0)} virtual minutes in ` +
      `${seconds.toFixed(0)} s of CPU: ${(minutes / seconds).toFixed(1)} a second; ` +
      `slowest convergence ${(slowestMs / 1_000).toFixed(0)} s`,
  );
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
