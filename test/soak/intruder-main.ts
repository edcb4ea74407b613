// The intruder as a program of its own, so that what it costs is not its observer's. Reads one JSON object from its
// standard input, prints its node ID as soon as it is in, and at its end what it has done.

import process from 'node:process';
import { text } from 'node:stream/consumers';
import { Random } from '../sim/world/random.ts';
import { joinRaw } from '../support/intruder.ts';
import { Intruder } from './intruder.ts';

export interface IntruderInput {
  /** Addresses of managers, which have the default ports. */
  readonly managers: readonly string[];
  readonly token: string;
  readonly seed: number;
  readonly seconds: number;
}

const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const { managers, token, seed, seconds } = JSON.parse(await text(process.stdin)) as IntruderInput;
const own = await joinRaw(2377, token, managers[0]);
print({ nodeId: own.nodeId });
const target = { managers, ports: [2377, 7946, 7947] };
print(await new Intruder(own, target, new Random(seed, 'intruder')).run(seconds));
process.exit(0);
