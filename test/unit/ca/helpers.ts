import type { CaTools } from '../../../domain/ca/ports.ts';
import { type CaContext, type CaState, caAfter } from '../../../domain/ca/rotation.ts';
import type { Cluster, Node } from '../../../domain/model/objects.ts';
import { type CaRequest, clusterDefaults } from '../../../domain/spec/cluster.ts';
import { caTools, tlsInfo } from '../../../pki/mod.ts';
import { openssl } from '../pki/support.ts';

export const wall = Date.UTC(2026, 0, 15, 12, 0, 0);
export const dayMs = 86_400_000;
export const local = caTools(() => wall);

/** Tools with external CAs that answer as told. */
export const tools = (more: Partial<CaTools> = {}): CaTools => ({
  ...local,
  externalAnswers: () => false,
  externalCrossSign: () => undefined,
  ...more,
});

export const firstRoot = local.newRoot();

export const clusterWith = (fields: Partial<Cluster> = {}): Cluster => ({
  id: 'c'.repeat(25),
  meta: { version: 1, createdAt: wall, updatedAt: wall },
  spec: clusterDefaults,
  rootCa: { ...firstRoot, tokens: { worker: 'W', manager: 'M' } },
  busIssuerSeed: 'seed',
  defaultAddrPool: [],
  subnetSize: 24,
  dataPathPort: 4789,
  ...fields,
});

export const nothing: CaRequest = {
  signingCert: '',
  signingKey: '',
  forceRotate: 0,
  externalCas: [],
};

export const decide = (
  cluster: Cluster,
  request: Partial<CaRequest>,
  ctx: Partial<CaContext> = {},
): CaState => caAfter(cluster, { ...nothing, ...request }, { now: wall, ca: tools(), ...ctx });

/** The cluster after the decision; the spec's part of it that decisions look at comes along. */
export const changed = (
  cluster: Cluster,
  request: Partial<CaRequest>,
  ctx: Partial<CaContext> = {},
): Cluster => {
  const { rootRotation: _, formerRoots: __, ...rest } = cluster;
  const CAConfig = {
    ...cluster.spec.CAConfig,
    ForceRotate: request.forceRotate ?? 0,
    ExternalCAs: request.externalCas ?? [],
  };
  return { ...rest, ...decide(cluster, request, ctx), spec: { ...cluster.spec, CAConfig } };
};

/** A node whose certificate is of this root, as far as it has said; '' if it has said nothing. */
export function nodeOf(id: string, rootPem: string, fields: Partial<Node> = {}): Node {
  const tls = rootPem === '' ? undefined : tlsInfo(rootPem, rootPem);
  return {
    id,
    meta: { version: 1, createdAt: wall, updatedAt: wall },
    spec: { Labels: {}, Role: 'worker', Availability: 'active' },
    role: 'worker',
    status: { state: 'ready', message: '', addr: '' },
    description: {
      hostname: id,
      platform: { architecture: 'x86_64', os: 'linux' },
      resources: { nanoCpus: 1, memoryBytes: 1 },
      engine: { version: '28', labels: {}, plugins: [] },
      ...(tls !== undefined && {
        tls: {
          trustRoot: tls.TrustRoot,
          issuerSubject: tls.CertIssuerSubject,
          issuerPublicKey: tls.CertIssuerPublicKey,
        },
      }),
    },
    ...fields,
  };
}

/** How `openssl genpkey` is asked for a kind of key. */
export const keyKinds = {
  'RSA-2048': ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  'P-256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'P-384': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
} as const;
export type KeyKind = keyof typeof keyKinds;

export const opensslKey = (args: readonly string[]): string => openssl(['genpkey', ...args], {});

/** A root as a user makes it with openssl, which has its own clock: tests that read dates use the real one. */
export function opensslRoot(
  kind: KeyKind,
  more: {
    readonly days?: number;
    readonly subject?: string;
    readonly args?: readonly string[];
  } = {},
): { readonly certPem: string; readonly keyPem: string } {
  const keyPem = opensslKey(keyKinds[kind]);
  const { days = 3650, subject = '/O=Acme/CN=Acme root', args = [] } = more;
  const full = ['req', '-x509', '-new', '-key', '@k.pem', '-subj', subject, '-days', `${days}`];
  return { keyPem, certPem: openssl([...full, ...args], { 'k.pem': keyPem }) };
}
