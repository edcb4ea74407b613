import { expect, test } from '@jest/globals';
import {
  Authority,
  createCluster,
  createRequest,
  generateKeys,
  nodeValidityMs,
  readCertificate,
  readCertificates,
  verifyNodeCertificate,
} from '../../../pki/mod.ts';
import { codeOf, nowMs, openssl } from './support.ts';

const material = createCluster({ clusterId: 'c1', nowMs });
const keys = generateKeys();
const who = { nodeId: 'n1', role: 'manager', validityMs: nodeValidityMs, nowMs } as const;

test('a new cluster’s CA signs requests and keys, also after its material was stored', () => {
  const restored = new Authority(JSON.parse(JSON.stringify(material)));
  const requestPem = createRequest(keys.privateKey);
  const byRequest = restored.signNode({ ...who, requestPem });
  const byKey = restored.signNode({ ...who, publicKey: keys.publicKey });
  for (const pem of [byRequest, byKey]) {
    expect(readCertificate(pem).x509.checkPrivateKey(keys.privateKey)).toBe(true);
    expect(verifyNodeCertificate(pem, material.rootCertPem, 'c1', nowMs).ok).toBe(true);
  }
});

test('a request cannot ask for a role, a name or a longer life', () => {
  const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const args = ['req', '-new', '-key', '@k.pem', '-subj', '/O=c1/OU=swarm-manager/CN=boss'];
  const greedy = [...args, '-addext', 'subjectAltName=DNS:swarm-manager,DNS:swarm-ca'];
  const requestPem = openssl(greedy, { 'k.pem': key });
  const pem = new Authority(material).signNode({ ...who, role: 'worker', requestPem });
  expect(readCertificate(pem)).toMatchObject({ nodeId: 'n1', role: 'worker', clusterId: 'c1' });
  expect(readCertificate(pem).x509.subjectAltName).toBe('DNS:n1, DNS:swarm-worker');
});

test('during a rotation certificates carry the cross-signed root', () => {
  const fresh = createCluster({ clusterId: 'c1', nowMs });
  const intermediatePem = new Authority(material).crossSign(fresh.rootCertPem);
  const pem = new Authority({ ...fresh, intermediatePem }).signNode({
    ...who,
    publicKey: keys.publicKey,
  });
  const [leaf, intermediate, ...more] = readCertificates(pem);
  expect(more).toEqual([]);
  expect(leaf?.nodeId).toBe('n1');
  expect(intermediate?.x509.checkIssued(readCertificate(material.rootCertPem).x509)).toBe(true);
  const both = material.rootCertPem + fresh.rootCertPem;
  expect(verifyNodeCertificate(pem, both, 'c1', nowMs).ok).toBe(true);
  const onlyOld = verifyNodeCertificate(pem, material.rootCertPem, 'c1', nowMs);
  expect(onlyOld).toEqual({ ok: false, reason: 'unknown-issuer' });
});

test('refuses material that does not belong together', () => {
  const other = createCluster({ clusterId: 'c1', nowMs });
  const make = (changes: object) => codeOf(() => new Authority({ ...material, ...changes }));
  expect(make({ rootKeyPem: other.rootKeyPem })).toBe('key-mismatch');
  expect(make({ rootKeyPem: 'x' })).toBe('bad-key');
  expect(make({ rootCertPem: 'x' })).toBe('bad-pem');
  expect(make({ rootCertPem: material.rootCertPem + other.rootCertPem })).toBe('bad-pem');
  expect(make({ clusterId: 'swarm-ca' })).toBe('bad-name');
  expect(codeOf(() => createCluster({ clusterId: 'a b', nowMs }))).toBe('bad-name');
});

test('refuses an encrypted key with a code', () => {
  const rootKeyPem = openssl(
    ['pkcs8', '-topk8', '-in', '@k.pem', '-passout', 'pass:secret', '-v2', 'aes-256-cbc'],
    { 'k.pem': material.rootKeyPem },
  );
  expect(codeOf(() => new Authority({ ...material, rootKeyPem }))).toBe('bad-key');
});
