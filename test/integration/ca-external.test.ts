// A cluster whose certificates an external CA signs, with the real CLI and daemons.

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeTlsInfo } from '../../pki/mod.ts';
import { isCfsslInstalled, startCfssl } from '../support/cfssl.ts';
import { CfsslServer } from '../support/cfssl-server.ts';
import type { Daemon } from '../support/daemon.ts';
import { until } from '../support/engine.ts';
import { certificate, type Pair, startPair } from '../support/pair.ts';
import { nodeIdOf } from '../support/swarm-hosts.ts';
import { opensslRoot } from '../unit/ca/helpers.ts';

interface ExternalCa {
  readonly url: string;
  stop(): void | Promise<void>;
}
type Root = ReturnType<typeof opensslRoot>;

async function startOpenssl(root: Root, clientRootsPem: string): Promise<ExternalCa> {
  const server = new CfsslServer(root, clientRootsPem);
  return { url: await server.start(), stop: () => server.stop() };
}

const kinds: readonly [string, typeof startOpenssl][] = [
  ['of the tests', startOpenssl],
  ...(isCfsslInstalled ? [['cfssl', startCfssl] as [string, typeof startOpenssl]] : []),
];

let pair: Pair;
const closing: (() => void | Promise<void>)[] = [];
beforeEach(async () => {
  pair = await startPair('cax');
});
afterEach(async () => {
  await pair?.stop();
  for (const close of closing.splice(0)) await close();
});

const file = (name: string, text: string): string => {
  const path = join(pair.manager.dir, name);
  writeFileSync(path, text);
  return path;
};
const certificateOf = (daemon: Daemon): string => certificate(daemon, 'node');

/** Renewed now, the node has another certificate of this root. */
async function renews(daemon: Daemon, root: string): Promise<void> {
  const before = certificateOf(daemon);
  process.kill(daemon.pid, 'SIGHUP');
  await until(() => certificateOf(daemon) !== before, 10_000, 'another certificate');
  nodeTlsInfo(certificateOf(daemon), root);
}

describe.each(kinds)('the external CA %s', (_, start) => {
  const external = opensslRoot('P-256', { subject: '/O=Acme/CN=external' });
  const begin = async (clientRootsPem: string): Promise<ExternalCa> => {
    const ca = await start(external, clientRootsPem);
    closing.push(() => ca.stop());
    return ca;
  };

  test('takes over, signs for members and joiners, and gives back', async () => {
    const { manager, worker } = pair;
    await manager.mustDocker('swarm', 'init');
    await pair.join();
    await pair.allReady(2);
    const own = await pair.root();
    const ca = await begin(`${own}\n${external.certPem}`);
    const cert = file('external.pem', external.certPem);
    const flag = ['--external-ca', `protocol=cfssl,url=${ca.url}`];
    const there = await pair.rotate('--ca-cert', cert, ...flag);
    expect(there).toMatchObject({ code: 0, stderr: '' });
    const root = external.certPem.trim();
    expect(there.stdout.trim().endsWith(root)).toBe(true);
    await pair.allHave(root);
    expect(await manager.mustDocker('info')).toContain(`cfssl: ${ca.url}`);
    for (const daemon of [manager, worker]) await renews(daemon, root);
    await pair.allReady(2);
    await pair.withThird(async (third) => {
      await pair.join(third);
      nodeTlsInfo(certificateOf(third), root);
      await pair.allReady(3);
      await manager.mustDocker('node', 'rm', '--force', await nodeIdOf(third));
    });
    const { code, stderr } = await pair.rotate('--quiet');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await pair.root()).not.toBe(root);
    await pair.allHave(await pair.root());
    await pair.allReady(2);
  });
});

test('given at init; without one that signs nobody joins, and no node is left of the attempt', async () => {
  const { manager, worker } = pair;
  const root = opensslRoot('RSA-2048', { subject: '/O=Acme/CN=later' });
  const cert = file('later.pem', root.certPem);
  const unused = `protocol=cfssl,url=https://127.0.0.1:1/,cacert=${cert}`;
  await manager.mustDocker('swarm', 'init', '--external-ca', unused);
  expect(await manager.mustDocker('info')).toContain('cfssl: https://127.0.0.1:1/');
  // it is of another root than the cluster's: its time comes with a rotation
  await pair.join();
  await pair.allReady(2);
  await manager.mustDocker('node', 'rm', '--force', await nodeIdOf(worker));
  await worker.mustDocker('swarm', 'leave', '--force');
  // the same CA for the present root
  await manager.mustDocker(
    'swarm',
    'update',
    '--external-ca',
    'protocol=cfssl,url=https://127.0.0.1:1/',
  );
  const { code, stderr } = await worker.docker(
    'swarm',
    'join',
    '--token',
    await pair.token(),
    pair.remote,
  );
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/no external CA signs: .*ECONNREFUSED/);
  expect(await pair.nodes('{{.ID}}')).toHaveLength(1);
  const refused = await pair.rotate('--ca-cert', cert, '--external-ca', unused);
  expect(refused.stderr).toContain(
    'there must be at least one valid, reachable external CA corresponding to the desired CA certificate',
  );
});

test('for a root that the user has given, named without it', async () => {
  const { manager, worker } = pair;
  const root = opensslRoot('P-384', { subject: '/O=Acme/CN=given' });
  await manager.mustDocker('swarm', 'init');
  await pair.join();
  await pair.allReady(2);
  const given = ['--ca-cert', file('g.pem', root.certPem), '--ca-key', file('k.pem', root.keyPem)];
  expect(await pair.rotate(...given)).toMatchObject({ code: 0, stderr: '' });
  const server = new CfsslServer(root, root.certPem);
  closing.push(() => server.stop());
  const url = await server.start();
  await manager.mustDocker('swarm', 'update', '--external-ca', `protocol=cfssl,url=${url}`);
  for (const daemon of [manager, worker]) await renews(daemon, root.certPem);
  expect(server.calls.map((call) => call.subject.CN)).toEqual([
    await nodeIdOf(manager),
    await nodeIdOf(worker),
  ]);
  await pair.allReady(2);
});
