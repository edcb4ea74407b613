// External CAs against cfssl itself, where Debian's package golang-cfssl is installed; without it nothing is tested here.
// The unit tests have a server that signs with openssl.

import { afterEach, describe, expect, test } from '@jest/globals';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cfsslConnect } from '../../pki/adapters/cfssl.ts';
import {
  askExternalCa,
  Authority,
  caTools,
  createCluster,
  createRequest,
  generateKeys,
  privateKeyToPem,
  readCertificates,
  signExternally,
  verifyNodeCertificate,
} from '../../pki/mod.ts';
import { opensslSign } from '../support/cfssl-server.ts';
import { freePort } from '../support/free-port.ts';
import { type KeyKind, keyKinds, opensslRoot } from '../unit/ca/helpers.ts';
import { openssl } from '../unit/pki/support.ts';

const isInstalled = ((): boolean => {
  try {
    execFileSync('cfssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** As an administrator configures it for Swarm. */
const config = {
  signing: {
    default: {
      expiry: '2160h',
      usages: ['digital signature', 'key encipherment', 'server auth', 'client auth'],
    },
    profiles: {
      CA: { expiry: '43800h', usages: ['cert sign', 'crl sign'], ca_constraint: { is_ca: true } },
    },
  },
};

/** cfssl's certificates begin five minutes ago, openssl's now. */
const nowMs = (): number => Date.now() + 5_000;
const clusterId = 'c'.repeat(25);
const own = createCluster({ clusterId, nowMs: Date.now() });
const keys = generateKeys();
const identity = {
  certificatePem: new Authority(own).signNode({
    nodeId: 'm1',
    role: 'manager',
    validityMs: 86_400_000,
    nowMs: Date.now(),
    publicKey: keys.publicKey,
  }),
  keyPem: privateKeyToPem(keys.privateKey),
};
const connect = cfsslConnect({
  identity: () => identity,
  timeoutMs: 5_000,
  answerBytesMax: 256 * 1024,
});

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function startCfssl(root: { certPem: string; keyPem: string }): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'cfssl-'));
  const { privateKey } = generateKeys();
  const files: Readonly<Record<string, string>> = {
    ca: root.certPem,
    'ca-key': root.keyPem,
    'tls-cert': opensslSign(root, createRequest(privateKey), '/CN=ca', [
      'subjectAltName=IP:127.0.0.1',
    ]),
    'tls-key': privateKeyToPem(privateKey),
    'mutual-tls-ca': own.rootCertPem,
    config: JSON.stringify(config),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  const port = await freePort();
  const flags = Object.keys(files).map((name) => `-${name}=${join(dir, name)}`);
  const child = spawn('cfssl', ['serve', `-port=${port}`, '-address=127.0.0.1', ...flags], {
    stdio: 'ignore',
  });
  closing.push(() => stop(child, dir));
  const url = `https://127.0.0.1:${port}/api/v1/cfssl/sign`;
  for (let tries = 0; tries < 100; tries++) {
    const isUp = await connect(root.certPem)
      .reach(url)
      .then(
        () => true,
        () => false,
      );
    if (isUp) return url;
    await sleep(50);
  }
  throw new Error('cfssl does not listen');
}

function stop(child: ChildProcess, dir: string): void {
  child.kill('SIGKILL');
  rmSync(dir, { recursive: true });
}

const describeIf = isInstalled ? describe : describe.skip;
describeIf.each(Object.keys(keyKinds) as KeyKind[])('cfssl with a root of %s', (kind) => {
  const root = opensslRoot(kind);

  test.each(['worker', 'manager'] as const)('signs for a %s', async (role) => {
    const url = await startCfssl(root);
    const signing = {
      rootCertPem: root.certPem,
      trustedRootsPem: root.certPem,
      urls: [url],
      intermediatePem: '',
    };
    const requestPem = createRequest(keys.privateKey);
    const who = { nodeId: 'n1', role, clusterId, requestPem };
    const pem = await signExternally(connect, signing, who, nowMs);
    expect(verifyNodeCertificate(pem, root.certPem, clusterId, nowMs())).toMatchObject({
      ok: true,
      nodeId: 'n1',
      role,
    });
  });

  test('signs the root that takes over from its own', async () => {
    const url = await startCfssl(root);
    const newRoot = caTools(nowMs).newRoot();
    const question = { ask: 'cross-sign', rootPem: root.certPem, urls: [url], newRoot } as const;
    const crossed = await askExternalCa(connect, question, nowMs);
    if (typeof crossed !== 'string') throw new Error('not signed');
    const chain = new Authority({
      clusterId,
      rootCertPem: newRoot.certPem,
      rootKeyPem: newRoot.keyPem,
      intermediatePem: crossed,
    }).signNode({
      nodeId: 'n1',
      role: 'worker',
      validityMs: 86_400_000,
      nowMs: Date.now(),
      publicKey: keys.publicKey,
    });
    const [leaf] = readCertificates(chain);
    const files = { root: root.certPem, chain, leaf: leaf?.x509.toString() ?? '' };
    const verify = ['verify', '-CAfile', '@root', '-untrusted', '@chain', '@leaf'];
    expect(openssl(verify, files)).toContain('OK');
  });
});
