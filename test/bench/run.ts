/**
 * `npm run bench -- NAME` builds the product into dist/ and the benchmarks into dist-test/ (ignored by git), then runs
 * one benchmark. Progress goes to stderr; the last line of stdout is one JSON object with the figures.
 */
import { loadavg } from 'node:os';
import process from 'node:process';

type Bench = (progress: (line: string) => void) => Promise<Record<string, number>>;

/** Each in a file of its own, loaded only when it runs. */
const benches: Readonly<Record<string, () => Promise<{ readonly bench: Bench }>>> = {
  chaos: () => import('./chaos.ts'),
  commands: () => import('./commands.ts'),
  converge: () => import('./converge.ts'),
  failover: () => import('./failover.ts'),
  idle: () => import('./idle.ts'),
  join: () => import('./join.ts'),
  logs: () => import('./logs.ts'),
  passthrough: () => import('./passthrough.ts'),
  powercut: () => import('./powercut.ts'),
  reconnect: () => import('./reconnect.ts'),
  nodeloss: () => import('./nodeloss.ts'),
  scale: () => import('./scale.ts'),
  schedule: () => import('./schedule.ts'),
};

async function main(name: string): Promise<number> {
  const load = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (load === undefined) {
    process.stderr.write(`usage: npm run bench -- ${Object.keys(benches).join('|')}\n`);
    return 2;
  }
  const { bench } = await load();
  // of others: what runs beside a benchmark is in its figures
  const [load1 = Number.NaN] = loadavg();
  const figures = await bench((line) => process.stderr.write(`${name}: ${line}\n`));
  process.stdout.write(`${JSON.stringify({ bench: name, load1, ...figures })}\n`);
  return 0;
}

process.exitCode = await main(process.argv[2] ?? '');
