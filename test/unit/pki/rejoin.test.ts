import { expect, test } from '@jest/globals';
import { createPublicKey, type KeyObject } from 'node:crypto';
import {
  checkRejoin,
  createRequest,
  generateKeys,
  proveRejoin,
  rejoinChannel,
} from '../../../pki/mod.ts';
import { rsaKeys } from './support.ts';

const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const last = generateKeys();
const fresh = generateKeys();
const claim = {
  clusterId: 'c1',
  nodeId: 'n1',
  channel: 'channel',
  requestPem: createRequest(fresh.privateKey),
};
const proof = proveRejoin(claim, last.privateKey);

test('the key of the last certificate proves who comes back', () => {
  expect(checkRejoin(claim, proof, spki(last.publicKey))).toBe(true);
  expect(checkRejoin(claim, proof, spki(createPublicKey(last.privateKey)))).toBe(true);
  const byRsa = proveRejoin(claim, rsaKeys.privateKey);
  expect(checkRejoin(claim, byRsa, spki(rsaKeys.publicKey))).toBe(true);
});

test.each([
  ['another node', { nodeId: 'n2' }],
  ['another cluster', { clusterId: 'c2' }],
  ['another connection', { channel: 'other' }],
  ['another request', { requestPem: createRequest(generateKeys().privateKey) }],
  ['no request', { requestPem: 'x' }],
  ['fields that run together', { clusterId: 'c', nodeId: '1n1' }],
])('a proof is not good for %s', (_, fields) => {
  expect(checkRejoin({ ...claim, ...fields }, proof, spki(last.publicKey))).toBe(false);
});

test('no other proof is good', () => {
  for (const other of ['', 'x', `${proof}AAAA`, 'A'.repeat(100_000)])
    expect(checkRejoin(claim, other, spki(last.publicKey))).toBe(false);
  expect(checkRejoin(claim, proof, spki(fresh.publicKey))).toBe(false);
  expect(checkRejoin(claim, proof, spki(rsaKeys.publicKey))).toBe(false);
});

test('what the node has said of its key may be anything', () => {
  for (const key of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(10_000, 0x30)])
    expect(checkRejoin(claim, proof, key)).toBe(false);
});

test('only TLS 1.3 names a connection', () => {
  const socket = { getProtocol: () => 'TLSv1.3', exportKeyingMaterial: () => Buffer.from('x') };
  expect(rejoinChannel(socket)).toBe('eA');
  expect(() => rejoinChannel({ ...socket, getProtocol: () => 'TLSv1.2' })).toThrow(/1\.3/);
});
