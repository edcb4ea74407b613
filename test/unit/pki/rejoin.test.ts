import { expect, test } from '@jest/globals';
import { createPublicKey } from 'node:crypto';
import {
  checkRejoin,
  createRequest,
  generateKeys,
  newRejoinNonce,
  proveRejoin,
} from '../../../pki/mod.ts';
import { rsaKeys } from './support.ts';

const last = generateKeys();
const fresh = generateKeys();
const claim = {
  clusterId: 'c1',
  nodeId: 'n1',
  nonce: newRejoinNonce(),
  requestPem: createRequest(fresh.privateKey),
};
const proof = proveRejoin(claim, last.privateKey);

test('the key of the last certificate proves who comes back', () => {
  expect(checkRejoin(claim, proof, last.publicKey)).toBe(true);
  expect(checkRejoin(claim, proof, createPublicKey(last.privateKey))).toBe(true);
  const byRsa = proveRejoin(claim, rsaKeys.privateKey);
  expect(checkRejoin(claim, byRsa, rsaKeys.publicKey)).toBe(true);
});

test.each([
  ['another node', { nodeId: 'n2' }],
  ['another cluster', { clusterId: 'c2' }],
  ['another attempt', { nonce: newRejoinNonce() }],
  ['another request', { requestPem: createRequest(generateKeys().privateKey) }],
  ['no request', { requestPem: 'x' }],
  ['fields that run together', { clusterId: 'c', nodeId: '1n1' }],
])('a proof is not good for %s', (_, fields) => {
  expect(checkRejoin({ ...claim, ...fields }, proof, last.publicKey)).toBe(false);
});

test('no other proof is good', () => {
  for (const other of ['', 'x', `${proof}AAAA`, 'A'.repeat(100_000)])
    expect(checkRejoin(claim, other, last.publicKey)).toBe(false);
  expect(checkRejoin(claim, proof, fresh.publicKey)).toBe(false);
  expect(checkRejoin(claim, proof, rsaKeys.publicKey)).toBe(false);
});

test('challenges are never the same', () => {
  expect(new Set(Array.from({ length: 100 }, newRejoinNonce)).size).toBe(100);
});
