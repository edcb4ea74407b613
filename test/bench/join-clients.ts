// The joiners of the benchmark `join`, in a process of their own: what they cost is told apart from what the manager
// costs. Keys and requests are made beforehand; then each joins over a TLS connection of its own.

import process from 'node:process';
import { connect, createSecureContext, type SecureContext } from 'node:tls';
import { createRequest, generateKeys } from '../../pki/mod.ts';

export interface JoinOrder {
  readonly port: number;
  readonly root: string;
  readonly token: string;
  readonly joins: number;
  readonly inFlight: number;
}
export interface JoinOutcome {
  readonly tookMs: number;
  /** CPU of this process while it joined, user and system. */
  readonly cpuMs: number;
  readonly latenciesMs: readonly number[];
}

/** By hand: an HTTP client would be a fifth of the joiner's own cost, which takes from what the managers get of the cores. */
function join(order: JoinOrder, secureContext: SecureContext, csr: string): Promise<void> {
  const body = JSON.stringify({
    token: order.token,
    request: csr,
    availability: '',
    labels: {},
    addr: '',
  });
  const head = [
    'POST /v1/join HTTP/1.1',
    'host: swarm-manager',
    'content-type: application/json',
    `content-length: ${body.length}`,
    'connection: close',
  ];
  const { port } = order;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, secureContext, servername: 'swarm-manager' });
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('error', reject);
    socket.on('end', () => {
      if (text.startsWith('HTTP/1.1 200') && text.includes('BEGIN CERTIFICATE')) resolve();
      else reject(new Error(`join refused: ${text}`));
    });
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  });
}

async function run(order: JoinOrder): Promise<JoinOutcome> {
  const requests = Array.from({ length: order.joins }, () =>
    createRequest(generateKeys().privateKey),
  );
  // The root is read once, since a joiner's own cost is not what is looked at; connections and TLS sessions are not
  // used again.
  const secureContext = createSecureContext({ ca: order.root });
  const latenciesMs: number[] = [];
  const before = process.cpuUsage();
  const began = performance.now();
  await Promise.all(
    Array.from({ length: order.inFlight }, async () => {
      for (let csr = requests.pop(); csr !== undefined; csr = requests.pop()) {
        const at = performance.now();
        await join(order, secureContext, csr);
        latenciesMs.push(performance.now() - at);
      }
    }),
  );
  const tookMs = performance.now() - began;
  const { user, system } = process.cpuUsage(before);
  return { tookMs, cpuMs: (user + system) / 1_000, latenciesMs };
}

process.on('disconnect', () => process.exit(0));
process.on('message', (order: JoinOrder) => {
  run(order).then(
    (outcome) => process.send?.(outcome),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
