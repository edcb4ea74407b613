// The daemon's entry with a socket (CRASH_SOCKET) through which a test sees its actors and makes them throw: those of
// the addresses that it POSTs, in their order. The answer is the tree. Plain JavaScript on the built dist/.

import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { Command } from 'commander';
import { addDaemonOptions, readConfig } from '../../dist/cmd/config.js';
import { runDaemon } from '../../dist/cmd/daemon.js';
import { Registry } from '../../dist/supervisors/registry.js';

const registry = new Registry();

function crash(address) {
  registry.get(address)?.send({
    get type() {
      throw new Error('made to crash by a test');
    },
  });
}

async function answer(req, res) {
  for (const address of await json(req)) crash(address);
  res.end(JSON.stringify(registry.tree()));
}

createServer((req, res) => void answer(req, res)).listen(process.env.CRASH_SOCKET);

const program = new Command('natswarm-crashable');
addDaemonOptions(program.command('daemon')).action((_options, command) =>
  runDaemon(readConfig(command), { registry }),
);
await program.parseAsync();
