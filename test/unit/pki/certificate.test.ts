import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { encode, octets } from '../../../pki/der.ts';
import { roleUnits } from '../../../pki/identity.ts';
import {
  crossSignRoot,
  generateKeys,
  issueNodeCertificate,
  issueRoot,
  makeIssuer,
  nodeValidityMs,
  privateKeyToPem,
  publicKeyPin,
  type Role,
  readCertificate,
  tlsInfo,
} from '../../../pki/mod.ts';
import { pemEncode } from '../../../pki/pem.ts';
import { codeOf, dayMs, nowMs, openssl, rsaKeys } from './support.ts';

const clusterId = 'k3yp9x0c9z8w7v6u5t4s3r2q1';
const nodeKeys = generateKeys();

function rootFor(key: ReturnType<typeof generateKeys>['privateKey']) {
  const pem = issueRoot({ key, nowMs });
  return { pem, issuer: makeIssuer(pem, key) };
}

function node(issuer: ReturnType<typeof makeIssuer>, role: Role = 'worker', changes = {}) {
  return issueNodeCertificate({
    issuer,
    publicKey: nodeKeys.publicKey,
    nodeId: 'node1',
    role,
    clusterId,
    nowMs,
    validityMs: nodeValidityMs,
    ...changes,
  });
}

const signers = {
  'P-256': generateKeys().privateKey,
  'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
  'P-521': generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey,
  'RSA-2048': rsaKeys.privateKey,
};

test.each(Object.entries(signers))('openssl accepts certificates of a %s root', (_kind, key) => {
  const root = rootFor(key);
  for (const purpose of ['sslclient', 'sslserver']) {
    const attime = String(nowMs / 1000);
    const args = ['verify', '-x509_strict', '-purpose', purpose, '-attime', attime];
    const out = openssl([...args, '-CAfile', '@root.pem', '@node.pem'], {
      'root.pem': root.pem,
      'node.pem': node(root.issuer),
    });
    expect(out).toContain('OK');
  }
});

test('a root is self-signed, named swarm-ca, a CA, and lasts 20 years', () => {
  const { pem } = rootFor(signers['P-256']);
  const root = readCertificate(pem);
  expect(root.x509.subject).toBe('CN=swarm-ca');
  expect(root.x509.verify(root.x509.publicKey)).toBe(true);
  expect(root.isCa).toBe(true);
  expect(root.notBeforeMs).toBe(nowMs - 3_600_000);
  expect(root.notAfterMs).toBe(nowMs + 630_720_000_000);
  expect(root.subjectDer.equals(root.issuerDer)).toBe(true);
});

test.each([
  ['manager', ['node1', 'swarm-manager', 'swarm-ca']],
  ['worker', ['node1', 'swarm-worker']],
  ['client', ['node1', 'swarm-client']],
] as const)('a %s certificate says who, what and where', (role, names) => {
  const { issuer } = rootFor(signers['P-256']);
  const pem = node(issuer, role);
  const certificate = readCertificate(pem);
  expect(certificate).toMatchObject({ nodeId: 'node1', role, clusterId, isCa: false });
  expect(certificate.notBeforeMs).toBe(nowMs - 3_600_000);
  expect(certificate.notAfterMs).toBe(nowMs + 90 * dayMs);
  expect(certificate.x509.subject).toBe(`O=${clusterId}\nOU=${roleUnits[role]}\nCN=node1`);
  expect(certificate.x509.subjectAltName).toBe(names.map((name) => `DNS:${name}`).join(', '));
  expect(certificate.x509.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  const text = openssl(['x509', '-noout', '-text', '-in', '@c.pem'], { 'c.pem': pem });
  expect(text).toContain('Digital Signature, Key Encipherment');
  expect(text).toContain('CA:FALSE');
});

test('serial numbers are positive, 16 bytes and differ', () => {
  const { issuer } = rootFor(signers['P-256']);
  const serials = Array.from({ length: 50 }, () => readCertificate(node(issuer)).x509.serialNumber);
  expect(new Set(serials).size).toBe(50);
  for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
});

test('dates from 2050 on are understood by openssl and come back', () => {
  const late = Date.UTC(2045, 5, 1);
  const key = generateKeys().privateKey;
  const pem = issueRoot({ key, nowMs: late });
  expect(readCertificate(pem).notAfterMs).toBe(late + 7300 * dayMs);
  const out = openssl(['x509', '-noout', '-enddate', '-in', '@c.pem'], { 'c.pem': pem });
  expect(out).toContain('2065 GMT');
});

test('a node certificate ends with its root at the latest', () => {
  const { issuer } = rootFor(signers['P-256']);
  const end = issuer.certificate.notAfterMs;
  expect(readCertificate(node(issuer, 'worker', { nowMs: end - dayMs })).notAfterMs).toBe(end);
  expect(codeOf(() => node(issuer, 'worker', { nowMs: end }))).toBe('bad-validity');
});

test.each(['swarm-manager', 'Swarm-CA', '', 'a.b', '*', 'a b', '-a', 'ä', 'x'.repeat(64), 'a\nb'])(
  'refuses the node ID %j, which would be a role or no name',
  (nodeId) => {
    const { issuer } = rootFor(signers['P-256']);
    expect(codeOf(() => node(issuer, 'worker', { nodeId }))).toBe('bad-name');
    expect(codeOf(() => node(issuer, 'worker', { clusterId: nodeId }))).toBe('bad-name');
  },
);

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
  'refuses a validity of %p',
  (value) => {
    const { issuer } = rootFor(signers['P-256']);
    expect(codeOf(() => node(issuer, 'worker', { validityMs: value }))).toBe('bad-validity');
  },
);

test('takes P-384 and RSA keys for nodes, and refuses weak or exotic ones', () => {
  const { issuer } = rootFor(signers['P-256']);
  const withKey = (publicKey: unknown) => codeOf(() => node(issuer, 'worker', { publicKey }));
  expect(withKey(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)).toBe('none');
  expect(withKey(rsaKeys.publicKey)).toBe('none');
  expect(withKey(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)).toBe('bad-key');
  expect(withKey(generateKeyPairSync('ed25519').publicKey)).toBe('bad-key');
  expect(withKey(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)).toBe('bad-key');
});

test('a CA needs a CA certificate and its own key', () => {
  const root = rootFor(signers['P-256']);
  expect(codeOf(() => makeIssuer(root.pem, generateKeys().privateKey))).toBe('key-mismatch');
  expect(codeOf(() => makeIssuer(root.pem, rsaKeys.privateKey))).toBe('key-mismatch');
  expect(codeOf(() => makeIssuer(node(root.issuer), nodeKeys.privateKey))).toBe('not-a-ca');
});

test.each([
  ['P-256', 'RSA-2048'],
  ['RSA-2048', 'P-256'],
] as const)('from a %s root to a %s root: the old one vouches for the new', (from, to) => {
  const old = rootFor(signers[from]);
  const fresh = rootFor(signers[to]);
  const cross = crossSignRoot(old.issuer, fresh.pem);
  const [a, b] = [readCertificate(cross), readCertificate(fresh.pem)];
  expect(a.subjectDer.equals(b.subjectDer)).toBe(true);
  expect(a.publicKeyDer.equals(b.publicKeyDer)).toBe(true);
  expect([a.notBeforeMs, a.notAfterMs]).toEqual([b.notBeforeMs, b.notAfterMs]);
  const files = { 'old.pem': old.pem, 'cross.pem': cross, 'node.pem': node(fresh.issuer) };
  const attime = ['-attime', String(nowMs / 1000)];
  const args = ['verify', ...attime, '-CAfile', '@old.pem'];
  expect(openssl([...args, '-untrusted', '@cross.pem', '@node.pem'], files)).toContain('OK');
  expect(() => openssl([...args, '@node.pem'], files)).toThrow();
  expect(codeOf(() => crossSignRoot(old.issuer, node(old.issuer)))).toBe('not-a-ca');
});

test('roots made elsewhere are issued under as they are, odd names included', () => {
  const key = privateKeyToPem(rsaKeys.privateKey);
  const subject = '/C=DE/O=Ärger & Söhne/OU=a/OU=b/CN=Own Root/emailAddress=a@b.c';
  const args = ['req', '-x509', '-key', '@k.pem', '-days', '40', '-utf8', '-subj', subject];
  const pem = openssl(args, { 'k.pem': key });
  const issuer = makeIssuer(pem, rsaKeys.privateKey);
  const at = Date.now();
  const leaf = node(issuer, 'manager', { nowMs: at });
  const out = openssl(['verify', '-CAfile', '@r.pem', '@n.pem'], {
    'r.pem': pem,
    'n.pem': leaf,
  });
  expect(out).toContain('OK');
  expect(issuer.certificate.role).toBeUndefined();
});

test('TLSInfo is the raw subject and key of the issuer', () => {
  const root = rootFor(signers['P-256']);
  const info = tlsInfo(root.pem, root.pem);
  // SEQUENCE { SET { SEQUENCE { CN, UTF8 "swarm-ca" } } }
  expect(Buffer.from(info.CertIssuerSubject, 'base64').toString('hex')).toBe(
    '30133111300f06035504030c08737761726d2d6361',
  );
  const spki = new X509Certificate(root.pem).publicKey.export({ type: 'spki', format: 'der' });
  expect(info.CertIssuerPublicKey).toBe(spki.toString('base64'));
  expect(info.TrustRoot).toBe(root.pem);
  expect(publicKeyPin(root.pem)).toBe(createHash('sha256').update(spki).digest('hex'));
});

test('refuses what is no certificate', () => {
  const { pem, issuer } = rootFor(signers['P-256']);
  const junk = pemEncode('CERTIFICATE', Buffer.from('3003020101', 'hex'));
  expect(codeOf(() => readCertificate(junk))).toBe('bad-certificate');
  const trailing = Buffer.concat([issuer.certificate.x509.raw, Buffer.of(0)]);
  expect(codeOf(() => readCertificate(pemEncode('CERTIFICATE', trailing)))).toBe('bad-certificate');
  // OpenSSL would find the certificate inside; whose names the outer bytes carry is the sender's choice.
  const hiding = encode(octets(Buffer.from(`\n${pem}`)));
  expect(codeOf(() => readCertificate(pemEncode('CERTIFICATE', hiding)))).toBe('bad-certificate');
});
