// Roots that users bring, made by openssl: RSA and EC. OpenSSL's clock is the real one, so these tests use it.

import { describe, expect, test } from '@jest/globals';
import {
  Authority,
  caTools,
  createCluster,
  generateKeys,
  nodeTlsInfo,
  readCertificate,
  readCertificates,
  tlsInfo,
  verifyNodeCertificate,
} from '../../../pki/mod.ts';
import { readUserRoot } from '../../../pki/user-root.ts';
import { type KeyKind, keyKinds, opensslKey, opensslRoot } from '../ca/helpers.ts';
import { openssl } from './support.ts';

/** A little ahead, because openssl makes its roots later than this line. */
const nowMs = Date.now() + 60_000;
const tools = caTools(() => nowMs);
const clusterId = 'c1';
const keys = generateKeys();
const own = createCluster({ clusterId, nowMs });
const ownRoot = { certPem: own.rootCertPem, keyPem: own.rootKeyPem };
const who = { nodeId: 'n1', role: 'manager', validityMs: 86_400_000, nowMs } as const;
const publicKey = keys.publicKey;
const verifiesAs = (pem: string, roots: string) =>
  verifyNodeCertificate(pem, roots, clusterId, nowMs).ok;

/** Whether OpenSSL takes the first certificate of `chain`, with the others to help, for one of `root`. */
const opensslVerifies = (chain: string, root: string): string =>
  openssl(['verify', '-CAfile', '@root', '-untrusted', '@chain', '@leaf'], {
    root,
    chain,
    leaf: readCertificate(chain).x509.toString(),
  });

describe.each(Object.keys(keyKinds) as KeyKind[])('%s', (kind) => {
  const root = opensslRoot(kind);

  test('is a root, with its key in any form', () => {
    const read = tools.readRoot(root.certPem, root.keyPem);
    expect(read).toMatchObject({ ok: true, certificates: 1 });
    if (!read.ok) throw new Error(read.text);
    expect(read.issuer).toEqual(tools.issuerOf(root.certPem));
    expect(read.notAfter - nowMs).toBeGreaterThan(3649 * 86_400_000);
    const args = kind === 'RSA-2048' ? ['rsa', '-traditional'] : ['ec'];
    const traditional = openssl([...args, '-in', '@k.pem'], { 'k.pem': root.keyPem });
    expect(traditional).toContain(kind === 'RSA-2048' ? 'BEGIN RSA' : 'BEGIN EC');
    expect(tools.readRoot(root.certPem, traditional)).toEqual(read);
    expect(tools.readRoot(root.certPem, '')).toEqual({ ...read, keyPem: '' });
  });

  test('issues what we and OpenSSL verify', () => {
    const authority = new Authority({
      clusterId,
      rootCertPem: root.certPem,
      rootKeyPem: root.keyPem,
    });
    const pem = authority.signNode({ ...who, publicKey });
    expect(verifiesAs(pem, root.certPem)).toBe(true);
    expect(opensslVerifies(pem, root.certPem)).toContain('OK');
    expect(nodeTlsInfo(pem, own.rootCertPem + root.certPem)).toEqual({
      ...tlsInfo(own.rootCertPem, root.certPem),
    });
  });

  test('takes over from a generated root, and gives over to one', () => {
    const pairs = [
      [ownRoot, root],
      [root, ownRoot],
    ] as const;
    for (const [old, next] of pairs) {
      const intermediatePem = tools.crossSign(old, next.certPem) ?? '';
      const chain = new Authority({
        clusterId,
        rootCertPem: next.certPem,
        rootKeyPem: next.keyPem,
        intermediatePem,
      }).signNode({ ...who, publicKey });
      expect(readCertificates(chain)).toHaveLength(2);
      expect(verifiesAs(chain, old.certPem + next.certPem)).toBe(true);
      // Whoever has only one of the two knows it all the same.
      expect(opensslVerifies(chain, old.certPem)).toContain('OK');
      expect(opensslVerifies(chain, next.certPem)).toContain('OK');
    }
  });

  test('takes over from any other kind', () => {
    for (const other of Object.keys(keyKinds) as KeyKind[]) {
      const old = opensslRoot(other, { subject: '/CN=old' });
      const intermediatePem = tools.crossSign(old, root.certPem) ?? '';
      expect(opensslVerifies(intermediatePem, old.certPem)).toContain('OK');
    }
  });

  test('another key is not its key', () => {
    const text = 'certificate key mismatch';
    expect(tools.readRoot(root.certPem, ownRoot.keyPem)).toEqual({ ok: false, text });
    const same = opensslKey(keyKinds[kind]);
    expect(tools.readRoot(root.certPem, same)).toEqual({ ok: false, text });
    expect(tools.crossSign({ certPem: root.certPem, keyPem: same }, own.rootCertPem)).toBe(
      undefined,
    );
  });
});

const refused = (certPem: string, keyPem = '', at = nowMs): string => {
  const read = readUserRoot(certPem, keyPem, at);
  return read.ok ? 'accepted' : read.text;
};

test('what is no certificate or no key', () => {
  const parse = 'invalid root certificates: {"code":1003,"message":"Failed to parse certificate"}';
  expect(refused('')).toBe(parse);
  expect(refused('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')).toBe(parse);
  expect(refused(own.rootKeyPem)).toBe(parse);
  expect(refused(own.rootKeyPem + own.rootCertPem)).toBe(parse);
  const decode = 'malformed private key: {"code":2002,"message":"Failed to decode private key"}';
  expect(refused(own.rootCertPem, 'x')).toBe(decode);
  const key = 'malformed private key: {"code":2003,"message":"Failed to parse private key"}';
  const encrypted = openssl(
    ['pkcs8', '-topk8', '-in', '@k.pem', '-passout', 'pass:secret', '-v2', 'aes-256-cbc'],
    { 'k.pem': own.rootKeyPem },
  );
  expect(refused(own.rootCertPem, encrypted)).toBe(key);
});

test('out of date', () => {
  const { certPem } = opensslRoot('P-256', { days: 1 });
  const text = 'error while validating Root CA Certificate: x509: certificate has expired';
  expect(refused(certPem, '', nowMs + 2 * 86_400_000)).toMatch(
    new RegExp(`^${text} or is not yet valid: current time \\S+Z is after \\S+Z$`),
  );
  expect(refused(certPem, '', nowMs - 2 * 86_400_000)).toContain('is before');
});

test('not signed by itself', () => {
  const root = opensslRoot('P-256', { subject: '/CN=old' });
  const crossed = tools.crossSign(root, own.rootCertPem) ?? '';
  expect(refused(crossed)).toBe(
    'error while validating Root CA Certificate: x509: certificate signed by unknown authority',
  );
  expect(refused(own.rootCertPem + crossed)).toContain('unknown authority');
});

const weak = (algorithm: readonly string[], args: readonly string[]): string =>
  openssl(['req', '-x509', '-new', '-key', '@k.pem', '-subj', '/CN=x', '-days', '900', ...args], {
    'k.pem': opensslKey(algorithm),
  });

test.each([
  ['unsupported signature algorithm: SHA1-RSA', keyKinds['RSA-2048'], ['-sha1']],
  ['unsupported signature algorithm: ECDSA-SHA1', keyKinds['P-256'], ['-sha1']],
  ['unsupported signature algorithm: 0', keyKinds['RSA-2048'], ['-sigopt', 'rsa_padding_mode:pss']],
  ['unsupported signature algorithm: Ed25519', ['-algorithm', 'ED25519'], []],
  ['unsupported RSA key parameters', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'], []],
  [
    'unsupported ECDSA key parameters',
    ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-224'],
    [],
  ],
  [
    'invalid root certificates: {"code":1003,"message":"Failed to parse certificate"}',
    ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
    [],
  ],
  ['accepted', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'], []],
])('other kinds: %s', (text, algorithm, args) => {
  expect(refused(weak(algorithm, args))).toBe(text);
});

test('a certificate that is no CA’s cannot be cross-signed', () => {
  const { certPem } = opensslRoot('P-256', {
    args: ['-addext', 'basicConstraints=critical,CA:FALSE'],
  });
  expect(readCertificate(certPem).isCa).toBe(false);
  expect(tools.crossSign(ownRoot, certPem)).toBeUndefined();
});

test('certificates in one form', () => {
  const two = own.rootCertPem + opensslRoot('P-256').certPem;
  expect(tools.normalize(`x\n${two.replaceAll('\n', '\r\n')}`)).toBe(two);
  expect(tools.normalize('')).toBe('');
  expect(tools.normalize('-----BEGIN CERTIFICATE-----')).toBe('');
  const mixed = own.rootKeyPem + own.rootCertPem;
  expect(tools.normalize(`${mixed}\n`)).toBe(mixed.trim());
});

test('TLSInfo of a node whose certificate is of no root it trusts', () => {
  const pem = new Authority(own).signNode({ ...who, publicKey });
  const other = createCluster({ clusterId, nowMs });
  expect(() => nodeTlsInfo(pem, other.rootCertPem)).toThrow('no trusted root has issued');
  expect(nodeTlsInfo(pem, other.rootCertPem + own.rootCertPem)).toEqual(
    tlsInfo(other.rootCertPem, own.rootCertPem),
  );
});
