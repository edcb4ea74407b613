// What dockerd's own swarm mode says to changes of the root, against the decisions of domain/ca.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { request } from 'node:http';
import { caAfter } from '../../domain/ca/rotation.ts';
import { Fault } from '../../domain/errors.ts';
import { clusterSpecForUpdate } from '../../domain/spec/cluster.ts';
import { caTools, createCluster } from '../../pki/mod.ts';
import { type Engine, startEngine } from '../support/engine.ts';
import { clusterWith, keyKinds, opensslKey, opensslRoot } from '../unit/ca/helpers.ts';
import { openssl } from '../unit/pki/support.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await startEngine({ name: 'swarm-ca' });
  const init = { ListenAddr: '127.0.0.1:2477', AdvertiseAddr: '127.0.0.1' };
  await call('POST', '/swarm/init', init);
});
afterAll(() => engine?.stop());

interface Cluster {
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly CAConfig: { readonly ForceRotate?: number } };
  readonly RootRotationInProgress: boolean;
}

function call(method: string, path: string, body?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: engine.socket, method, path: `/v1.51${path}` };
    const headers = { 'content-type': 'application/json' };
    const sent = request({ ...options, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve(text === '' ? undefined : JSON.parse(text));
      });
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function theirs(CAConfig: object): Promise<string> {
  const { Spec, Version } = (await call('GET', '/swarm')) as Cluster;
  const { ForceRotate } = Spec.CAConfig;
  const spec = { ...Spec, CAConfig: { ForceRotate, ...CAConfig } };
  const answer = await call('POST', `/swarm/update?version=${Version.Index}`, spec);
  if (answer !== undefined) return (answer as { message: string }).message;
  const { RootRotationInProgress } = (await call('GET', '/swarm')) as Cluster;
  return RootRotationInProgress ? 'a rotation runs' : 'no rotation runs';
}

const own = createCluster({ clusterId: 'c1', nowMs: Date.now() });

/** Each case begins with a cluster at rest here; there it may begin while a rotation runs, which no text depends on. */
function ours(CAConfig: object): string {
  const rootCa = {
    certPem: own.rootCertPem,
    keyPem: own.rootKeyPem,
    tokens: { worker: 'W', manager: 'M' },
  };
  const now = (): number => Date.now() + 5_000;
  const ca = {
    ...caTools(now),
    externalAnswers: () => false,
    externalCrossSign: () => undefined,
  };
  try {
    const asked = clusterSpecForUpdate({ CAConfig }).ca;
    const next = caAfter(clusterWith({ rootCa }), asked, { now: now(), ca });
    return next.rootRotation === undefined ? 'no rotation runs' : 'a rotation runs';
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return `rpc error: code = ${error.code} desc = ${error.message}`;
  }
}

const rsa = opensslRoot('RSA-2048');
const ec = opensslRoot('P-256');
type Root = typeof ec;
const given = (root: Root) => ({ SigningCACert: root.certPem, SigningCAKey: root.keyPem });
const ofKind = (algorithm: readonly string[], args: readonly string[] = []): Root => {
  const keyPem = opensslKey(algorithm);
  const full = ['req', '-x509', '-new', '-key', '@k', '-subj', '/CN=x', '-days', '900', ...args];
  return { keyPem, certPem: openssl(full, { k: keyPem }) };
};
const curve = (name: string): Root =>
  ofKind(['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${name}`]);
const encrypted = openssl(
  ['pkcs8', '-topk8', '-in', '@k', '-passout', 'pass:secret', '-v2', 'aes-256-cbc'],
  { k: ec.keyPem },
);
const away = { Protocol: 'cfssl', URL: 'https://127.0.0.1:1/sign', CACert: ec.certPem };

describe('refused in the same words', () => {
  test.each<[string, object]>([
    ['a key alone', { SigningCAKey: ec.keyPem }],
    ['a key and no PEM', { SigningCACert: 'x', SigningCAKey: ec.keyPem }],
    ['a key for a certificate', { SigningCACert: ec.keyPem, SigningCAKey: ec.keyPem }],
    ['a key with the certificate', { ...given(ec), SigningCACert: ec.keyPem + ec.certPem }],
    ['another key', { ...given(ec), SigningCAKey: rsa.keyPem }],
    ['no PEM for a key', { ...given(ec), SigningCAKey: 'x' }],
    ['an encrypted key', { ...given(ec), SigningCAKey: encrypted }],
    ['two certificates', { ...given(ec), SigningCACert: ec.certPem + rsa.certPem }],
    ['less than a year', given(opensslRoot('P-256', { days: 364 }))],
    ['no key and no external CA', { SigningCACert: ec.certPem }],
    ['an external CA that is away', { SigningCACert: ec.certPem, ExternalCAs: [away] }],
    [
      'a certificate that is no CA’s',
      given(opensslRoot('P-256', { args: ['-addext', 'basicConstraints=critical,CA:FALSE'] })),
    ],
    ['SHA-1, RSA', given(ofKind(keyKinds['RSA-2048'], ['-sha1']))],
    ['SHA-1, EC', given(ofKind(keyKinds['P-256'], ['-sha1']))],
    ['RSA-PSS', given(ofKind(keyKinds['RSA-2048'], ['-sigopt', 'rsa_padding_mode:pss']))],
    ['Ed25519', given(ofKind(['-algorithm', 'ED25519']))],
    ['RSA-1024', given(ofKind(['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024']))],
    ['secp256k1', given(curve('secp256k1'))],
    ['P-224', given(curve('P-224'))],
  ])('%s', async (_, CAConfig) => {
    expect(ours(CAConfig)).toMatch(/^rpc error/);
    expect(ours(CAConfig)).toBe(await theirs(CAConfig));
  });
});

test('differently: what cannot be read is not passed over, and a root must have signed itself', async () => {
  expect(await theirs({ SigningCACert: 'x' })).toBe('no rotation runs');
  expect(ours({ SigningCACert: 'x' })).toContain('could not parse the desired CA certificate');
  const crossed = caTools(Date.now).crossSign(rsa, ec.certPem) ?? '';
  const CAConfig = { SigningCACert: crossed, SigningCAKey: ec.keyPem };
  expect(await theirs(CAConfig)).toBe('a rotation runs');
  expect(ours(CAConfig)).toContain('certificate signed by unknown authority');
});

test('taken by both', async () => {
  for (const root of [rsa, opensslRoot('P-384'), curve('P-521')]) {
    expect(ours(given(root))).toBe('a rotation runs');
    expect(await theirs(given(root))).toBe('a rotation runs');
  }
  expect(ours({ ForceRotate: 1 })).toBe('a rotation runs');
  expect(await theirs({ ForceRotate: 1 })).toBe('a rotation runs');
});
