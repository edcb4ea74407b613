import { expect, test } from '@jest/globals';
import { ServerReloads } from '../../../cmd/server-reloads.ts';
import { createCluster, readCertificates } from '../../../pki/mod.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settle } from '../../support/settle.ts';

const roots = [1, 2].map((n) => createCluster({ clusterId: `c${n}`, nowMs: 0 }).rootCertPem);
const [one = '', two = ''] = roots;

function reloads(reload: () => Promise<boolean> = () => Promise.resolve(true)) {
  const clock = new VirtualClock();
  const files = { cert: 'cert 1', key: 'key 1', ca: one };
  const taken: string[] = [];
  const failures: string[] = [];
  const it = new ServerReloads({
    server: {
      reload: ({ cert, ca }) => {
        taken.push(`${cert}, ${readCertificates(ca).length} roots`);
        return reload();
      },
    },
    clock,
    tls: () => ({ ...files }),
    cluster: () => ({ routes: [], pinnedCerts: [] }),
    onReloaded: () => undefined,
    onFailed: ({ message }) => failures.push(message),
  });
  const pass = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 10) {
      clock.advance(10);
      await settle();
    }
  };
  return { it, files, taken, failures, pass };
}

test('all that changes when the root does is one reload', async () => {
  const { it, files, taken, pass } = reloads();
  files.ca = one + two;
  it.certificatesChanged();
  await pass(100);
  it.peersChanged();
  await pass(200);
  it.peersChanged();
  files.cert = 'cert 2';
  it.certificatesChanged();
  await pass(1_000);
  expect(taken).toEqual(['cert 2, 2 roots']);
});

test('who is trusted no more can wait: for the next rotation, if there is one soon', async () => {
  const { it, files, taken, pass } = reloads();
  files.ca = two;
  files.cert = 'cert 2';
  it.certificatesChanged();
  await pass(1_000);
  files.ca = one + two;
  it.certificatesChanged();
  await pass(1_000);
  expect(taken).toHaveLength(2);
  files.ca = two;
  it.certificatesChanged();
  await pass(4_900);
  expect(taken).toHaveLength(2);
  await pass(200);
  expect(taken).toHaveLength(3);
});

test('a stream of changes does not put it off for ever, and never runs two at a time', async () => {
  let end: (done: boolean) => void = () => undefined;
  const { it, taken, pass } = reloads(() => new Promise((resolve) => (end = resolve)));
  for (let i = 0; i < 20; i++) {
    it.peersChanged();
    await pass(100);
  }
  expect(taken).toHaveLength(1);
  end(true);
  await pass(1_000);
  expect(taken).toHaveLength(2);
});

test('one that failed is done again; after the end there is none', async () => {
  const outcomes = [Promise.reject(new Error('busy')), Promise.resolve(true)];
  const { it, taken, failures, pass } = reloads(() => outcomes.shift() ?? Promise.resolve(true));
  it.peersChanged();
  await pass(6_000);
  expect(failures).toEqual(['busy']);
  expect(taken).toHaveLength(2);
  it.peersChanged();
  it.end();
  await pass(6_000);
  expect(taken).toHaveLength(2);
});
