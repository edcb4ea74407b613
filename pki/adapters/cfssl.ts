/** The network to external CAs: the only code in pki that does I/O. */
import { type IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { errorText } from '../../domain/errors.ts';
import { PkiError } from '../errors.ts';
import type { CfsslClient, CfsslConnect } from '../external-ca.ts';

export interface CfsslOptions {
  /** The manager's own certificate and key, by which the external CA knows it; asked for each connection: it is renewed. */
  readonly identity: () => { readonly certificatePem: string; readonly keyPem: string };
  /** For one whole exchange. */
  readonly timeoutMs: number;
  readonly answerBytesMax: number;
}

/** Clients that trust exactly the roots they are given: neither the system's, nor any address that is not https. */
export function cfsslConnect(options: CfsslOptions): CfsslConnect {
  return (trustedRootsPem) => {
    const tls = () => {
      const { certificatePem, keyPem } = options.identity();
      const minVersion = 'TLSv1.2' as const;
      return { ca: trustedRootsPem, cert: certificatePem, key: keyPem, minVersion };
    };
    return {
      post: (url, body) => post(httpsUrl(url), body, { ...tls(), ...options }),
      reach: (url) => reach(httpsUrl(url), { ...tls(), ...options }),
    } satisfies CfsslClient;
  };
}

interface Exchange {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.2';
  readonly timeoutMs: number;
  readonly answerBytesMax: number;
}

function httpsUrl(text: string): URL {
  if (!URL.canParse(text)) throw failed('not a URL');
  const url = new URL(text);
  if (url.protocol !== 'https:') throw failed('invalid HTTP scheme');
  return url;
}

const failed = (why: string, cause?: unknown): PkiError =>
  new PkiError('external-ca', `external CA: ${why}`, cause === undefined ? {} : { cause });

/** Redirections are not followed: whoever the CA points at was not named by the user. */
async function post(url: URL, body: string, exchange: Exchange): Promise<string> {
  const { timeoutMs, answerBytesMax, ...tls } = exchange;
  const signal = AbortSignal.timeout(timeoutMs);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  // Without an agent every exchange has a connection of its own, with the certificate that is in use now.
  const sent = { ...tls, method: 'POST', headers, signal, agent: false as const };
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(failed(errorText(error), error));
    const outgoing = request(url, sent, (answer) => {
      readAnswer(answer, answerBytesMax).then(resolve, fail);
    });
    outgoing.on('error', fail);
    outgoing.end(body);
  });
}

async function readAnswer(answer: IncomingMessage, bytesMax: number): Promise<string> {
  if (answer.statusCode !== 200) {
    answer.destroy();
    throw new Error(`unexpected status code ${answer.statusCode}`);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Leaving the loop ends the connection.
    if (bytes > bytesMax) throw new Error('answer too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function reach(url: URL, exchange: Exchange): Promise<void> {
  const { timeoutMs, answerBytesMax: _, ...tls } = exchange;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? 443 : Number(url.port);
  const servername = isIP(host) === 0 ? { servername: host } : {};
  return new Promise((resolve, reject) => {
    const socket = connect({ ...tls, host, port, ...servername });
    const end = (error?: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      if (error === undefined) resolve();
      else reject(failed(errorText(error), error));
    };
    const timer = setTimeout(() => end(new Error('timed out')), timeoutMs);
    socket.once('secureConnect', () => end());
    // For good: a socket that is torn down may say so once more.
    socket.on('error', end);
  });
}
