/**
 * `npm run soak -- NAME`: progress on stderr; the last line of stdout is one JSON object. The exit code is 1 when
 * something that must hold did not.
 * `kills`: no acknowledged command is lost, and every untouched container runs on.
 * `hostile`: what one worker and strangers at the ports do costs the others nothing; see `test/soak/hostile.ts`.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { soakHostile } from './hostile.ts';
import { soakKills } from './kills.ts';

const usage = `usage: npm run soak -- kills [--kills N] [--acked N] [--seed S]
       npm run soak -- hostile [--as worker|stranger|client] [--seconds N] [--seed S]
`;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: 'string', default: '100' },
    acked: { type: 'string', default: '2000' },
    as: { type: 'string', default: 'worker' },
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});

const roles = ['worker', 'stranger', 'client'] as const;

async function main(name: string | undefined): Promise<number> {
  const seed = Number(values.seed);
  const progress = (line: string): void => void process.stderr.write(`${name}: ${line}\n`);
  const print = (result: object): void =>
    void process.stdout.write(`${JSON.stringify({ soak: name, ...result })}\n`);
  switch (name) {
    case 'kills': {
      const options = { kills: Number(values.kills), acked: Number(values.acked), seed };
      const result = await soakKills(options, progress);
      print(result);
      return result.lost === 0 && result.restarted === 0 ? 0 : 1;
    }
    case 'hostile': {
      const who = roles.find((role) => role === values.as);
      if (who === undefined) break;
      const seconds = Number(values.seconds);
      const result = await soakHostile({ who, seconds, seed }, progress);
      print(result);
      return result.broken.length + result.missed.length === 0 ? 0 : 1;
    }
    case undefined:
    default:
  }
  process.stderr.write(usage);
  return 2;
}

process.exitCode = await main(positionals[0]);
