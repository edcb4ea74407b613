import type { KeyObject } from 'node:crypto';
import { Agent, request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { Issued, JoinAsk } from '../api/join-listener.ts';
import { isManagerList } from '../bus/bodies.ts';
import { fieldsOf } from '../bus/fields.ts';
import { faultOf, wireFaultFrom } from '../bus/wire-fault.ts';
import { badTokenFault } from '../domain/commands/join.ts';
import { daemonFault, Fault } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import {
  parseJoinToken,
  proveRejoin,
  type RejoinClaim,
  rejoinChannel,
  type JoinToken,
  normalizeCertificates,
  readCertificate,
  rootMatchesToken,
  verifyNodeCertificate,
} from '../pki/mod.ts';
import { timeoutSignal } from '../supervisors/clock.ts';

/** DNS name in every manager's certificate: whatever address is dialled, only a manager answers as server. */
const managerName = 'swarm-manager';
/** For the root, which is at hand; the grant waits for a commit. */
const patienceMs = { root: 10_000, grant: 600_000, renewal: 30_000 } as const;

/**
 * Throws Docker's text for a token that is malformed, before anybody is asked. Undefined for none at all: the manager
 * is asked first, so who has the wrong address hears of that.
 */
export function tokenFrom(text: string): JoinToken | undefined {
  if (text === '') return undefined;
  const result = parseJoinToken(text);
  if (!result.ok) throw daemonFault('InvalidArgument', 'invalid join token');
  return result.token;
}

/**
 * Joins through one manager: reads its root without trusting it, compares it with the token's digest, and only then
 * sends token and request, over a connection verified against that root. Throws `Fault`.
 */
export async function joinThrough(
  addr: string,
  token: JoinToken | undefined,
  ask: JoinAsk,
  signal: AbortSignal,
): Promise<Issued> {
  const root = await rootByToken(addr, token, signal);
  const body = JSON.stringify(ask);
  const answer = await exchange(addr, {
    path: '/v1/join',
    root,
    body,
    signal,
    limitMs: patienceMs.grant,
  });
  return grantFrom(answer);
}

/** The root is read without trusting it, and compared with the token's digest. */
async function rootByToken(
  addr: string,
  token: JoinToken | undefined,
  signal: AbortSignal,
): Promise<string> {
  const root = rootOf(await exchange(addr, { path: '/v1/ca', signal, limitMs: patienceMs.root }));
  // without a token there is nothing to know the manager by, and it lets nobody in without one
  if (token === undefined) throw badTokenFault();
  if (!rootMatchesToken(root, token))
    throw daemonFault(
      'Unknown',
      `remote CA does not match fingerprint. Expected: ${token.rootDigest.toString('hex')}`,
    );
  return root;
}

/** As `joinThrough`, for a member that comes back as the node that it was. */
export async function rejoinThrough(
  addr: string,
  token: { readonly token: JoinToken | undefined; readonly text: string },
  claim: Omit<RejoinClaim, 'channel'>,
  lastKey: KeyObject,
  signal: AbortSignal,
): Promise<Issued> {
  const root = await rootByToken(addr, token.token, signal);
  const { nodeId, requestPem } = claim;
  const body = (socket: TLSSocket): string =>
    JSON.stringify({
      token: token.text,
      nodeId,
      request: requestPem,
      proof: proveRejoin({ ...claim, channel: rejoinChannel(socket) }, lastKey),
    });
  const limitMs = patienceMs.renewal;
  const grant = grantFrom(
    await exchange(addr, { path: '/v1/rejoin', root, body, signal, limitMs }),
  );
  if (grant.nodeId !== nodeId || grant.clusterId !== claim.clusterId)
    throw daemonFault('Unknown', 'the manager sent the certificate of another node');
  return grant;
}

/**
 * A new certificate for `request`, from one manager, for the holder of an old one that is still in force. Throws
 * `Fault`; the node is not asked to take less than it had (another node's certificate, say).
 */
export async function renewThrough(
  addr: string,
  own: { readonly cert: string; readonly key: string; readonly ca: string },
  request: string,
  signal: AbortSignal,
): Promise<Issued> {
  const grant = grantFrom(
    await exchange(addr, {
      path: '/v1/renew',
      root: own.ca,
      identity: own,
      body: JSON.stringify({ request }),
      signal,
      limitMs: patienceMs.renewal,
    }),
  );
  if (grant.nodeId !== readCertificate(own.cert).nodeId)
    throw daemonFault('Unknown', 'the manager sent the certificate of another node');
  return grant;
}

function rootOf(answer: unknown): string {
  const root = (answer as { readonly root?: unknown } | null)?.root;
  if (typeof root !== 'string')
    throw daemonFault('Unknown', 'the manager sent no root certificate');
  try {
    return normalizeCertificates(root);
  } catch {
    throw daemonFault('Unknown', 'the manager sent no root certificate');
  }
}

/** The manager is trusted from here on, but a node must not write down what it cannot use. */
function grantFrom(answer: unknown): Issued {
  const { managers, ...told } = fieldsOf(answer) ?? {};
  const [certificate, roots, clusterId] = [
    String(told['certificate']),
    String(told['roots']),
    String(told['clusterId']),
  ];
  const verified = verifyNodeCertificate(
    certificate,
    roots,
    clusterId,
    // the clocks of the two may differ; certificates are backdated by an hour
    Date.now(),
  );
  if (!verified.ok)
    throw daemonFault(
      'Unknown',
      `the manager sent a certificate that is refused: ${verified.reason}`,
    );
  const { nodeId, role } = verified;
  const isNode = role !== 'client' && role === told['role'] && nodeId === told['nodeId'];
  if (!isNode || !isManagerList(managers))
    throw daemonFault('Unknown', 'the manager sent a malformed answer');
  return { nodeId, clusterId, role, certificate, roots, managers };
}

export interface Exchange {
  readonly path: string;
  /** Whom to trust; without, nobody is asked who he is, and nothing may be sent. */
  readonly root?: string;
  /** What to send, or what makes it when the connection is there. */
  readonly body?: string | ((socket: TLSSocket) => string);
  /** The caller's own certificate. */
  readonly identity?: { readonly cert: string; readonly key: string };
  readonly signal: AbortSignal;
  readonly limitMs: number;
  /** Largest answer. */
  readonly bytesMax?: number;
}

/** As `exchangeBytes`, for an answer in JSON. */
export async function exchange(addr: string, options: Exchange): Promise<unknown> {
  const bytes = await exchangeBytes(addr, options);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw daemonFault('Unavailable', `cannot reach manager ${addr}: unreadable answer`);
  }
}

/** One request to a manager's join listener. Rejects with its `Fault`, or `Unavailable` when it does not answer. */
export function exchangeBytes(addr: string, options: Exchange): Promise<Buffer> {
  const { path, root, body, identity, signal, limitMs } = options;
  const { bytesMax = limits.joinBodyBytesMax } = options;
  const { hostname, port } = new URL(`https://${addr}`);
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(
        error instanceof Fault
          ? error
          : daemonFault('Unavailable', `cannot reach manager ${addr}: ${error.message}`),
      );
    const req = request(
      {
        host: hostname.replaceAll(/[[\]]/g, ''),
        port: port === '' ? 443 : Number(port),
        path,
        method: body === undefined ? 'GET' : 'POST',
        agent: new Agent({ keepAlive: false }),
        servername: managerName,
        ...(root === undefined ? { rejectUnauthorized: false } : { ca: root }),
        ...(identity !== undefined && { cert: identity.cert, key: identity.key }),
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        signal: AbortSignal.any([signal, timeoutSignal(limitMs)]),
      },
      (res) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        res.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes > bytesMax) req.destroy(new Error('answer too large'));
        });
        res.on('error', fail);
        res.on('end', () => {
          const answer = Buffer.concat(chunks);
          if (res.statusCode === 200) resolve(answer);
          else fail(faultFrom(answer));
        });
      },
    );
    req.on('error', fail);
    if (typeof body !== 'function') req.end(body);
    else
      req.on('socket', (socket) =>
        socket.once('secureConnect', () => {
          try {
            req.end(body(socket as TLSSocket));
          } catch (error) {
            req.destroy(error as Error);
          }
        }),
      );
  });
}

function faultFrom(answer: Buffer): Error {
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer.toString('utf8'));
  } catch {
    return new Error('unreadable answer');
  }
  const told = wireFaultFrom(fieldsOf(parsed)?.['error']);
  return told === undefined ? new Fault('Unknown', 'refused') : faultOf(told);
}
