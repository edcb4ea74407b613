/**
 * `npm run soak -- kills [--kills 100] [--acked 2000] [--seed S]`: progress on stderr; the last line of stdout is one
 * JSON object. Fails when an acknowledged command was lost or an untouched container did not run on.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { soakKills } from './kills.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: 'string', default: '100' },
    acked: { type: 'string', default: '2000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});

async function main(name: string | undefined): Promise<number> {
  if (name !== 'kills') {
    process.stderr.write('usage: npm run soak -- kills [--kills N] [--acked N] [--seed S]\n');
    return 2;
  }
  const options = {
    kills: Number(values.kills),
    acked: Number(values.acked),
    seed: Number(values.seed),
  };
  const result = await soakKills(options, (line) => process.stderr.write(`kills: ${line}\n`));
  process.stdout.write(`${JSON.stringify({ soak: 'kills', ...result })}\n`);
  return result.lost === 0 && result.restarted === 0 ? 0 : 1;
}

process.exitCode = await main(positionals[0]);
