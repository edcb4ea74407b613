// cfssl itself, where Debian's package golang-cfssl is installed.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:net';
import { createRequest, generateKeys, privateKeyToPem } from '../../pki/mod.ts';
import { opensslSign } from './cfssl-server.ts';
import { until } from './engine.ts';
import { freePort } from './free-port.ts';

export const isCfsslInstalled = ((): boolean => {
  try {
    execFileSync('cfssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** As an administrator configures it for Swarm. */
const config = {
  signing: {
    default: {
      expiry: '2160h',
      usages: ['digital signature', 'key encipherment', 'server auth', 'client auth'],
    },
    profiles: {
      CA: { expiry: '43800h', usages: ['cert sign', 'crl sign'], ca_constraint: { is_ca: true } },
    },
  },
};

export interface Cfssl {
  readonly url: string;
  stop(): void;
}

/** `cfssl serve` with this root, for clients with a certificate of `clientRootsPem`. */
export async function startCfssl(
  root: { readonly certPem: string; readonly keyPem: string },
  clientRootsPem: string,
): Promise<Cfssl> {
  const dir = mkdtempSync(join(tmpdir(), 'cfssl-'));
  const { privateKey } = generateKeys();
  const files: Readonly<Record<string, string>> = {
    ca: root.certPem,
    'ca-key': root.keyPem,
    'tls-cert': opensslSign(root, createRequest(privateKey), '/CN=ca', [
      'subjectAltName=IP:127.0.0.1',
    ]),
    'tls-key': privateKeyToPem(privateKey),
    'mutual-tls-ca': clientRootsPem,
    config: JSON.stringify(config),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  const port = await freePort();
  const flags = Object.keys(files).map((name) => `-${name}=${join(dir, name)}`);
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', 'cfssl', 'serve', `-port=${port}`, '-address=127.0.0.1', ...flags],
    { stdio: 'ignore' },
  );
  const cfssl = {
    url: `https://127.0.0.1:${port}/api/v1/cfssl/sign`,
    stop: () => stop(child, dir),
  };
  await until(() => listens(port), 5_000, 'cfssl to listen').catch((error: unknown) => {
    cfssl.stop();
    throw error;
  });
  return cfssl;
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

function stop(child: ChildProcess, dir: string): void {
  child.kill('SIGKILL');
  rmSync(dir, { recursive: true });
}
