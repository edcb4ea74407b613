import type { Msg } from 'nats';
import { errorText } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import {
  type AuthRequest,
  decodeAuthRequest,
  type NKey,
  type Permissions,
  type Role,
  signAuthResponseJwt,
  signUserJwt,
  type TrustedRoots,
  verifyNodeCertificate,
} from '../../pki/mod.ts';
import type { Unsubscribe } from '../ports.ts';
import { subjects } from '../subjects.ts';
import { accounts, authTimeoutSeconds } from './config.ts';
import type { Link } from './link.ts';
import { NewestFirst } from './newest-first.ts';

export interface AuthOptions {
  /** The account key whose public half is the server's `issuer`. */
  readonly issuer: NKey;
  readonly clusterId: string;
  /** Asked for each connection: during a rotation there are two roots. */
  readonly roots: () => TrustedRoots;
  /** Nodes that were removed, or lost the role that their certificate names while it is still valid. */
  readonly isRevoked: (nodeId: string, role: Role) => boolean;
  /** Nodes that are kept out for a while, because they sent too much. */
  readonly isBarred?: (nodeId: string) => boolean;
  readonly now: () => number;
  /** A node was let in by this certificate, whose key it has proved to have. */
  readonly onProved?: (nodeId: string, certificatePem: string) => void;
  readonly onDenied: (denial: Denial) => void;
}

/** For logs only; the client is told nothing but "Authorization Violation". */
export interface Denial {
  readonly reason: string;
  readonly host: string;
  /** Node ID that the certificate claims; '' without a certificate that can be trusted. */
  readonly nodeId: string;
}

const calloutSubject = '$SYS.REQ.USER.AUTH';
/** Every manager answers for every other one's server; each question goes to one of them. */
const queueGroup = 'natswarm';
/** An agent answers each request once. The server keeps a right to answer for so long; the longest wait for a line of a log. */
const respond = { max: 1, ttlMs: 2 * limits.logHoldMsMax } as const;

/** Answers the server's question who a connection is and what it may do, until unsubscribed. */
export function serveAuth(link: Link, options: AuthOptions): Unsubscribe {
  const waiting = new NewestFirst<Msg>((message) => answer(message, options), {
    itemsMax: limits.busConnectionsMax,
    ageMsMax: authTimeoutSeconds * 1_000,
  });
  return link.subscribe(
    calloutSubject,
    (error, message) => {
      if (error === null) waiting.add(message);
    },
    queueGroup,
  );
}

/** Whoever cannot be judged gets no answer, and with that no way in. */
function answer(message: Msg, options: AuthOptions): void {
  try {
    judge(message, options);
  } catch (error) {
    const reason = errorText(error);
    options.onDenied({ reason, host: '', nodeId: '' });
  }
}

/** Throws `PkiError` for a question that does not come from a server. */
function judge(message: Msg, options: AuthOptions): void {
  const nowMs = options.now();
  const request = decodeAuthRequest(message.string(), nowMs);
  const decision = decide(request, options, nowMs);
  if ('error' in decision)
    options.onDenied({
      reason: decision.error,
      host: request.clientHost ?? '',
      nodeId: decision.nodeId,
    });
  message.respond(
    signAuthResponseJwt({ issuer: options.issuer, request, nowMs, answer: decision }),
  );
  if ('pem' in decision) options.onProved?.(decision.nodeId, decision.pem);
}

type Decision =
  | { readonly userJwt: string; readonly nodeId: string; readonly pem: string }
  | { readonly error: string; readonly nodeId: string };

function decide(request: AuthRequest, options: AuthOptions, nowMs: number): Decision {
  const pem = request.tls?.verifiedChains[0]?.[0];
  if (pem === undefined) return { error: 'no certificate', nodeId: '' };
  const verified = verifyNodeCertificate(pem, options.roots(), options.clusterId, nowMs);
  if (!verified.ok) return { error: `certificate: ${verified.reason}`, nodeId: '' };
  const { nodeId, role } = verified;
  if (options.isRevoked(nodeId, role)) return { error: 'revoked', nodeId };
  if (options.isBarred?.(nodeId) === true)
    return { error: 'sent too much; kept out for a while', nodeId };
  const permissions = permissionsOf(role, nodeId);
  if (permissions === undefined) return { error: `no rights for role ${role}`, nodeId };
  return {
    nodeId,
    pem,
    userJwt: signUserJwt({
      issuer: options.issuer,
      userKey: request.userKey,
      account: accounts.bus,
      name: nodeId,
      permissions,
      nowMs,
      expiresAtMs: verified.notAfterMs,
    }),
  };
}

/** What a certificate lets its holder do on the bus; undefined: nothing. */
export function permissionsOf(role: Role, nodeId: string): Permissions | undefined {
  const inbox = `${subjects.inboxPrefix(nodeId)}.>`;
  switch (role) {
    case 'worker':
      return {
        publish: { allow: subjects.agentPublishes(nodeId) },
        subscribe: { allow: [...subjects.nodeSubscribes(nodeId), inbox] },
        respond,
      };
    case 'manager':
      // Answers go to every node's inbox, which no pattern of NATS names.
      return { publish: { allow: ['>'] }, subscribe: { allow: [subjects.everything, inbox] } };
    case 'client':
      return undefined;
  }
}
