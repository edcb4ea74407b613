import { expect, test } from '@jest/globals';
import {
  authorityOf,
  signingOf,
  trustedRootsPem,
  wantedRootPem,
} from '../../../domain/ca/signing.ts';
import { Authority } from '../../../pki/mod.ts';
import { changed, clusterWith, firstRoot, local, tools, wall } from './helpers.ts';

const fresh = local.newRoot();
const given = { signingCert: fresh.certPem, signingKey: fresh.keyPem };
const cfssl = (URL: string, CACert = '') => ({ Protocol: 'cfssl', URL, CACert });
const clusterId = clusterWith().id;

test('at rest: the root signs, and is all that is trusted', () => {
  const cluster = clusterWith();
  expect(authorityOf(cluster)).toStrictEqual({
    clusterId,
    rootCertPem: firstRoot.certPem,
    rootKeyPem: firstRoot.keyPem,
  });
  expect(trustedRootsPem(cluster)).toBe(firstRoot.certPem);
  expect(signingOf(cluster, local.normalize)).toEqual({
    by: 'key',
    material: authorityOf(cluster),
  });
});

test('during a rotation: the new root signs, both are trusted, the present one first', () => {
  const cluster = changed(clusterWith(), given);
  const material = authorityOf(cluster);
  expect(material).toMatchObject({ rootCertPem: fresh.certPem, rootKeyPem: fresh.keyPem });
  expect(material?.intermediatePem).toBe(cluster.rootRotation?.crossSignedPem);
  expect(() => material && new Authority(material)).not.toThrow();
  expect(trustedRootsPem(cluster)).toBe(firstRoot.certPem + fresh.certPem);
  expect(wantedRootPem(cluster)).toBe(fresh.certPem);
});

test('roots given up are trusted, each once', () => {
  const again = changed(changed(clusterWith(), given), { forceRotate: 1 });
  expect(trustedRootsPem(again)).toBe(
    firstRoot.certPem + again.rootRotation?.certPem + fresh.certPem,
  );
  const twice = { ...again, formerRoots: [{ certPem: firstRoot.certPem, retiredAt: wall }] };
  expect(trustedRootsPem(twice)).toBe(firstRoot.certPem + again.rootRotation?.certPem);
});

test('external CAs of the wanted root come before the own key', () => {
  const externalCas = [
    cfssl('https://new', fresh.certPem.replaceAll('\n', '\r\n')),
    cfssl('https://present'),
    cfssl('https://present-too', `${firstRoot.certPem}\n`),
    cfssl('https://other', 'no certificate'),
  ];
  const cluster = changed(clusterWith(), { externalCas });
  expect(signingOf(cluster, local.normalize)).toEqual({
    by: 'external',
    clusterId,
    rootCertPem: firstRoot.certPem,
    urls: ['https://present', 'https://present-too'],
    trustedRootsPem: firstRoot.certPem,
    intermediatePem: '',
  });
  const rotating = changed(cluster, { ...given, externalCas });
  expect(signingOf(rotating, local.normalize)).toMatchObject({
    by: 'external',
    rootCertPem: fresh.certPem,
    urls: ['https://new'],
    trustedRootsPem: firstRoot.certPem + fresh.certPem,
    intermediatePem: rotating.rootRotation?.crossSignedPem,
  });
});

test('without the key and without an external CA nothing is signed', () => {
  const ca = tools({ externalAnswers: () => true });
  const externalCas = [cfssl('https://new', fresh.certPem)];
  const rotating = changed(clusterWith(), { signingCert: fresh.certPem, externalCas }, { ca });
  expect(authorityOf(rotating)).toBeUndefined();
  const CAConfig = { ...rotating.spec.CAConfig, ExternalCAs: [] };
  const lost = { ...rotating, spec: { ...rotating.spec, CAConfig } };
  expect(signingOf(lost, local.normalize)).toMatchObject({ by: 'external', urls: [] });
});
