// Somebody with a certificate of the cluster, or with what passes for one, and a plain NATS client.

import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect, type NatsConnection } from 'nats';
import type { Issued } from '../../api/join-listener.ts';
import { createRequest, generateKeys, privateKeyToPem } from '../../pki/mod.ts';
import type { Daemon } from './daemon.ts';

export interface Stolen {
  readonly nodeId: string;
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One exchange with a join listener, whoever it is. Rejects when no answer comes. */
export function post(
  port: number,
  path: string,
  body: string,
  how: { readonly maxVersion?: 'TLSv1.2'; readonly host?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method: 'POST', rejectUnauthorized: false };
    const length = { 'content-length': Buffer.byteLength(body) };
    const req = request({ ...options, ...how, headers: length, agent: false }, (res) => {
      let text = '';
      res.on('data', (chunk) => (text += String(chunk)));
      res.on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body: JSON.parse(text) }));
    });
    req.on('error', reject);
    req.end(body);
  });
}

/** The files of a node's daemon, copied. */
export function stolenFrom({ stateDir }: Daemon, nodeId: string): Stolen {
  const read = (name: string): string =>
    readFileSync(join(stateDir, 'certificates', `swarm-${name}`), 'utf8');
  return { nodeId, cert: read('node.crt'), key: read('node.key'), ca: read('root-ca.crt') };
}

/** Joins with a token and no daemon; the certificate is real. */
export async function joinRaw(
  port: number,
  token: string,
  host = '127.0.0.1',
): Promise<Stolen & { readonly busPort: number }> {
  const { privateKey } = generateKeys();
  const ask = { token, request: createRequest(privateKey), availability: 'drain' };
  const { status, body } = await post(port, '/v1/join', JSON.stringify(ask), { host });
  if (status !== 200) throw new Error(`join: ${status} ${JSON.stringify(body)}`);
  const { nodeId, certificate, roots, managers } = body as unknown as Issued;
  return {
    nodeId,
    cert: certificate,
    key: privateKeyToPem(privateKey),
    ca: roots,
    busPort: Number(managers[0]?.bus.split(':')[1]),
  };
}

/** Connects once. Rejects with what the server or TLS said. */
export function connectRaw(
  port: number,
  { nodeId, ...tls }: Partial<Stolen>,
  host = '127.0.0.1',
): Promise<NatsConnection> {
  // the client's typings leave out the name that the server's certificate must have
  const options = { ...tls, servername: 'swarm-manager' } as object;
  return connect({
    servers: `${host}:${port}`,
    tls: options,
    reconnect: false,
    timeout: 60_000,
    ...(nodeId !== undefined && { inboxPrefix: `_INBOX_${nodeId}` }),
  });
}

/** What a connection may do, found out by trying. */
export class Probe {
  readonly connection: NatsConnection;
  readonly #violations: string[] = [];

  constructor(connection: NatsConnection) {
    this.connection = connection;
    void this.#listen();
  }

  async subscribe(subject: string): Promise<'allowed' | 'refused'> {
    const subscription = this.connection.subscribe(subject, { callback: () => {} });
    await this.#answered();
    const closed = await Promise.race([subscription.closed, nextTurn('open')]);
    subscription.unsubscribe();
    return closed === 'open' ? 'allowed' : 'refused';
  }

  async publish(subject: string, body = '{}'): Promise<'allowed' | 'refused'> {
    const before = this.#violations.length;
    this.connection.publish(subject, body);
    await this.#answered();
    return this.#violations.length > before ? 'refused' : 'allowed';
  }

  /** The server answers in order: a refusal comes before the pong, and is told within this turn. */
  async #answered(): Promise<void> {
    await this.connection.flush();
    await nextTurn();
  }

  async #listen(): Promise<void> {
    for await (const status of this.connection.status())
      if (status.type === 'error') this.#violations.push(status.error.message);
  }
}
