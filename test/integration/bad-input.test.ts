// Whatever strangers and stolen certificates send to the ports: it is refused within a bound, a bounded number of lines
// tells of it, and the cluster goes on as if nothing were.

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { createRequest, generateKeys } from '../../pki/mod.ts';
import { residentBytes } from '../support/daemon.ts';
import { run, until } from '../support/engine.ts';
import { type Answer, joinRaw, post, stolenFrom, type Stolen } from '../support/intruder.ts';
import { type Pair, startPair } from '../support/pair.ts';
import { logOf, nodeIdOf } from '../support/swarm-hosts.ts';
import { soon } from '../support/patience.ts';

/** Connections of one attack. */
const many = 300;
/** A server's patience with who says nothing, or not all, ms; and a little more. */
const patienceMs = 15_000;
const growthMax = { bytes: 150 * 2 ** 20, lines: 400 } as const;

let pair: Pair;
let mallory: Awaited<ReturnType<typeof joinRaw>>;
/** Join listener, bus server for clients, bus server for other bus servers. */
let ports: { readonly join: number; readonly bus: number; readonly route: number };
/** Of a member of the swarm. */
let manager: Stolen;

beforeAll(async () => {
  pair = await startPair('input');
  await pair.manager.mustDocker('swarm', 'init');
  await pair.join(pair.worker, 'manager');
  const join = Number(pair.remote.split(':')[1]);
  const isOfSeveral = async (): Promise<boolean> => (await logOf(pair.manager)).Form === 'several';
  await until(isOfSeveral, 30_000, 'a log of several');
  mallory = await joinRaw(join, await pair.token());
  // test daemons have their route port next to the bus port
  ports = { join, bus: mallory.busPort, route: mallory.busPort + 1 };
  manager = stolenFrom(pair.worker, await nodeIdOf(pair.worker));
});
afterAll(async () => {
  await pair?.stop();
});

type Port = keyof typeof ports;

/** A plain connection to a port, that says `first` and then nothing. */
async function dial(port: Port, first: string | Uint8Array = ''): Promise<Socket> {
  const socket = connect(ports[port], '127.0.0.1');
  socket.on('error', () => undefined);
  // so that its end is seen
  socket.resume();
  await once(socket, 'connect');
  if (first.length > 0) socket.write(first);
  return socket;
}

/** The manager as its members and its operator see it, now. */
async function isWell(): Promise<void> {
  const began = performance.now();
  expect(await pair.nodes('{{.Status}}')).toEqual(expect.arrayContaining(['Ready', 'Ready']));
  const one = await joinRaw(ports.join, await pair.token());
  await pair.manager.mustDocker('node', 'rm', '--force', one.nodeId);
  expect(performance.now() - began).toBeLessThan(soon(5_000));
}

const memory = (): number => residentBytes([pair.manager.pid, pair.manager.serverPid()]);
const logLines = (): number => pair.manager.log().split('\n').length;

/** The manager is well while `attack` goes on and after it, and neither its memory nor its log has grown by much. */
async function withstands(attack: () => Promise<readonly Promise<unknown>[]>): Promise<void> {
  await isWell();
  const before = { bytes: memory(), lines: logLines() };
  const ends = await attack();
  await isWell();
  await Promise.all(ends);
  await isWell();
  expect(memory() - before.bytes).toBeLessThan(growthMax.bytes);
  expect(logLines() - before.lines).toBeLessThan(growthMax.lines);
}

/** Resolves when the server has closed them all; rejects when it keeps one. */
async function closed(sockets: readonly Socket[], limitMs = patienceMs): Promise<void> {
  await until(
    () => sockets.every((socket) => socket.destroyed),
    limitMs,
    'connections to be closed',
  );
}

describe.each<Port>(['join', 'bus', 'route'])('%s', (port) => {
  test(`${many} connections that say nothing, or begin a handshake and do not go on`, () =>
    withstands(async () => {
      // the head of a ClientHello of 512 bytes
      const hello = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3);
      const dials = Array.from({ length: many }, (_, n) => dial(port, n % 2 === 0 ? '' : hello));
      return [closed(await Promise.all(dials))];
    }));

  test.each([
    ['HTTP', 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['NATS without TLS', 'CONNECT {"verbose":false}\r\nPING\r\n'],
    ['garbage', Buffer.alloc(65_536, 0xa5)],
  ])('%s', (_, bytes) =>
    withstands(async () => {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => dial(port, bytes)));
      return [closed(sockets)];
    }),
  );
});

describe('join', () => {
  const ask = async (fields: object): Promise<Answer> =>
    post(ports.join, '/v1/join', JSON.stringify({ token: await pair.token(), ...fields }));

  /** Opens TLS and sends `head`, then `drop` every second. */
  async function drip(head: string, drop: string): Promise<TLSSocket> {
    const socket = connectTls({ port: ports.join, rejectUnauthorized: false });
    socket.on('error', () => undefined).resume();
    await once(socket, 'secureConnect');
    socket.write(head);
    const timer = setInterval(() => socket.write(drop), 1_000);
    socket.once('close', () => clearInterval(timer));
    return socket;
  }

  test('heads and bodies that trickle in', () =>
    withstands(async () => {
      const head = 'POST /v1/join HTTP/1.1\r\nhost: x\r\n';
      const heads = Array.from({ length: 30 }, () => drip(head, 'x: y\r\n'));
      const bodies = Array.from({ length: 30 }, () =>
        drip(`${head}content-length: 60000\r\n\r\n`, ' '),
      );
      return [closed(await Promise.all(heads), 15_000), closed(await Promise.all(bodies), 35_000)];
    }));

  test('a body of 1 GiB is refused before it is there', () =>
    withstands(async () => {
      const head = 'POST /v1/join HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\n\r\n';
      const socket = await drip(head, ' ');
      return [closed([socket], 5_000)];
    }));

  const message = (text: string): string => expect.stringContaining(text) as unknown as string;
  test.each<[string, (csr: string) => string, string]>([
    ['cut off', (csr) => csr.slice(0, csr.length / 2), message('CSR: CERTIFICATE REQUEST without')],
    ['with a byte of its signature changed', flipped, message('the signature of the request')],
    ['of 70 kB', (csr) => `${csr}${'x'.repeat(70_000)}`, message('request too large')],
    ['twice', (csr) => csr + csr, message('more than one CERTIFICATE REQUEST')],
  ])('a request %s: refused, no node added', async (_, spoil, reason) => {
    const before = await pair.nodes('{{.ID}}');
    const answer = await ask({ request: spoil(createRequest(generateKeys().privateKey)) });
    expect(answer).toMatchObject({ status: 400, body: { error: { message: reason } } });
    expect(await pair.nodes('{{.ID}}')).toEqual(before);
  });

  test('a request for a manager’s names with a worker’s token gets a worker’s', async () => {
    const csr = await run([
      'openssl',
      ...'req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null'.split(
        ' ',
      ),
      '-subj',
      `/O=x/OU=swarm-manager/CN=${manager.nodeId}`,
      '-addext',
      'subjectAltName=DNS:swarm-manager,DNS:swarm-ca',
    ]);
    const { body } = await ask({ request: csr.stdout });
    const certificate = new X509Certificate(String(body['certificate']));
    expect(certificate.subject).toContain('OU=swarm-worker');
    expect(certificate.subject).not.toContain(manager.nodeId);
    expect(certificate.subjectAltName).not.toMatch(/swarm-manager|swarm-ca/);
    await pair.manager.mustDocker('node', 'rm', '--force', String(body['nodeId']));
  });
});

describe('bus', () => {
  test.each([
    ['1 GiB', 2 ** 30, /Bad or Missing Size.*1073741824/],
    ['64 MiB', 2 ** 26, /maximum payload exceeded/i],
  ])('a message of %s from a worker is refused by its head', (_, size, said) =>
    withstands(async () => {
      const socket = await connectNats(mallory);
      socket.write(`PUB natswarm.v1.agent.${mallory.nodeId}.beat ${size}\r\n`);
      await closed([socket], 5_000);
      await until(() => said.test(pair.manager.log()), 5_000, 'the log to tell of it');
      return [];
    }),
  );

  test('a line without an end too', () =>
    withstands(async () => {
      const socket = await connectNats(mallory);
      socket.write(`PUB ${'a'.repeat(1_000_000)}`);
      await closed([socket], 5_000);
      return [];
    }));

  /** What a bus server says to another that comes with this certificate, within a second; '' when it hangs up. */
  async function asRoute(who: Partial<Stolen>): Promise<string> {
    const socket = connectTls(tlsOf(who, ports.route));
    let heard = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => (heard += String(chunk)));
    socket.write(
      'CONNECT {"verbose":false,"pedantic":false,"tls_required":true,"name":"x"}\r\nPING\r\n',
    );
    await until(() => socket.destroyed || heard !== '', 10_000, 'the server’s first word');
    socket.destroy();
    return heard;
  }

  test('only a manager’s server may join as one', async () => {
    expect(await asRoute(manager)).toMatch(/^INFO /);
    const { nodeId, cert, key, ca } = mallory;
    expect(await asRoute({ nodeId, cert, key, ca })).toBe('');
    expect(await asRoute({ ca })).toBe('');
  });
});

function tlsOf({ ca, cert, key }: Partial<Stolen>, port: number): ConnectionOptions {
  return { port, host: '127.0.0.1', servername: 'swarm-manager', ca, cert, key };
}

/** The bus as a client of any language meets it: INFO in the clear, then TLS. */
async function connectNats(who: Stolen): Promise<TLSSocket> {
  const plain = connect(ports.bus, '127.0.0.1');
  await once(plain, 'data');
  const socket = connectTls({ ...tlsOf(who, ports.bus), socket: plain });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  socket.write('CONNECT {"verbose":false,"pedantic":false,"tls_required":true}\r\nPING\r\n');
  let heard = '';
  socket.on('data', (chunk) => (heard += String(chunk)));
  await until(() => socket.destroyed || heard.includes('PONG'), 5_000, 'the bus server to answer');
  if (!heard.includes('PONG')) throw new Error(`the bus server says ${heard}`);
  return socket;
}

/** Another character near the end of the base64, where the signature is. */
function flipped(csr: string): string {
  const at = csr.indexOf('\n-----END') - 20;
  return `${csr.slice(0, at)}${csr[at] === 'A' ? 'B' : 'A'}${csr.slice(at + 1)}`;
}
