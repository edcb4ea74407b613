// What an update of the cluster makes of its root; rules and texts are swarmkit's.

import { expect, test } from '@jest/globals';
import type { CaTools } from '../../../domain/ca/ports.ts';
import { createCluster, readCertificate, readCertificates } from '../../../pki/mod.ts';
import { issueRoot } from '../../../pki/certificate.ts';
import { privateKeyFromPem } from '../../../pki/keys.ts';
import { faultOf } from '../spec/helpers.ts';
import { changed, clusterWith, dayMs, decide, firstRoot, local, tools, wall } from './helpers.ts';

const mine = local.newRoot();
const cfssl = (CACert?: string) => ({
  Protocol: 'cfssl',
  URL: `https://ca-${CACert?.length ?? 'present'}`,
  ...(CACert !== undefined && { CACert }),
});
const reachable = { externalAnswers: () => true };
/** A cluster whose root's key only an external CA has. */
const external = clusterWith({
  rootCa: { certPem: firstRoot.certPem, keyPem: '', tokens: { worker: 'W', manager: 'M' } },
});
const given = { signingCert: mine.certPem, signingKey: mine.keyPem };

test('nothing asked, nothing changed', () => {
  const cluster = clusterWith();
  expect(decide(cluster, {})).toStrictEqual({ rootCa: cluster.rootCa });
  expect(decide(cluster, {}).rootCa).toBe(cluster.rootCa);
  const running = changed(cluster, given);
  expect(decide(running, {}).rootRotation).toBe(running.rootRotation);
});

test('a raised count makes a new root, cross-signed by the present one, which stays until the end', () => {
  const cluster = clusterWith();
  const { rootCa, rootRotation } = decide(cluster, { forceRotate: 1 });
  expect(rootCa).toBe(cluster.rootCa);
  const fresh = readCertificate(rootRotation?.certPem ?? '');
  expect(fresh.x509.checkPrivateKey(privateKeyFromPem(rootRotation?.keyPem ?? ''))).toBe(true);
  const [crossed, ...more] = readCertificates(rootRotation?.crossSignedPem ?? '');
  expect(more).toEqual([]);
  expect(crossed?.x509.verify(readCertificate(firstRoot.certPem).x509.publicKey)).toBe(true);
  expect(crossed?.publicKeyDer).toEqual(fresh.publicKeyDer);
  expect(rootRotation?.startedAt).toBe(wall);
});

test('a user’s root begins a rotation, however its PEM is written', () => {
  const messy = `some text\r\n${mine.certPem.replaceAll('\n', '\r\n')}\n\n`;
  const { rootRotation } = decide(clusterWith(), { ...given, signingCert: messy });
  expect(rootRotation).toMatchObject({ certPem: mine.certPem, keyPem: mine.keyPem });
});

test('the root on its way given again changes only where its key is', () => {
  const running = changed(clusterWith(), given);
  const again = decide(running, given, { now: wall + 1 });
  expect(again.rootRotation).toStrictEqual(running.rootRotation);
  const byOthers = decide(
    running,
    { signingCert: mine.certPem, externalCas: [cfssl(mine.certPem)] },
    { ca: tools(reachable) },
  );
  expect(byOthers.rootRotation).toStrictEqual({ ...running.rootRotation, keyPem: '' });
});

test('a second rotation takes the place of the first, whose root stays trusted for a while', () => {
  const running = changed(clusterWith(), given);
  const next = decide(running, { forceRotate: 1 }, { now: wall + 5 });
  expect(next.rootRotation?.certPem).not.toBe(mine.certPem);
  expect(next.formerRoots).toEqual([{ certPem: mine.certPem, retiredAt: wall + 5 }]);
  // Signed by the root that everybody trusts, not by the one that was on its way.
  const crossed = readCertificate(next.rootRotation?.crossSignedPem ?? '');
  expect(crossed.x509.verify(readCertificate(firstRoot.certPem).x509.publicKey)).toBe(true);
});

test('the present root given ends a rotation', () => {
  const running = changed(clusterWith(), given);
  const back = { signingCert: firstRoot.certPem, signingKey: firstRoot.keyPem };
  const aborted = decide(running, back, { now: wall + 7 });
  expect(aborted).toStrictEqual({
    rootCa: running.rootCa,
    formerRoots: [{ certPem: mine.certPem, retiredAt: wall + 7 }],
  });
  const stopped = changed(running, back);
  const again = decide(stopped, given);
  expect(again).toMatchObject({ rootRotation: { certPem: mine.certPem } });
  expect(again).not.toHaveProperty('formerRoots');
});

test('rotations given up one after the other are bounded', () => {
  let cluster = clusterWith();
  for (let n = 1; n <= 9; n++) cluster = changed(cluster, { forceRotate: n });
  expect(cluster.formerRoots).toHaveLength(8);
  expect(faultOf(() => decide(cluster, { forceRotate: 10 }))).toMatch(
    /^FailedPrecondition: 8 root rotations were given up/,
  );
});

const soon = issueRoot({
  key: privateKeyFromPem(mine.keyPem),
  nowMs: wall,
  validityMs: 364 * dayMs,
});
const other = createCluster({ clusterId: 'c1', nowMs: wall });
const noExternal = (which: string): string =>
  `InvalidArgument: there must be at least one valid, reachable external CA corresponding to the ${which} CA certificate`;

const refused: readonly [string, Parameters<typeof decide>[1], string][] = [
  [
    'a key alone',
    { signingKey: mine.keyPem },
    'InvalidArgument: if a signing CA key is provided, the signing CA cert must also be provided',
  ],
  [
    'a key with a certificate that is none',
    { signingKey: mine.keyPem, signingCert: 'x' },
    'InvalidArgument: if a signing CA key is provided, the signing CA cert must also be provided',
  ],
  [
    'something that is no certificate',
    { signingCert: 'x' },
    'InvalidArgument: could not parse the desired CA certificate',
  ],
  [
    'the key of another',
    { signingCert: mine.certPem, signingKey: firstRoot.keyPem },
    'InvalidArgument: certificate key mismatch',
  ],
  [
    'two certificates',
    { ...given, signingCert: mine.certPem + other.rootCertPem },
    'InvalidArgument: the desired CA certificate cannot contain multiple certificates',
  ],
  [
    'less than a year',
    { signingCert: soon, signingKey: mine.keyPem },
    'InvalidArgument: CA certificate expires too soon',
  ],
  ['no key and no external CA', { signingCert: mine.certPem }, noExternal('desired')],
  [
    'an external CA of the present root for the new one',
    { signingCert: mine.certPem, externalCas: [cfssl()] },
    noExternal('desired'),
  ],
  [
    'the present root’s key in another certificate',
    {
      signingCert: issueRoot({ key: privateKeyFromPem(firstRoot.keyPem), nowMs: wall }),
      signingKey: firstRoot.keyPem,
    },
    'InvalidArgument: Cannot update to a cert with an identical key',
  ],
];
test.each(refused)('refused: %s', (_, request, text) => {
  // External CAs answer for their own root only.
  const ca = tools({ externalAnswers: (rootPem) => rootPem === firstRoot.certPem });
  expect(faultOf(() => decide(clusterWith(), request, { ca }))).toBe(text);
});

test('a root whose present key cannot sign it', () => {
  const ca = tools({ crossSign: () => undefined });
  expect(faultOf(() => decide(clusterWith(), { forceRotate: 1 }, { ca }))).toBe(
    'Internal: unable to generate a cross-signed certificate for root rotation',
  );
});

test('from the own key to an external CA', () => {
  const asked: [string, readonly string[]][] = [];
  const ca = tools({
    externalAnswers: (rootPem, urls) => asked.push([rootPem, urls]) > 0,
  });
  const externalCas = [cfssl(), cfssl(mine.certPem)];
  const state = decide(clusterWith(), { signingCert: mine.certPem, externalCas }, { ca });
  expect(asked).toEqual([[mine.certPem, [cfssl(mine.certPem).URL]]]);
  expect(state.rootRotation).toMatchObject({ certPem: mine.certPem, keyPem: '' });
  // The present root's own key can be given away as well, without a rotation.
  const away = decide(
    clusterWith(),
    { signingCert: firstRoot.certPem, externalCas },
    { ca: tools(reachable) },
  );
  expect(away.rootCa.keyPem).toBe('');
  expect(away).not.toHaveProperty('rootRotation');
});

test('while only an external CA has the key, one must be there', () => {
  expect(faultOf(() => decide(external, {}))).toBe(noExternal('current'));
  const externalCas = [cfssl()];
  expect(faultOf(() => decide(external, { externalCas }))).toBe(noExternal('current'));
  const ca = tools(reachable);
  expect(decide(external, { externalCas }, { ca })).toStrictEqual({ rootCa: external.rootCa });
  const running = changed(
    clusterWith(),
    { signingCert: mine.certPem, externalCas: [cfssl(mine.certPem)] },
    { ca },
  );
  expect(faultOf(() => decide(running, { externalCas }, { ca }))).toBe(noExternal('next'));
});

test('the key of an external root brought home', () => {
  const home = decide(external, { signingCert: firstRoot.certPem, signingKey: firstRoot.keyPem });
  expect(home).toStrictEqual({ rootCa: clusterWith().rootCa });
  const wrong = { signingCert: firstRoot.certPem, signingKey: mine.keyPem };
  expect(faultOf(() => decide(external, wrong))).toBe('Unknown: certificate key mismatch');
});

test('from an external CA to the own key: the external CA signs the new root', () => {
  const externalCas = [cfssl()];
  const crossing: CaTools = tools({
    ...reachable,
    externalCrossSign: (rootPem, urls, newRoot) =>
      rootPem === firstRoot.certPem && urls[0] === cfssl().URL && newRoot.certPem === mine.certPem
        ? 'CROSSED'
        : undefined,
  });
  const state = decide(external, { ...given, externalCas }, { ca: crossing });
  expect(state.rootRotation).toMatchObject({ ...mine, crossSignedPem: 'CROSSED' });
  expect(faultOf(() => decide(external, { forceRotate: 1, externalCas }, { ca: crossing }))).toBe(
    'Internal: unable to generate a cross-signed certificate for root rotation',
  );
});

test('from one external CA to another', () => {
  const externalCas = [cfssl(), cfssl(mine.certPem)];
  const request = { signingCert: mine.certPem, externalCas };
  expect(faultOf(() => decide(external, request, { ca: tools(reachable) }))).toBe(
    'InvalidArgument: rotating from one external CA to a different external CA is not supported',
  );
});
