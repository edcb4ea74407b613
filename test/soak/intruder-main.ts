// Who attacks, as a program of its own, so that what it costs is not its observer's. Reads one JSON object from its
// standard input, prints its node ID as soon as it is in (empty: it has none), and at its end what it has done.

import process from 'node:process';
import { text } from 'node:stream/consumers';
import { Random } from '../sim/world/random.ts';
import { joinRaw } from '../support/intruder.ts';
import { Intruder } from './intruder.ts';
import { SocketClient } from './socket-client.ts';
import { Stranger } from './stranger.ts';
import type { Deeds } from './turns.ts';

export interface IntruderInput {
  readonly who: 'worker' | 'stranger' | 'client';
  /** Addresses of managers, which have the default ports, and their API's sockets. */
  readonly managers: readonly string[];
  readonly sockets: readonly string[];
  readonly token: string;
  readonly seed: number;
  readonly seconds: number;
}

const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const input = JSON.parse(await text(process.stdin)) as IntruderInput;
const { who, managers, sockets, token, seed, seconds } = input;
const random = new Random(seed, who);

async function run(): Promise<Deeds> {
  if (who === 'worker') {
    const own = await joinRaw(2377, token, managers[0]);
    print({ nodeId: own.nodeId });
    return new Intruder(own, managers, random).run(seconds);
  }
  print({ nodeId: '' });
  return who === 'stranger'
    ? new Stranger(managers, { join: 2377, all: [2377, 7946, 7947] }, random).run(seconds)
    : new SocketClient(sockets, random).run(seconds);
}

print(await run());
process.exit(0);
