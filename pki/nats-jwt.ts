import { createHash } from 'node:crypto';
import { PkiError } from './errors.ts';
import { isPublicNKey, type NKey, signWithNKey, toBase32, verifyWithNKey } from './nkey.ts';

/** Claims format 2 of nats-io/jwt; nats-server refuses newer, and reads older by other rules. */
const claimsVersion = 2;
const header = encodePart({ typ: 'JWT', alg: 'ed25519-nkey' });
const requestAudience = 'nats-authorization-request';
/** A request carries one certificate chain, some 5 KB. */
const tokenCharsMax = 64 * 1024;

/** Subjects a user may and may not use; NATS wildcards allowed; deny wins over allow. */
export interface SubjectRules {
  readonly allow: readonly string[];
  readonly deny?: readonly string[];
}

export interface Permissions {
  readonly publish: SubjectRules;
  readonly subscribe: SubjectRules;
  /** Lets the user answer requests it receives: at most `max` messages within `ttlMs` each. */
  readonly respond?: { readonly max: number; readonly ttlMs: number };
}

export interface UserOptions {
  /** The account key that is `auth_callout.issuer` in the server's configuration. */
  readonly issuer: NKey;
  /** `userKey` of the request this answers: a key the server made for this one connection. */
  readonly userKey: string;
  /** Name of the account to put the user in, as in the server's configuration. */
  readonly account: string;
  /** Shown as the user's name in the server's events and connection lists. */
  readonly name: string;
  readonly permissions: Permissions;
  readonly nowMs: number;
  /** The server closes the connection at this time ("user authentication expired"); whole seconds. */
  readonly expiresAtMs?: number;
}

/**
 * The JWT that makes a connection a user with these permissions. For servers whose accounts stand in
 * their configuration: `aud` names the account, and `issuer_account` must be absent. Subjects not
 * allowed are denied, also when the list is empty (to NATS itself an empty list allows everything).
 * Throws `bad-nkey`.
 */
export function signUserJwt(options: UserOptions): string {
  const { permissions, expiresAtMs } = options;
  requirePublic('user', options.userKey);
  return signClaims(options.issuer, options.nowMs, {
    aud: options.account,
    ...(expiresAtMs === undefined ? {} : { exp: Math.floor(expiresAtMs / 1000) }),
    name: options.name,
    sub: options.userKey,
    nats: {
      pub: rules(permissions.publish),
      sub: rules(permissions.subscribe),
      ...(permissions.respond === undefined
        ? {}
        : {
            // A Go duration, in ns.
            resp: { max: permissions.respond.max, ttl: permissions.respond.ttlMs * 1e6 },
          }),
      subs: -1,
      data: -1,
      payload: -1,
      type: 'user',
    },
  });
}

export interface AuthResponseOptions {
  readonly issuer: NKey;
  readonly request: Pick<AuthRequest, 'userKey' | 'serverId'>;
  readonly nowMs: number;
  /** What was decided. The error is logged by the server; the client only learns of a violation. */
  readonly answer: { readonly userJwt: string } | { readonly error: string };
}

/** The JWT that answers a callout; published as it is to the request's reply subject. Throws `bad-nkey`. */
export function signAuthResponseJwt(options: AuthResponseOptions): string {
  const { request, answer } = options;
  requirePublic('user', request.userKey);
  requirePublic('server', request.serverId);
  return signClaims(options.issuer, options.nowMs, {
    aud: request.serverId,
    sub: request.userKey,
    nats: {
      ...('userJwt' in answer ? { jwt: answer.userJwt } : { error: answer.error }),
      type: 'authorization_response',
    },
  });
}

/** What the server asks: who is this connection? Optional texts are undefined where the server has none. */
export interface AuthRequest {
  /** Public nkey of the server, which signed the request. */
  readonly serverId: string;
  readonly serverName: string;
  readonly userKey: string;
  readonly expiresAtMs: number;
  readonly clientHost: string | undefined;
  readonly clientKind: string | undefined;
  readonly connectName: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Undefined without TLS. Chains are PEM texts, leaf first; only `verifiedChains` was verified by the server. */
  readonly tls:
    | {
        readonly certificates: readonly string[];
        readonly verifiedChains: readonly (readonly string[])[];
      }
    | undefined;
}

/**
 * Reads the JWT of a callout and checks its signature, form, audience and age. The signing server
 * vouches for itself: that a message on `$SYS.REQ.USER.AUTH` came from a server is for the account it
 * arrives in to guarantee, which must hold no other users. Throws `bad-jwt`.
 */
export function decodeAuthRequest(token: string, nowMs: number): AuthRequest {
  const claims = openClaims(token);
  const nats = fields(claims['nats']);
  const server = fields(nats['server_id']);
  const client = fields(nats['client_info']);
  const connect = fields(nats['connect_opts']);
  const serverId = text(server['id']) ?? '';
  const userKey = text(nats['user_nkey']) ?? '';
  if (nats['type'] !== 'authorization_request' || claims['aud'] !== requestAudience)
    throw new PkiError('bad-jwt', 'not an authorization request');
  if (serverId !== claims['iss']) throw new PkiError('bad-jwt', 'signed by another server');
  if (!isPublicNKey('user', userKey)) throw new PkiError('bad-jwt', 'no user key');
  const expiresAtMs = typeof claims['exp'] === 'number' ? claims['exp'] * 1000 : 0;
  // `exp` is in whole seconds and rounded down, so the second itself still counts, as in nats-io/jwt.
  if (nowMs >= expiresAtMs + 1000) throw new PkiError('bad-jwt', 'the request has expired');
  return {
    serverId,
    serverName: text(server['name']) ?? '',
    userKey,
    expiresAtMs,
    clientHost: text(client['host']),
    clientKind: text(client['kind']),
    connectName: text(connect['name']),
    user: text(connect['user']),
    password: text(connect['pass']),
    tls: nats['client_tls'] === undefined ? undefined : readTls(fields(nats['client_tls'])),
  };
}

type Fields = Readonly<Record<string, unknown>>;

interface Claims {
  readonly aud: string;
  readonly exp?: number;
  readonly name?: string;
  readonly sub: string;
  readonly nats: Fields;
}

function signClaims(issuer: NKey, nowMs: number, claims: Claims): string {
  requirePublic('account', issuer.publicKey);
  const { nats, ...rest } = claims;
  const standard = { ...rest, iat: Math.floor(nowMs / 1000), iss: issuer.publicKey };
  // nats-io/jwt makes the ID so: SHA-512/256 over the standard claims without the ID.
  const jti = toBase32(createHash('sha512-256').update(JSON.stringify(standard)).digest());
  const body = encodePart({ ...standard, jti, nats: { ...nats, version: claimsVersion } });
  const signed = `${header}.${body}`;
  return `${signed}.${signWithNKey(issuer, Buffer.from(signed)).toString('base64url')}`;
}

/** The claims of a token whose issuer, a server, signed it. */
function openClaims(token: string): Fields {
  if (token.length > tokenCharsMax) throw new PkiError('bad-jwt', 'token too long');
  const [head, body, signature, ...more] = token.split('.');
  if (head === undefined || body === undefined || signature === undefined || more.length > 0)
    throw new PkiError('bad-jwt', 'not a JWT');
  const { typ, alg } = decodePart(head);
  if (typ !== 'JWT' || alg !== 'ed25519-nkey') throw new PkiError('bad-jwt', 'unknown algorithm');
  const claims = decodePart(body);
  const issuer = text(claims['iss']) ?? '';
  const signed = Buffer.from(`${head}.${body}`);
  if (
    !isPublicNKey('server', issuer) ||
    !verifyWithNKey('server', issuer, signed, Buffer.from(signature, 'base64url'))
  )
    throw new PkiError('bad-jwt', 'wrong signature');
  return claims;
}

function readTls(tls: Fields): AuthRequest['tls'] {
  return {
    certificates: texts(tls['certs']),
    verifiedChains: list(tls['verified_chains']).map(texts),
  };
}

function rules(subjects: SubjectRules): Fields {
  const deny = subjects.deny ?? [];
  if (subjects.allow.length === 0) return { deny: ['>'] };
  return { allow: subjects.allow, ...(deny.length === 0 ? {} : { deny }) };
}

function requirePublic(kind: 'user' | 'server' | 'account', key: string): void {
  if (!isPublicNKey(kind, key)) throw new PkiError('bad-nkey', `not the key of a ${kind}`);
}

function encodePart(value: Fields): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decodePart(part: string): Fields {
  try {
    return fields(JSON.parse(Buffer.from(part, 'base64url').toString('utf8')));
  } catch (cause) {
    throw new PkiError('bad-jwt', 'not a JWT', { cause });
  }
}

function fields(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PkiError('bad-jwt', 'a field is missing');
  return value as Fields;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function texts(value: unknown): readonly string[] {
  return list(value).filter((item) => typeof item === 'string');
}
