// The client against a real HTTPS server on the loopback that signs with openssl.

import { afterEach, describe, expect, test } from '@jest/globals';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { planRotation } from '../../domain/ca/plan-rotation.ts';
import { CaInquiry } from '../../domain/ca/questions.ts';
import { signingOf } from '../../domain/ca/signing.ts';
import { Store } from '../../domain/store/store.ts';
import { cfsslConnect } from '../../pki/adapters/cfssl.ts';
import {
  askExternalCa,
  Authority,
  caTools,
  createCluster,
  createRequest,
  generateKeys,
  nodeTlsInfo,
  privateKeyToPem,
  readCertificates,
  signExternally,
  verifyNodeCertificate,
} from '../../pki/mod.ts';
import { type Answerer, CfsslServer } from '../support/cfssl-server.ts';
import {
  changed,
  clusterWith,
  type KeyKind,
  keyKinds,
  nodeOf,
  opensslRoot,
} from '../unit/ca/helpers.ts';

/** A little ahead: openssl's certificates begin when they are made. */
const nowMs = (): number => Date.now() + 60_000;
const clusterId = clusterWith().id;
const own = createCluster({ clusterId, nowMs: Date.now() });
const keys = generateKeys();
const manager = { nodeId: 'm1', role: 'manager', validityMs: 86_400_000 } as const;
const identity = {
  certificatePem: new Authority(own).signNode({
    ...manager,
    nowMs: Date.now(),
    publicKey: keys.publicKey,
  }),
  keyPem: privateKeyToPem(keys.privateKey),
};
const connect = cfsslConnect({
  identity: () => identity,
  timeoutMs: 60_000,
  answerBytesMax: 64 * 1024,
});
const request = {
  nodeId: 'n1',
  role: 'worker',
  clusterId,
  requestPem: createRequest(keys.privateKey),
} as const;

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function externalCa(root: { certPem: string; keyPem: string }, answer?: Answerer) {
  const server = new CfsslServer(root, own.rootCertPem, answer);
  closing.push(() => server.stop());
  return { server, url: await server.start() };
}

/** A server that takes connections and says nothing; answers its port. */
async function silentServer(): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket));
  closing.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe.each(Object.keys(keyKinds) as KeyKind[])('an external CA with a root of %s', (kind) => {
  const root = opensslRoot(kind);

  test('signs for a node', async () => {
    const { server, url } = await externalCa(root);
    const signing = {
      rootCertPem: root.certPem,
      trustedRootsPem: own.rootCertPem + root.certPem,
      urls: [url],
      intermediatePem: '',
    };
    const pem = await signExternally(connect, signing, request, nowMs);
    expect(verifyNodeCertificate(pem, root.certPem, clusterId, nowMs())).toMatchObject({
      ok: true,
      nodeId: 'n1',
      role: 'worker',
    });
    expect(server.calls).toMatchObject([{ hosts: ['n1', 'swarm-worker'] }]);
  });

  test('is a root that the cluster can rotate to, and from', async () => {
    const { url } = await externalCa(root);
    const externalCas = [{ Protocol: 'cfssl', URL: url, CACert: root.certPem }];
    const rootCa = {
      certPem: own.rootCertPem,
      keyPem: own.rootKeyPem,
      tokens: { worker: 'W', manager: 'M' },
    };
    const settled = clusterWith({ rootCa });
    // There: the cluster has no key of this root.
    const there = await decideWithAnswers(settled, { signingCert: root.certPem, externalCas });
    const signing = signingOf(there, caTools(nowMs).normalize);
    if (signing.by !== 'external') throw new Error('the cluster signs itself');
    const pem = await signExternally(connect, signing, request, nowMs);
    expect(readCertificates(pem)).toHaveLength(2);
    expect(nodeTlsInfo(pem, own.rootCertPem + root.certPem).TrustRoot).toBe(own.rootCertPem);
    const ended = afterwards(there);
    expect(ended.rootCa).toMatchObject({ certPem: root.certPem, keyPem: '' });
    // And back to a root of its own, which the external CA signs.
    const back = await decideWithAnswers(ended, { forceRotate: 1, externalCas });
    expect(back.rootRotation?.keyPem).toContain('PRIVATE KEY');
    const [crossed] = readCertificates(back.rootRotation?.crossSignedPem ?? '');
    const [external] = readCertificates(root.certPem);
    expect(crossed?.x509.verify(external?.x509.publicKey ?? keys.publicKey)).toBe(true);
  });
});

type Cluster = ReturnType<typeof clusterWith>;

/** What the manager will do: ask, wait for the answers, decide. */
async function decideWithAnswers(
  cluster: Cluster,
  asked: Parameters<typeof changed>[1],
): Promise<Cluster> {
  const inquiry = new CaInquiry(caTools(nowMs));
  changed(cluster, asked, { ca: inquiry.asking(), now: nowMs() });
  for (const question of inquiry.questions)
    inquiry.answer(question, await askExternalCa(connect, question, nowMs));
  return changed(cluster, asked, { ca: inquiry.knowing(), now: nowMs() });
}

/** The cluster once its only node has renewed. */
function afterwards(cluster: Cluster): Cluster {
  const node = nodeOf('n1', cluster.rootRotation?.certPem ?? '');
  const store = Store.load(1, { cluster: [cluster], node: [node], service: [], task: [] });
  const ca = caTools(nowMs);
  const { changes } = planRotation(store, { now: nowMs(), newJoinToken: () => 'T', ca });
  store.apply({ index: 2, at: nowMs(), changes });
  return store.cluster() ?? cluster;
}

const root = opensslRoot('P-256');
const sign = (url: string, trustedRootsPem = root.certPem) =>
  signExternally(
    connect,
    { rootCertPem: root.certPem, trustedRootsPem, urls: [url], intermediatePem: '' },
    request,
    nowMs,
  );

test('a CA that says no, one that gives something else, one of another root', async () => {
  const no = await externalCa(root, () => undefined);
  await expect(sign(no.url)).rejects.toThrow('Policy says no');
  const other = await externalCa(root, () => own.rootCertPem);
  await expect(sign(other.url)).rejects.toThrow('unusable certificate');
  const { url } = await externalCa(opensslRoot('P-256', { subject: '/CN=foreign' }));
  await expect(sign(url)).rejects.toThrow('external CA: ');
  await expect(connect(root.certPem).reach(url)).rejects.toThrow('external CA: ');
});

test('only https, only the named host', async () => {
  const { url } = await externalCa(root);
  await expect(sign(url.replace('https:', 'http:'))).rejects.toThrow('invalid HTTP scheme');
  await expect(sign('nonsense')).rejects.toThrow('not a URL');
  await expect(connect(root.certPem).reach(url.replace('127.0.0.1', '127.0.0.2'))).rejects.toThrow(
    /altnames|ECONNREFUSED/,
  );
  await expect(connect(root.certPem).reach(url)).resolves.toBeUndefined();
  await expect(
    connect(root.certPem).reach(url.replace('127.0.0.1', 'localhost')),
  ).resolves.toBeUndefined();
});

test('a CA that takes no strangers', async () => {
  const { url } = await externalCa(root);
  const foreign = createCluster({ clusterId, nowMs: Date.now() });
  const certificatePem = new Authority(foreign).signNode({
    ...manager,
    nowMs: Date.now(),
    publicKey: keys.publicKey,
  });
  const stranger = cfsslConnect({
    identity: () => ({ ...identity, certificatePem }),
    timeoutMs: 60_000,
    answerBytesMax: 1024,
  });
  await expect(stranger(root.certPem).post(url, '{}')).rejects.toThrow('external CA: ');
});

test('answers and time are bounded', async () => {
  const silent = await silentServer();
  const hasty = cfsslConnect({ identity: () => identity, timeoutMs: 50, answerBytesMax: 1024 });
  const url = `https://127.0.0.1:${silent}/`;
  await expect(hasty(root.certPem).reach(url)).rejects.toThrow('timed out');
  await expect(hasty(root.certPem).post(url, '{}')).rejects.toThrow('external CA: ');
  const { url: long } = await externalCa(root, () => 'x'.repeat(100_000));
  await expect(sign(long)).rejects.toThrow('answer too long');
});

test.each([500, 302, 204])(
  'an answer with status %i is none, and is not followed',
  async (status) => {
    const { server, url } = await externalCa(root, () => status);
    await expect(sign(url)).rejects.toThrow(`unexpected status code ${status}`);
    expect(server.calls).toHaveLength(1);
  },
);
