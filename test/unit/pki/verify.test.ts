import { expect, test } from '@jest/globals';
import {
  Authority,
  createCluster,
  generateKeys,
  privateKeyFromPem,
  readCertificate,
  type Role,
  trustRoots,
  verifyNodeCertificate,
} from '../../../pki/mod.ts';
import { pemDecodeOne, pemEncode } from '../../../pki/pem.ts';
import { codeOf, craft, dayMs, nowMs, rsaKeys } from './support.ts';

const clusterId = 'cluster1';
const material = createCluster({ clusterId, nowMs });
const authority = new Authority(material);
const rootKey = privateKeyFromPem(material.rootKeyPem);
const keys = generateKeys();

function sign(by = authority, role: Role = 'worker', at = nowMs): string {
  const validityMs = 10 * dayMs;
  return by.signNode({ publicKey: keys.publicKey, nodeId: 'n1', role, validityMs, nowMs: at });
}

function reasonFor(pem: string, roots = material.rootCertPem, at = nowMs): string {
  const result = verifyNodeCertificate(pem, roots, clusterId, at);
  return result.ok ? 'accepted' : result.reason;
}

const subject = (unit: string) =>
  [
    ['2.5.4.10', clusterId],
    ['2.5.4.11', unit],
    ['2.5.4.3', 'n1'],
  ] as const;
const clientAuth = '1.3.6.1.5.5.7.3.2';
const crafted = {
  subject: subject('swarm-worker'),
  issuerPem: material.rootCertPem,
  issuerKey: rootKey,
  publicKey: keys.publicKey,
  usage: clientAuth,
};

test.each(['manager', 'worker', 'client'] as const)('accepts a %s of the cluster', (role) => {
  const result = verifyNodeCertificate(
    sign(authority, role),
    material.rootCertPem,
    clusterId,
    nowMs,
  );
  expect(result).toMatchObject({ ok: true, nodeId: 'n1', role, notAfterMs: nowMs + 10 * dayMs });
});

test('accepts the crafted certificate when nothing is wrong with it', () => {
  expect(reasonFor(craft(crafted))).toBe('accepted');
});

test('accepts under an RSA root', () => {
  const root = craftRsaRoot();
  expect(reasonFor(sign(root.authority), root.pem)).toBe('accepted');
});

function craftRsaRoot() {
  const made = new Authority(material).crossSign(material.rootCertPem);
  expect(readCertificate(made).isCa).toBe(true);
  const pem = craft({
    ...crafted,
    subject: [['2.5.4.3', 'swarm-ca']],
    issuerKey: rsaKeys.privateKey,
    publicKey: rsaKeys.publicKey,
    ca: true,
  });
  const rootKeyPem = rsaKeys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { pem, authority: new Authority({ clusterId, rootCertPem: pem, rootKeyPem }) };
}

test('refuses a certificate of another root of the same name and cluster ID', () => {
  const other = createCluster({ clusterId, nowMs });
  expect(reasonFor(sign(new Authority(other)))).toBe('unknown-issuer');
  // Without key IDs only the signature tells such roots apart.
  const without = craft({ ...crafted, issuerKey: privateKeyFromPem(other.rootKeyPem) });
  expect(reasonFor(without)).toBe('bad-signature');
});

test('accepts both roots while both are trusted, in either order', () => {
  const other = createCluster({ clusterId, nowMs });
  const pems = [material.rootCertPem, other.rootCertPem];
  for (const roots of [pems.join(''), pems.toReversed().join('')]) {
    expect(reasonFor(sign(), roots)).toBe('accepted');
    expect(reasonFor(sign(new Authority(other)), roots)).toBe('accepted');
  }
});

test('knows the ends of the validity, to the second', () => {
  const pem = sign();
  const { notBeforeMs, notAfterMs } = readCertificate(pem);
  expect(reasonFor(pem, material.rootCertPem, notBeforeMs)).toBe('accepted');
  expect(reasonFor(pem, material.rootCertPem, notBeforeMs - 1)).toBe('not-yet-valid');
  expect(reasonFor(pem, material.rootCertPem, notAfterMs)).toBe('accepted');
  expect(reasonFor(pem, material.rootCertPem, notAfterMs + 1)).toBe('expired');
});

test('refuses another cluster’s certificate under the same root', () => {
  const foreign = new Authority({ ...material, clusterId: 'cluster2' });
  expect(reasonFor(sign(foreign))).toBe('wrong-cluster');
});

test.each(['swarm-boss', 'swarm-ca', 'SWARM-MANAGER', 'swarm-worker ', ''])(
  'refuses the unit %j',
  (unit) => {
    expect(reasonFor(craft({ ...crafted, subject: subject(unit) }))).toBe('unknown-role');
  },
);

test('refuses two units or two clusters rather than pick one', () => {
  const twoUnits = [...subject('swarm-worker'), ['2.5.4.11', 'swarm-manager'] as const];
  expect(reasonFor(craft({ ...crafted, subject: twoUnits }))).toBe('unknown-role');
  const twoClusters = [...subject('swarm-worker'), ['2.5.4.10', clusterId] as const];
  expect(reasonFor(craft({ ...crafted, subject: twoClusters }))).toBe('wrong-cluster');
});

test('refuses a name that could not have been given', () => {
  const named = (name: string) => [
    ['2.5.4.10', clusterId] as const,
    ['2.5.4.11', 'swarm-worker'] as const,
    ['2.5.4.3', name] as const,
  ];
  for (const name of ['swarm-manager', 'n1.>', '*', ''])
    expect(reasonFor(craft({ ...crafted, subject: named(name) }))).toBe('bad-name');
});

test('refuses a CA as a node, and a certificate not meant for clients', () => {
  expect(reasonFor(craft({ ...crafted, ca: true }))).toBe('is-a-ca');
  expect(reasonFor(craft({ ...crafted, usage: '1.3.6.1.5.5.7.3.1' }))).toBe('not-for-clients');
  const { usage: _usage, ...withoutUsage } = crafted;
  expect(reasonFor(craft(withoutUsage))).toBe('not-for-clients');
});

test('refuses what a node’s own key has signed', () => {
  const nodePem = sign();
  const below = craft({ ...crafted, issuerPem: nodePem, issuerKey: keys.privateKey });
  expect(reasonFor(below)).toBe('unknown-issuer');
  expect(reasonFor(below, nodePem)).toBe('issuer-not-a-ca');
});

test('refuses when the root itself is out of date', () => {
  const { pem, authority: rsa } = craftRsaRoot();
  const root = readCertificate(pem);
  const leaf = sign(rsa);
  expect(readCertificate(leaf).notAfterMs).toBe(root.notAfterMs);
  const early = root.notBeforeMs - 1000;
  const backdated = sign(rsa, 'worker', root.notBeforeMs);
  expect(reasonFor(backdated, pem, early)).toBe('issuer-out-of-date');
});

test('refuses a certificate with any byte of its body or signature changed', () => {
  const der = pemDecodeOne('CERTIFICATE', sign());
  for (let at = 0; at < der.length; at += 3) {
    const changed = Buffer.from(der);
    changed[at] = changed.readUInt8(at) ^ 0x01;
    expect(reasonFor(pemEncode('CERTIFICATE', changed))).not.toBe('accepted');
  }
  const tampered = Buffer.from(der);
  tampered[der.length - 1] = tampered.readUInt8(der.length - 1) ^ 0x01;
  expect(reasonFor(pemEncode('CERTIFICATE', tampered))).toBe('bad-signature');
});

test('calls junk malformed, and complains of junk among its own roots', () => {
  for (const junk of ['', 'x', pemEncode('CERTIFICATE', Buffer.from('3000', 'hex'))]) {
    expect(reasonFor(junk)).toBe('malformed');
    expect(codeOf(() => trustRoots(junk))).toMatch(/^bad-(pem|certificate)$/);
  }
});
