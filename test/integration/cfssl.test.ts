// External CAs against cfssl itself, where Debian's package golang-cfssl is installed; without it nothing is tested here.
// The unit tests have a server that signs with openssl.

import { afterEach, describe, expect, test } from '@jest/globals';
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
import { isCfsslInstalled, startCfssl } from '../support/cfssl.ts';
import { type KeyKind, keyKinds, opensslRoot } from '../unit/ca/helpers.ts';
import { openssl } from '../unit/pki/support.ts';

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
  timeoutMs: 60_000,
  answerBytesMax: 256 * 1024,
});

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function started(root: { certPem: string; keyPem: string }): Promise<string> {
  const cfssl = await startCfssl(root, own.rootCertPem);
  closing.push(() => cfssl.stop());
  return cfssl.url;
}

const describeIf = isCfsslInstalled ? describe : describe.skip;
describeIf.each(Object.keys(keyKinds) as KeyKind[])('cfssl with a root of %s', (kind) => {
  const root = opensslRoot(kind);

  test.each(['worker', 'manager'] as const)('signs for a %s', async (role) => {
    const url = await started(root);
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
    const url = await started(root);
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
