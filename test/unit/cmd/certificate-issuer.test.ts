import { expect, test } from '@jest/globals';
import type { Manager } from '../../../actors/manager/manager.ts';
import {
  type CertificateIssuerOptions,
  CertificateIssuer,
} from '../../../cmd/certificate-issuer.ts';
import { commands } from '../../../domain/commands/mod.ts';
import type { Cluster } from '../../../domain/model/objects.ts';
import { Store } from '../../../domain/store/store.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settle } from '../../support/settle.ts';
import {
  Authority,
  createCluster,
  createRequest,
  generateKeys,
  makeJoinToken,
  newJoinSecret,
  proveRejoin,
  readCertificate,
} from '../../../pki/mod.ts';

const clusterId = 'c'.repeat(25);
const hour = 3_600_000;

const soon = (fire: () => void): number => {
  queueMicrotask(fire);
  return 0;
};

/** A manager of one store, and its certificate issuer; `nowMs` moves by `at`. */
function certificateIssuer(
  clock: CertificateIssuerOptions['clock'] = { setTimeout: soon },
  turn: CertificateIssuerOptions['turn'] = () => Promise.resolve(),
) {
  const nowMs = Date.now();
  const material = createCluster({ clusterId, nowMs });
  const token = () => makeJoinToken(material.rootCertPem, newJoinSecret());
  const tokens = { worker: token(), manager: token() };
  const store = new Store();
  const apply = (changes: Parameters<Store['apply']>[0]['changes']): void => {
    store.apply({ index: store.index + 1, at: nowMs, changes });
  };
  apply([
    {
      op: 'put',
      kind: 'cluster',
      object: {
        id: clusterId,
        rootCa: { certPem: material.rootCertPem, keyPem: material.rootKeyPem, tokens },
        spec: { CAConfig: { NodeCertExpiry: 2 * hour * 1e6 } },
      } as unknown as Cluster,
    },
  ]);
  const time = { at: nowMs };
  const manager = {
    read: () => Promise.resolve(store),
    view: () => store,
    command: async (name: string, body: unknown) => {
      const decided = commands[name]?.decide(store, { now: time.at } as never, body);
      apply(decided?.changes ?? []);
      return { result: decided?.result, index: store.index };
    },
  } as unknown as Manager;
  return {
    certificateIssuer: new CertificateIssuer({
      manager,
      now: () => time.at,
      clock,
      turn,
      connect: () => {
        throw new Error('no external CA here');
      },
      onCaFailure: () => undefined,
    }),
    store,
    apply,
    time,
    tokens,
    material,
  };
}

const peer = '10.0.0.8';
const ask = (token: string, keys = generateKeys()) => ({
  token,
  request: createRequest(keys.privateKey),
  availability: '',
  labels: { rack: 'a' },
  addr: '',
});
const der = (pem: string): Buffer => readCertificate(pem).x509.raw;

test('a worker’s token makes a worker; asked again with the same key it is the same node', async () => {
  const { certificateIssuer: d, store, tokens } = certificateIssuer();
  const asked = ask(tokens.worker);
  const first = await d.admit(asked, '::ffff:10.0.0.7');
  expect(readCertificate(first.certificate).role).toBe('worker');
  expect(store.node(first.nodeId)?.status).toMatchObject({ state: 'unknown', addr: '10.0.0.7' });
  const again = await d.admit({ ...asked, labels: { rack: 'b' } }, '10.0.0.7');
  expect(store.node(first.nodeId)?.spec.Labels).toEqual({ rack: 'a' });
  expect(again.nodeId).toBe(first.nodeId);
  expect(store.count('node')).toBe(1);
});

test('joins that come together are committed together', async () => {
  const clock = new VirtualClock();
  const { certificateIssuer: d, store, tokens } = certificateIssuer(clock);
  const joins = [d.admit(ask(tokens.worker), peer)];
  await settle();
  joins.push(d.admit(ask(tokens.worker), peer));
  await settle();
  expect(store.count('node')).toBe(0);
  clock.step();
  await Promise.all(joins);
  expect(store.count('node')).toBe(2);
  expect(clock.step()).toBe(false);
});

test('a manager’s role cannot be had with a worker’s token, whatever the request says', async () => {
  const { certificateIssuer: d, tokens } = certificateIssuer();
  const granted = await d.admit({ ...ask(tokens.worker), role: 'manager' } as never, peer);
  expect(readCertificate(granted.certificate).role).toBe('worker');
  expect(readCertificate(granted.certificate).x509.subjectAltName).not.toContain('swarm-manager');
});

test.each(['', 'SWMTKN-1-x', 'x'.repeat(10_000)])('token %# is refused', async (token) => {
  await expect(certificateIssuer().certificateIssuer.admit(ask(token), peer)).rejects.toMatchObject(
    {
      code: 'InvalidArgument',
      message: 'A valid join token is necessary to join this cluster',
    },
  );
});

test('only a new node waits for its turn, and only with a token', async () => {
  const turns: number[] = [];
  const {
    certificateIssuer: d,
    store,
    tokens,
  } = certificateIssuer(undefined, (perS) => {
    turns.push(perS);
    return turns.length > 1 ? Promise.reject(new Error('come again')) : Promise.resolve();
  });
  const first = ask(tokens.worker);
  await d.admit(first, peer);
  await d.admit(first, peer);
  await expect(d.admit(ask('x'), peer)).rejects.toThrow(/valid join token/);
  expect(turns).toEqual([25]);
  await expect(d.admit(ask(tokens.worker), peer)).rejects.toThrow('come again');
  expect(store.count('node')).toBe(1);
});

test('a member renews with a new key and keeps its identity', async () => {
  const { certificateIssuer: d, tokens, time } = certificateIssuer();
  const { certificate, nodeId } = await d.admit(ask(tokens.worker), peer);
  time.at += hour;
  const renewed = await d.renew(createRequest(generateKeys().privateKey), der(certificate));
  expect(renewed.nodeId).toBe(nodeId);
  expect(readCertificate(renewed.certificate).notAfterMs).toBeGreaterThan(
    readCertificate(certificate).notAfterMs,
  );
});

test('nobody renews with a certificate that is over, of a removed node or of another root', async () => {
  const { certificateIssuer: d, tokens, time, apply } = certificateIssuer();
  const request = createRequest(generateKeys().privateKey);
  const { certificate, nodeId } = await d.admit(ask(tokens.worker), peer);
  time.at += 3 * hour;
  await expect(d.renew(request, der(certificate))).rejects.toThrow(/refused: expired/);
  time.at -= 6 * hour;
  await expect(d.renew(request, der(certificate))).rejects.toThrow(/refused: not-yet-valid/);
  time.at += 3 * hour;
  const foreign = new Authority(createCluster({ clusterId, nowMs: time.at })).signNode({
    nodeId,
    role: 'manager',
    requestPem: request,
    validityMs: hour,
    nowMs: time.at,
  });
  await expect(d.renew(request, der(foreign))).rejects.toThrow(/refused: (unknown-issuer|bad-sig)/);
  apply([{ op: 'delete', kind: 'node', id: nodeId }]);
  await expect(d.renew(request, der(certificate))).rejects.toMatchObject({
    code: 'PermissionDenied',
  });
});

/** A node that is down, with the key of its first certificate. */
async function lostNode() {
  const made = certificateIssuer();
  const last = generateKeys();
  const { nodeId } = await made.certificateIssuer.admit(ask(made.tokens.worker, last), peer);
  const fields = { status: { state: 'down', message: '', addr: '' } } as const;
  made.apply([{ op: 'patch', kind: 'node', id: nodeId, fields }]);
  /** Each on a connection of its own, unless it is named. */
  let connections = 0;
  const comeBack = (by: typeof last, next: typeof last, token = made.tokens.worker) => {
    const channel = `connection ${++connections}`;
    const claim = { clusterId, nodeId, channel, requestPem: createRequest(next.privateKey) };
    const request = { token, nodeId, request: claim.requestPem };
    return made.certificateIssuer.rejoin(
      { ...request, proof: proveRejoin(claim, by.privateKey) },
      channel,
    );
  };
  return { ...made, last, nodeId, comeBack };
}

test('a return spends the key; the same request is answered again, no other is', async () => {
  const { comeBack, last, nodeId } = await lostNode();
  const [next, other] = [generateKeys(), generateKeys()];
  for (let times = 0; times < 2; times++) {
    const issued = await comeBack(last, next);
    expect(issued.nodeId).toBe(nodeId);
    expect(readCertificate(issued.certificate).x509.checkPrivateKey(next.privateKey)).toBe(true);
  }
  await expect(comeBack(last, other)).rejects.toMatchObject({
    code: 'PermissionDenied',
    message: expect.stringContaining('has come back with this key before'),
  });
  await expect(comeBack(next, other)).resolves.toMatchObject({ nodeId });
});

test('a node comes back by the key of a renewal, whether or not its answer has come', async () => {
  for (const usesNew of [false, true]) {
    const { certificateIssuer: d, comeBack, last, nodeId, tokens } = await lostNode();
    const { certificate } = await d.admit(ask(tokens.worker, last), peer);
    const next = generateKeys();
    await d.renew(createRequest(next.privateKey), der(certificate));
    const by = usesNew ? next : last;
    await expect(comeBack(by, usesNew ? generateKeys() : next)).resolves.toMatchObject({ nodeId });
  }
});

test('the first key lets nobody in as a node that has gone on', async () => {
  const { certificateIssuer: d, comeBack, last, tokens } = await lostNode();
  await comeBack(last, generateKeys());
  await expect(d.admit(ask(tokens.worker, last), peer)).rejects.toThrow(/with another key/);
});

test('two that come back by one key at once: one does', async () => {
  const { comeBack, last } = await lostNode();
  const tries = await Promise.allSettled([
    comeBack(last, generateKeys()),
    comeBack(last, generateKeys()),
  ]);
  expect(tries.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
});

test('a state of before knows what the node said last, and spends that', async () => {
  const { apply, comeBack, last, nodeId } = await lostNode();
  const publicKey = last.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  const description = { tls: { publicKey } } as never;
  apply([{ op: 'patch', kind: 'node', id: nodeId, fields: { keys: undefined, description } }]);
  await expect(comeBack(last, generateKeys())).resolves.toMatchObject({ nodeId });
  await expect(comeBack(last, generateKeys())).rejects.toThrow(/has come back with this key/);
});
