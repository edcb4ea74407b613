import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { fromPublic } from '@nats-io/nkeys';
import {
  createNKey,
  decodeAuthRequest,
  type NKey,
  signAuthResponseJwt,
  signUserJwt,
  signWithNKey,
} from '../../../pki/mod.ts';
import { toBase32 } from '../../../pki/nkey.ts';
import { codeOf, nowMs } from './support.ts';

const issuer = createNKey('account');
const server = createNKey('server');
const user = createNKey('user');
const permissions = { publish: { allow: ['a.>'] }, subscribe: { allow: ['b.>'], deny: ['b.c'] } };
const options = { issuer, userKey: user.publicKey, account: 'bus', name: 'n1', permissions, nowMs };

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

function token(claims: object, by: NKey = server, header: object = jwtHeader): string {
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${signWithNKey(by, Buffer.from(signed)).toString('base64url')}`;
}

const jwtHeader = { typ: 'JWT', alg: 'ed25519-nkey' };
const chain = [['leaf', 'root']];
const requestNats = {
  server_id: { name: 'm1', host: '127.0.0.1', id: server.publicKey, version: '2.15.1' },
  user_nkey: user.publicKey,
  client_info: { host: '10.0.0.1', id: 7, kind: 'Client', type: 'nats' },
  connect_opts: { name: 'agent', user: 'u', pass: 'p', lang: 'nats.js', protocol: 1 },
  client_tls: { version: '1.3', cipher: 'TLS_AES_128_GCM_SHA256', verified_chains: chain },
  type: 'authorization_request',
  version: 2,
};
const request = {
  aud: 'nats-authorization-request',
  exp: nowMs / 1000 + 5,
  iat: nowMs / 1000,
  iss: server.publicKey,
  sub: issuer.publicKey,
  nats: requestNats,
};
const decode = (claims: object, by?: NKey) => decodeAuthRequest(token(claims, by), nowMs);

test('a user JWT has the claims nats-server reads, signed by the issuer', () => {
  const jwt = signUserJwt({ ...options, expiresAtMs: nowMs + 1999 });
  const [head, body, signature] = jwt.split('.');
  expect(JSON.parse(Buffer.from(head ?? '', 'base64url').toString())).toEqual(jwtHeader);
  const claims = claimsOf(jwt);
  expect(claims).toEqual({
    aud: 'bus',
    exp: nowMs / 1000 + 1,
    name: 'n1',
    sub: user.publicKey,
    iat: nowMs / 1000,
    iss: issuer.publicKey,
    jti: expect.stringMatching(/^[A-Z2-7]{52}$/),
    nats: {
      pub: { allow: ['a.>'] },
      sub: { allow: ['b.>'], deny: ['b.c'] },
      subs: -1,
      data: -1,
      payload: -1,
      type: 'user',
      version: 2,
    },
  });
  const signed = Buffer.from(`${head}.${body}`);
  const bytes = Buffer.from(signature ?? '', 'base64url');
  expect(fromPublic(issuer.publicKey).verify(signed, bytes)).toBe(true);
});

test('the ID is the hash of the other standard claims', () => {
  const { jti, nats: _nats, ...rest } = claimsOf(signUserJwt(options));
  expect(jti).toBe(toBase32(createHash('sha512-256').update(JSON.stringify(rest)).digest()));
});

test('nothing allowed means nothing, not everything', () => {
  const none = { publish: { allow: [] }, subscribe: { allow: [], deny: ['x'] } };
  const { nats } = claimsOf(signUserJwt({ ...options, permissions: none }));
  expect([nats.pub, nats.sub]).toEqual([{ deny: ['>'] }, { deny: ['>'] }]);
});

test('leave to respond is in Go’s units', () => {
  const respond = { max: 1, ttlMs: 5000 };
  const { nats } = claimsOf(signUserJwt({ ...options, permissions: { ...permissions, respond } }));
  expect(nats.resp).toEqual({ max: 1, ttl: 5_000_000_000 });
});

test('an answer carries a user or an error, for one connection of one server', () => {
  const to = { issuer, request: { userKey: user.publicKey, serverId: server.publicKey }, nowMs };
  const yes = claimsOf(signAuthResponseJwt({ ...to, answer: { userJwt: 'the.user.jwt' } }));
  expect(yes).toMatchObject({ aud: server.publicKey, sub: user.publicKey, iss: issuer.publicKey });
  expect(yes.nats).toEqual({ type: 'authorization_response', version: 2, jwt: 'the.user.jwt' });
  const no = claimsOf(signAuthResponseJwt({ ...to, answer: { error: 'expired' } }));
  expect(no.nats).toEqual({ type: 'authorization_response', version: 2, error: 'expired' });
});

test('refuses to sign for or with keys of another kind', () => {
  const serverId = server.publicKey;
  expect(codeOf(() => signUserJwt({ ...options, userKey: serverId }))).toBe('bad-nkey');
  expect(codeOf(() => signUserJwt({ ...options, issuer: user }))).toBe('bad-nkey');
  const swapped = { userKey: serverId, serverId: user.publicKey };
  const answer = { error: 'x' };
  expect(codeOf(() => signAuthResponseJwt({ issuer, request: swapped, nowMs, answer }))).toBe(
    'bad-nkey',
  );
});

test('reads a server’s request', () => {
  expect(decode(request)).toEqual({
    serverId: server.publicKey,
    serverName: 'm1',
    userKey: user.publicKey,
    expiresAtMs: nowMs + 5000,
    clientHost: '10.0.0.1',
    clientKind: 'Client',
    connectName: 'agent',
    user: 'u',
    password: 'p',
    tls: { certificates: [], verifiedChains: chain },
  });
});

test('a request without TLS has no certificates', () => {
  const { client_tls: _tls, ...nats } = requestNats;
  expect(decode({ ...request, nats }).tls).toBeUndefined();
});

test('a request ages', () => {
  const signed = token(request);
  expect(codeOf(() => decodeAuthRequest(signed, nowMs + 5999))).toBe('none');
  expect(codeOf(() => decodeAuthRequest(signed, nowMs + 6000))).toBe('bad-jwt');
});

test.each([
  ['another audience', { aud: 'x' }],
  ['no age', { exp: undefined }],
  ['another issuer than its server', { nats: { ...requestNats, server_id: { id: 'x' } } }],
  ['no user key', { nats: { ...requestNats, user_nkey: server.publicKey } }],
  ['another type', { nats: { ...requestNats, type: 'user' } }],
  ['no body', { nats: null }],
  ['a list for a body', { nats: [] }],
])('refuses a request with %s', (_what, change) => {
  expect(codeOf(() => decode({ ...request, ...change }))).toBe('bad-jwt');
});

test('refuses a request another key has signed, or a user’s own', () => {
  expect(codeOf(() => decode(request, createNKey('server')))).toBe('bad-jwt');
  expect(codeOf(() => decode({ ...request, iss: user.publicKey }, user))).toBe('bad-jwt');
});

test('refuses other algorithms, none included', () => {
  for (const alg of ['none', 'HS256', 'ed25519'])
    expect(
      codeOf(() => decodeAuthRequest(token(request, server, { typ: 'JWT', alg }), nowMs)),
    ).toBe('bad-jwt');
});

test.each(['', '.', '..', 'a.b.c', 'a.b', `${token(request)}.x`, 'x'.repeat(70_000)])(
  'refuses what is no JWT: %#',
  (text) => {
    expect(codeOf(() => decodeAuthRequest(text, nowMs))).toBe('bad-jwt');
  },
);
