import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from 'nats';

/** How often the server is asked for a sign of life, and how long it may keep silent, ms. */
const askEveryMs = 500;
const silentMs = 600;
/** Pause between two tries to reach a server anew, at first and after `quickTries`, and how long one lasts, ms. */
const tryEveryMs = 150;
const quickTries = 40;
const trySlowlyEveryMs = 1_000;
const tryMs = 1_000;
/** A server that was away as a whole answers on the old connection, too, ms. */
const graceMs = 50;

/**
 * Watches over a connection while it lasts. TCP sends what got lost again ever later: after a network that was away for
 * 2 s an old connection may stay mute for 1.5 s more, whereas a new one is there at once. So when the server says nothing
 * any more, new connections are tried beside the old one. `onMute` is called with the server that greeted on one of them
 * while the old one still kept silent.
 */
export async function watchOver(
  connection: NatsConnection,
  servers: () => readonly string[],
  onMute: (server: string) => void,
): Promise<void> {
  while (!connection.isClosed()) {
    await pause(askEveryMs);
    const answer = connection.flush().then(
      () => true,
      () => true, // closed
    );
    if (await within(silentMs, answer)) continue;
    const greeter = await firstGreeting(servers, answer);
    if (greeter === undefined || (await within(graceMs, answer))) continue;
    onMute(greeter);
    return;
  }
}

/** The first of the servers that greets; undefined when the old connection answers before. */
async function firstGreeting(
  servers: () => readonly string[],
  answer: Promise<boolean>,
): Promise<string | undefined> {
  const end = new AbortController();
  let greeted = (_server: string): void => undefined;
  const greeting = new Promise<string>((resolve) => {
    greeted = resolve;
  });
  const settled = Promise.race([greeting, answer.then(() => undefined)]);
  void settled.then(() => end.abort());
  for (let tries = 0; !end.signal.aborted; tries++) {
    for (const server of servers()) greet(server, end.signal, greeted);
    await Promise.race([settled, pause(tries < quickTries ? tryEveryMs : trySlowlyEveryMs)]);
  }
  return settled;
}

/** A server that is well greets whoever connects, before any handshake; the kernel alone does not. */
function greet(server: string, signal: AbortSignal, onGreeting: (server: string) => void): void {
  const { hostname, port } = new URL(`nats://${server}`);
  const socket = connect({ host: hostname.replaceAll(/[[\]]/g, ''), port: Number(port) });
  const close = (): void => {
    signal.removeEventListener('abort', close);
    socket.destroy();
  };
  signal.addEventListener('abort', close);
  socket.setTimeout(tryMs, close);
  socket.once('error', close);
  socket.once('close', close);
  socket.once('data', () => {
    close();
    onGreeting(server);
  });
}

const within = (ms: number, answer: Promise<boolean>): Promise<boolean> =>
  Promise.race([answer, pause(ms).then(() => false)]);

const pause = (ms: number): Promise<void> => sleep(ms, undefined, { ref: false });
