// What is made of an external CA's answers. The CA is the openssl command, the network a function.

import { expect, test } from '@jest/globals';
import {
  createRequest,
  generateKeys,
  readCertificate,
  readCertificates,
} from '../../../pki/mod.ts';
import {
  acceptCrossSigned,
  acceptExternal,
  askExternalCa,
  certificateIn,
  type CfsslClient,
  crossSignBody,
  signBody,
  signExternally,
} from '../../../pki/external-ca.ts';
import { caTools } from '../../../pki/ca-tools.ts';
import { opensslSign } from '../../support/cfssl-server.ts';
import { opensslRoot } from '../ca/helpers.ts';

const nowMs = Date.now() + 60_000;
const now = (): number => nowMs;
const root = opensslRoot('P-256');
const keys = generateKeys();
const request = {
  nodeId: 'n1',
  role: 'worker',
  clusterId: 'c1',
  requestPem: createRequest(keys.privateKey),
} as const;
const usages = 'extendedKeyUsage=serverAuth,clientAuth';
const names = 'subjectAltName=DNS:n1,DNS:swarm-worker';
const subject = '/O=c1/OU=swarm-worker/CN=n1';

const made = (
  as: string = subject,
  extensions: readonly string[] = [usages, names],
  by = root,
  csr: string = request.requestPem,
): string => opensslSign(by, csr, as, extensions);
const accepted = (pem: string, at = nowMs): string =>
  acceptExternal(pem, request, root.certPem, at);

test('what is asked for, in CFSSL’s words', () => {
  expect(JSON.parse(signBody({ ...request, role: 'manager' }))).toEqual({
    hosts: ['n1', 'swarm-manager', 'swarm-ca'],
    certificate_request: request.requestPem,
    subject: { CN: 'n1', names: [{ OU: 'swarm-manager', O: 'c1' }] },
    profile: '',
  });
  expect(JSON.parse(crossSignBody(opensslRoot('P-384', { subject: '/C=DE/O=A=B/CN=x' })))).toEqual({
    hosts: [],
    certificate_request: expect.stringContaining('BEGIN CERTIFICATE REQUEST'),
    subject: { CN: 'x', names: [{ C: 'DE' }, { O: 'A=B' }] },
    profile: 'CA',
    extensions: [{ id: '2.5.29.19', critical: true, value: '30030101ff' }],
  });
});

test('an answer in order, whatever comes after the first certificate', () => {
  const pem = made();
  expect(accepted(pem)).toBe(readCertificate(pem).x509.toString());
  expect(readCertificates(accepted(pem + root.certPem))).toHaveLength(1);
  expect(accepted(made(subject, [usages, `${names},DNS:extra.example`]))).toBeTruthy();
});

const other = opensslRoot('P-256');
test.each([
  ['of another root', made(subject, [usages, names], other), 'unknown-issuer'],
  ['of another node', made('/O=c1/OU=swarm-worker/CN=n2'), 'of somebody else'],
  ['of another role', made('/O=c1/OU=swarm-manager/CN=n1'), 'of somebody else'],
  ['of another cluster', made('/O=c2/OU=swarm-worker/CN=n1'), 'wrong-cluster'],
  [
    'for another key',
    made(subject, [usages, names], root, createRequest(generateKeys().privateKey)),
    'for another key',
  ],
  ['of a CA', made(subject, ['basicConstraints=CA:TRUE', usages, names]), 'is-a-ca'],
  ['not for servers', made(subject, ['extendedKeyUsage=clientAuth', names]), 'not for servers'],
  ['not for clients', made(subject, ['extendedKeyUsage=serverAuth', names]), 'not-for-clients'],
  ['without its names', made(subject, [usages]), 'without the name n1'],
  [
    'with the names of a manager',
    made(subject, [usages, `${names},DNS:swarm-manager`]),
    'with the name swarm-manager',
  ],
  [
    'with the CA’s name',
    made(subject, [usages, `${names},DNS:swarm-ca`]),
    'with the name swarm-ca',
  ],
  ['garbage', 'x', 'malformed'],
])('refused: %s', (_, pem, why) => {
  expect(() => accepted(pem)).toThrow(`unusable certificate: ${why}`);
});

test('refused: out of date', () => {
  expect(() => accepted(made(), nowMs + 401 * 86_400_000)).toThrow('expired');
});

test.each([
  ['{', 'no JSON'],
  ['null', 'no certificate in the answer'],
  ['{"success":true,"result":{}}', 'no certificate in the answer'],
  ['{"success":false,"result":{"certificate":"x"}}', 'no certificate in the answer'],
  ['{"success":false,"errors":[{"code":1,"message":"Policy"}]}', 'Policy'],
  ['{"success":false,"errors":{"a":1}}', 'no certificate in the answer'],
])('an answer that is none: %s', (text, why) => {
  expect(() => certificateIn(text)).toThrow(why);
});

test('a cross-signed root must be that root, a CA’s, signed by the old one, in date', () => {
  const fresh = caTools(now).newRoot();
  const csr = (JSON.parse(crossSignBody(fresh)) as { certificate_request: string })
    .certificate_request;
  const ca = 'basicConstraints=critical,CA:TRUE';
  const crossed = (as: string, extensions: readonly string[], by = root, from = csr) =>
    acceptCrossSigned(opensslSign(by, from, as, extensions), root.certPem, fresh.certPem, nowMs);
  expect(crossed('/CN=swarm-ca', [ca])).toContain('BEGIN CERTIFICATE');
  expect(() => crossed('/CN=swarm-ca', ['basicConstraints=CA:FALSE'])).toThrow('not of a CA');
  expect(() => crossed('/O=x/CN=swarm-ca', [ca])).toThrow('of another root');
  expect(() => crossed('/CN=swarm-ca', [ca], root, request.requestPem)).toThrow('of another root');
  expect(() => crossed('/CN=swarm-ca', [ca], other)).toThrow('of another issuer');
  const late = opensslSign(root, csr, '/CN=swarm-ca', [ca]);
  expect(() =>
    acceptCrossSigned(late, root.certPem, fresh.certPem, nowMs + 401 * 86_400_000),
  ).toThrow('out of date');
});

/** A network with one answer for each URL; the others cannot be reached. */
const network = (answers: Readonly<Record<string, string>>) => {
  const asked: string[] = [];
  const client: CfsslClient = {
    post: async (url) => {
      asked.push(url);
      const answer = answers[url];
      if (answer === undefined) throw new Error(`${url} is silent`);
      return answer;
    },
    reach: async (url) => {
      if (answers[url] === undefined) throw new Error('unreachable');
    },
  };
  return { asked, connect: () => client };
};
const certificate = (pem: string): string =>
  JSON.stringify({ success: true, result: { certificate: pem } });
const signing = (urls: readonly string[], intermediatePem = '') => ({
  rootCertPem: root.certPem,
  trustedRootsPem: root.certPem,
  urls,
  intermediatePem,
});

test('one URL after the other, until one gives something usable', async () => {
  const good = made();
  const { asked, connect } = network({
    bad: certificate(made('/CN=x')),
    good: certificate(good),
    more: certificate(good),
  });
  const urls = ['silent', 'bad', 'good', 'more'];
  const failed: string[] = [];
  const chain = await signExternally(connect, signing(urls, other.certPem), request, now, (url) =>
    failed.push(url),
  );
  expect(asked).toEqual(['silent', 'bad', 'good']);
  expect(failed).toEqual(['silent', 'bad']);
  expect(chain).toBe(readCertificate(good).x509.toString() + other.certPem);
  await expect(signExternally(connect, signing(['bad', 'silent']), request, now)).rejects.toThrow(
    'silent is silent',
  );
  await expect(signExternally(connect, signing([]), request, now)).rejects.toThrow(
    'no external CA URLs',
  );
});

test('questions of decisions', async () => {
  const fresh = caTools(now).newRoot();
  const { connect } = network({ there: certificate(made()) });
  const failed: string[] = [];
  const report = (url: string): unknown => failed.push(url);
  const ask = (urls: readonly string[]) =>
    askExternalCa(connect, { ask: 'answers', rootPem: root.certPem, urls }, now, report);
  expect(await ask(['away', 'there'])).toBe(true);
  expect(await ask(['away'])).toBe(false);
  expect(await ask([])).toBe(false);
  expect(failed).toEqual(['away', 'away']);
  const question = { ask: 'cross-sign', rootPem: root.certPem, newRoot: fresh } as const;
  expect(await askExternalCa(connect, { ...question, urls: ['there'] }, now)).toBeUndefined();
});
