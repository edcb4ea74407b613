// Loopback ports for tests that run side by side, in several processes.

import { once } from 'node:events';
import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';

/** Below what the kernel gives to outgoing connections, and above where programs listen by default. */
const lowest = 15_000;
const highest = 32_000;

/**
 * A loopback port that nothing listens on now, and the one after it (a daemon takes both). No other call answers with
 * either of them, in no process of this machine, as long as this process lives.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(lowest / 2, highest / 2) * 2;
    if ((await isClaimed(port)) && (await isFree(port)) && (await isFree(port + 1))) return port;
  }
}

/** A name among the abstract sockets is taken once, and given back by the kernel when its process ends. */
const isClaimed = (port: number): Promise<boolean> =>
  listens({ path: `\0natswarm-test-port-${port}` }, true);

const isFree = (port: number): Promise<boolean> => listens({ host: '127.0.0.1', port }, false);

async function listens(
  where: { readonly path: string } | { readonly host: string; readonly port: number },
  keep: boolean,
): Promise<boolean> {
  const server = createServer().unref();
  try {
    server.listen(where);
    await once(server, 'listening');
  } catch {
    return false;
  }
  if (keep) return true;
  server.close();
  await once(server, 'close');
  return true;
}
