/**
 * CAs that sign for the cluster and keep the root's key to themselves: CFSSL's `sign` call, as Swarm uses it. What goes
 * over the network is a port (`adapters/cfssl.ts`); what comes back is checked here before anybody uses it.
 */
import type { CaAnswer, CaQuestion } from '../domain/ca/questions.ts';
import type { RootMaterial } from '../domain/ca/ports.ts';
import { type Certificate, readCertificate } from './certificate-reader.ts';
import { PkiError } from './errors.ts';
import { dnsNames, type Role, roleUnits } from './identity.ts';
import { privateKeyFromPem, spkiOf } from './keys.ts';
import { normalizeCertificates, pemEncode } from './pem.ts';
import { createRequest, readRequest } from './request.ts';
import { verifyNodeCertificate } from './verify.ts';

/** The network, for one set of roots that an external CA's own certificate may be of. Both reject if anything is wrong. */
export interface CfsslClient {
  /** POSTs JSON; answers the body of a 200. */
  post(url: string, body: string): Promise<string>;
  /** Whether it can be connected to and is who it should be. */
  reach(url: string): Promise<void>;
}
export type CfsslConnect = (trustedRootsPem: string) => CfsslClient;

/** Told of every attempt that failed: only the last one's error is thrown, and a question's answer has none. */
export type CfsslReport = (url: string, error: unknown) => void;

/** Whom a certificate is for; the key comes with the request. */
export interface ExternalRequest {
  readonly nodeId: string;
  readonly role: Role;
  readonly clusterId: string;
  readonly requestPem: string;
}

export interface ExternalSigning {
  readonly rootCertPem: string;
  readonly urls: readonly string[];
  readonly trustedRootsPem: string;
  /** '' unless a rotation runs. */
  readonly intermediatePem: string;
}

const serverAuth = '1.3.6.1.5.5.7.3.1';
/** The profile that Swarm asks for when a root is to be signed. */
const caProfile = 'CA';
/** Basic constraints of a CA: `SEQUENCE { TRUE }`; CFSSL takes no extension from a request, only from the call. */
const caExtension = { id: '2.5.29.19', critical: true, value: '30030101ff' };

/** The body of a `sign` call for a node. */
export const signBody = ({ nodeId, role, clusterId, requestPem }: ExternalRequest): string =>
  JSON.stringify({
    hosts: dnsNames(nodeId, role),
    certificate_request: requestPem,
    subject: { CN: nodeId, names: [{ OU: roleUnits[role], O: clusterId }] },
    profile: '',
  });

/** The body of a `sign` call that makes a root an intermediate of the CA's own. Throws `bad-key`, `bad-certificate`. */
export function crossSignBody({ certPem, keyPem }: RootMaterial): string {
  const key = privateKeyFromPem(keyPem);
  const { x509 } = readCertificate(certPem);
  return JSON.stringify({
    hosts: [],
    certificate_request: createRequest(key),
    subject: subjectOf(x509.subject),
    profile: caProfile,
    extensions: [caExtension],
  });
}

/** CFSSL knows these parts of a name. Of a name with others no cross-signed certificate will be accepted. */
const nameParts = ['C', 'ST', 'L', 'O', 'OU'] as const;

function subjectOf(text: string): object {
  const parts = text.split('\n').map((line) => {
    const [key = '', ...value] = line.split('=');
    return { key, value: value.join('=') };
  });
  const names = parts
    .filter(({ key }) => nameParts.some((part) => part === key))
    .map(({ key, value }) => ({ [key]: value }));
  return { CN: parts.find(({ key }) => key === 'CN')?.value ?? '', names };
}

/** The certificate in CFSSL's answer, unchecked. Throws `external-ca`. */
export function certificateIn(answer: string): string {
  let read: unknown;
  try {
    read = JSON.parse(answer);
  } catch (cause) {
    throw new PkiError('external-ca', 'the answer is no JSON', { cause });
  }
  const { success, result, errors } = (read ?? {}) as {
    readonly success?: unknown;
    readonly result?: { readonly certificate?: unknown } | null;
    readonly errors?: readonly { readonly message?: unknown }[] | null;
  };
  const certificate = result?.certificate;
  if (success === true && typeof certificate === 'string') return certificate;
  const message = Array.isArray(errors) ? errors[0]?.message : undefined;
  const why = typeof message === 'string' ? message.slice(0, 200) : 'no certificate in the answer';
  throw new PkiError('external-ca', why);
}

const refuse = (why: string): PkiError =>
  new PkiError('external-ca', `unusable certificate: ${why}`);

/**
 * A node's certificate from an external CA, if it is what was asked for: issued by the root itself, for this node, role,
 * cluster and key, with their DNS names and no other role's, in date, for servers and clients. Throws `external-ca`,
 * and what the request is refused with.
 */
export function acceptExternal(
  pem: string,
  request: ExternalRequest,
  rootPem: string,
  nowMs: number,
): string {
  const checked = verifyNodeCertificate(pem, rootPem, request.clusterId, nowMs);
  if (!checked.ok) throw refuse(checked.reason);
  const { certificate, nodeId, role } = checked;
  if (nodeId !== request.nodeId || role !== request.role) throw refuse('of somebody else');
  if (!certificate.publicKeyDer.equals(spkiOf(readRequest(request.requestPem))))
    throw refuse('for another key');
  const usages = certificate.x509.keyUsage as readonly string[] | undefined;
  if (usages?.includes(serverAuth) !== true) throw refuse('not for servers');
  checkNames(certificate, dnsNames(nodeId, role));
  return pemEncode('CERTIFICATE', certificate.x509.raw);
}

/** A name of the cluster that was not asked for would be another role. */
function checkNames({ x509 }: Certificate, wanted: readonly string[]): void {
  const has = (name: string): boolean =>
    x509.checkHost(name, { subject: 'never', wildcards: false }) !== undefined;
  for (const name of wanted) if (!has(name)) throw refuse(`without the name ${name}`);
  for (const name of dnsNames('', 'manager').concat(Object.values(roleUnits)))
    if (name !== '' && !wanted.includes(name) && has(name)) throw refuse(`with the name ${name}`);
}

/** The cross-signed certificate of a new root, if it is that root's name and key, a CA's, and signed by the old root. */
export function acceptCrossSigned(
  pem: string,
  rootPem: string,
  newRootPem: string,
  nowMs: number,
): string {
  const certificate = readCertificate(pem);
  const root = readCertificate(rootPem).x509;
  const wanted = readCertificate(newRootPem);
  const { x509 } = certificate;
  if (!certificate.isCa) throw refuse('not of a CA');
  // As text: CAs write the same name in other kinds of string.
  if (x509.subject !== wanted.x509.subject || !certificate.publicKeyDer.equals(wanted.publicKeyDer))
    throw refuse('of another root');
  if (!x509.checkIssued(root) || !x509.verify(root.publicKey)) throw refuse('of another issuer');
  if (nowMs < certificate.notBeforeMs || nowMs > certificate.notAfterMs)
    throw refuse('out of date');
  return pemEncode('CERTIFICATE', x509.raw);
}

/** One URL after the other, until one gives what is accepted. Rejects with what the last one did wrong. */
async function firstOf(
  client: CfsslClient,
  urls: readonly string[],
  body: string,
  report: CfsslReport,
  accept: (pem: string) => string,
): Promise<string> {
  let failure: unknown = new PkiError('external-ca', 'no external CA URLs');
  for (const url of urls) {
    try {
      return accept(certificateIn(await client.post(url, body)));
    } catch (error) {
      failure = error;
      report(url, error);
    }
  }
  throw failure;
}

/** A node's certificate, followed by the intermediate while a rotation runs: the external CAs' `Authority.signNode`. */
export async function signExternally(
  connect: CfsslConnect,
  signing: ExternalSigning,
  request: ExternalRequest,
  nowMs: () => number,
  report: CfsslReport = () => undefined,
): Promise<string> {
  const client = connect(signing.trustedRootsPem);
  const leaf = await firstOf(client, signing.urls, signBody(request), report, (pem) =>
    acceptExternal(pem, request, signing.rootCertPem, nowMs()),
  );
  const { intermediatePem } = signing;
  return intermediatePem === '' ? leaf : leaf + normalizeCertificates(intermediatePem);
}

/** Puts a decision's question to the external CAs. Never rejects: an answer that cannot be had is a no. */
export async function askExternalCa(
  connect: CfsslConnect,
  question: CaQuestion,
  nowMs: () => number,
  report: CfsslReport = () => undefined,
): Promise<CaAnswer> {
  const { rootPem, urls } = question;
  const client = connect(rootPem);
  if (question.ask === 'answers') {
    for (const url of urls) if (await isReached(client, url, report)) return true;
    return false;
  }
  const { newRoot } = question;
  try {
    // each failure has been reported
    return await firstOf(client, urls, crossSignBody(newRoot), report, (pem) =>
      acceptCrossSigned(pem, rootPem, newRoot.certPem, nowMs()),
    );
  } catch {
    return undefined;
  }
}

async function isReached(client: CfsslClient, url: string, report: CfsslReport): Promise<boolean> {
  try {
    await client.reach(url);
    return true;
  } catch (error) {
    report(url, error);
    return false;
  }
}
