import { constants } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { wireFault } from '../bus/wire-fault.ts';
import { daemonFault, Fault } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Labels } from '../domain/model/spec.ts';
import { nodeLabelsFrom } from '../domain/spec/node.ts';
import type { LogEvent } from './log.ts';
import { answerLogJoin, type LogJoinRoutes } from './log-join-routes.ts';
import { boundConnections } from './connection-limit.ts';

/** What a node that wants to join sends; nothing of it is trusted. */
export interface JoinAsk {
  readonly token: string;
  /** PKCS#10 request, PEM: gives the joiner's key only. */
  readonly request: string;
  readonly availability: string;
  /** For its spec. */
  readonly labels: Labels;
  /** Address that the joiner says it has; '' for the one that it comes from. */
  readonly addr: string;
}
/** What a member sends whose certificate opens nothing any more. */
export interface RejoinAsk {
  readonly token: string;
  readonly nodeId: string;
  readonly request: string;
  /** By the key of its last certificate, base64. */
  readonly proof: string;
}
/** What a member gets, at first and at each renewal. */
export interface Issued {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly role: 'manager' | 'worker';
  /** PEM. */
  readonly certificate: string;
  /** The roots to trust from now on, PEM. */
  readonly roots: string;
  readonly managers: readonly {
    readonly nodeId: string;
    readonly addr: string;
    readonly bus: string;
  }[];
}

export interface JoinListenerOptions {
  readonly host: string;
  readonly port: number;
  /** PEM of this manager; read at the start. */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string };
  /** The root that a join token's digest is of, PEM. Public. */
  readonly root: () => string;
  /** Lets a node in; what it answers is durable. Throws `Fault`. */
  readonly admit: (ask: JoinAsk, peer: string) => Promise<Issued>;
  /**
   * Gives a member a new certificate. The old one (DER) is the connection's: its key is proved, nothing else is
   * checked. Throws `Fault`.
   */
  readonly renew: (request: string, certificate: Buffer) => Promise<Issued>;
  /** Gives a member that was lost a certificate; the proof is of the connection too. Throws `Fault`. */
  readonly rejoin: (ask: RejoinAsk, socket: TLSSocket) => Promise<Issued>;
  /** For managers that want a part in the log. */
  readonly logJoins: LogJoinRoutes;
  readonly log: LogEvent;
}

export interface JoinListener {
  readonly port: number;
  /** For the connections to come. */
  setCertificate(tls: JoinListenerOptions['tls']): void;
  /** Takes nothing more and ends every connection, whatever it is at; who asked asks another manager. */
  close(): Promise<void>;
}

/** Half-open handshakes, slow heads and slow bodies end after this, ms. */
const patienceMs = { handshake: 10_000, head: 10_000, whole: 30_000 } as const;
/** How often Node looks for them, ms. */
const lookMs = 1_000;
/** What a refusal says may be as long as what was asked. */
const logTextMax = 300;

/**
 * The HTTPS listener of 2377: `GET /v1/ca` gives the root to anybody, `POST /v1/join` a certificate to the holder of a
 * token, `POST /v1/renew` one to the holder of a certificate, `POST /v1/rejoin` one to the holder of a token and the key of an
 * old certificate. A joiner checks the root against its token before it sends anything (docs/pki.md).
 * Rejects when the port cannot be had, with Docker's text.
 */
export async function listenForJoins(options: JoinListenerOptions): Promise<JoinListener> {
  const server = createServer(
    {
      ...joinContext(options.tls),
      // who has no certificate yet comes to get one; who has one is judged by `renew`
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: patienceMs.handshake,
      maxHeaderSize: 16 * 1024,
      headersTimeout: patienceMs.head,
      requestTimeout: patienceMs.whole,
      connectionsCheckingInterval: lookMs,
      keepAliveTimeout: 1,
    },
    (req, res) => void answer(options, req, res),
  );
  const hangUp = boundConnections(server, limits.joinConnectionsMax);
  server.on('tlsClientError', (error, socket) =>
    options.log(
      'join_handshake_failed',
      { peer: socket.remoteAddress, error: error.message },
      'warn',
    ),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        daemonFault(
          'Unknown',
          `listen tcp ${options.host}:${options.port}: bind: ${error.code === 'EADDRINUSE' ? 'address already in use' : error.message}`,
        ),
      ),
    );
    const { port, host } = options;
    server.listen({ port, host, backlog: limits.listenBacklog }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    setCertificate: (tls) => server.setSecureContext(joinContext(tls)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        hangUp();
      }),
  };
}

/** For the server, and each time its certificate is new. Nobody joins twice, so nothing is kept of a session. */
const joinContext = (tls: JoinListenerOptions['tls']): SecureContextOptions => ({
  ...tls,
  minVersion: 'TLSv1.2',
  secureOptions: constants.SSL_OP_NO_TICKET,
});

async function answer(
  options: JoinListenerOptions,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const peer = req.socket.remoteAddress ?? '';
  try {
    if (req.method === 'GET' && req.url === '/v1/ca')
      return send(res, 200, { root: options.root() });
    const reply = await answerLogJoin(
      options.logJoins,
      req,
      () => certificateOf(req),
      () => bodyOf(req),
    );
    if (reply !== undefined) return send(res, 200, reply);
    const give = req.method === 'POST' ? gives[req.url ?? ''] : undefined;
    if (give === undefined)
      return send(res, 404, { error: wireFault(new Fault('NotFound', 'page not found')) });
    send(res, 200, await give(options, req, askedOf(await bodyOf(req))));
  } catch (error) {
    const fault =
      error instanceof Fault ? error : new Fault('Internal', 'the manager failed; see its log');
    const text = error instanceof Error ? error.message : '';
    const fields = { peer, error: text.slice(0, logTextMax) };
    // who is put off comes again
    if (fault.code === 'Unavailable') options.log('join_put_off', fields);
    else options.log('join_refused', fields, 'warn');
    send(res, fault.code === 'Internal' ? 500 : 400, { error: wireFault(fault) });
  }
}

const gives: Readonly<
  Record<
    string,
    (options: JoinListenerOptions, req: IncomingMessage, asked: Asked) => Promise<Issued>
  >
> = Object.assign(Object.create(null) as object, {
  '/v1/join': (options: JoinListenerOptions, req: IncomingMessage, { text, labels }: Asked) => {
    const ask = {
      token: text('token'),
      request: text('request'),
      availability: text('availability'),
      labels: labels(),
      addr: text('addr'),
    };
    return options.admit(ask, req.socket.remoteAddress ?? '');
  },
  '/v1/rejoin': (options: JoinListenerOptions, req: IncomingMessage, { text }: Asked) => {
    const ask = {
      token: text('token'),
      nodeId: text('nodeId'),
      request: text('request'),
      proof: text('proof'),
    };
    return options.rejoin(ask, req.socket as TLSSocket);
  },
  '/v1/renew': (options: JoinListenerOptions, req: IncomingMessage, { text }: Asked) =>
    options.renew(text('request'), certificateOf(req)),
});

/** What the connection has shown (DER); its key is proved. Throws `Fault` without one. */
function certificateOf(req: IncomingMessage): Buffer {
  const { raw } = (req.socket as TLSSocket).getPeerCertificate();
  // Node's typings leave out that who shows none has none
  if ((raw as Buffer | undefined) === undefined)
    throw new Fault('Unauthenticated', 'a certificate of the cluster is needed');
  return raw;
}

function send(res: ServerResponse, status: number, body: object): void {
  if (res.headersSent || res.destroyed) return;
  const bytes = body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
  res.writeHead(status, {
    'content-type': body instanceof Uint8Array ? 'application/octet-stream' : 'application/json',
    'content-length': bytes.length,
    connection: 'close',
  });
  res.end(bytes);
}

async function bodyOf(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const requireBounded = (size: number): void => {
    if (size > limits.joinBodyBytesMax) throw new Fault('InvalidArgument', 'request too large');
  };
  requireBounded(Number(req.headers['content-length'] ?? 0));
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    requireBounded(bytes);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Fault('InvalidArgument', 'the request is not JSON');
  }
}

/** What a body asks; reading throws for what is malformed. */
interface Asked {
  /** '' for one that is not there. */
  readonly text: (name: string) => string;
  readonly labels: () => Labels;
}

function askedOf(body: unknown): Asked {
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  return {
    text: (name) => {
      const value = fields[name] ?? '';
      if (typeof value !== 'string')
        throw new Fault('InvalidArgument', `"${name}" must be a string`);
      return value;
    },
    labels: () => nodeLabelsFrom(fields['labels']),
  };
}
