import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createRequest, generateKeys, privateKeyToPem } from '../../pki/mod.ts';
import { openssl } from '../unit/pki/support.ts';

interface Root {
  readonly certPem: string;
  readonly keyPem: string;
}

/** What CFSSL takes from the body of a `sign` call. */
export interface SignCall {
  readonly hosts: readonly string[];
  readonly certificate_request: string;
  readonly subject: { readonly CN: string; readonly names: readonly Record<string, string>[] };
  readonly profile: string;
  readonly extensions?: readonly { readonly id: string; readonly value: string }[];
}

const leafExtensions = [
  'keyUsage=critical,digitalSignature,keyEncipherment',
  'extendedKeyUsage=serverAuth,clientAuth',
  'basicConstraints=critical,CA:FALSE',
];
const caExtensions = ['keyUsage=critical,keyCertSign,cRLSign', 'basicConstraints=critical,CA:TRUE'];

/** Signs a request with the openssl command, which knows nothing of pki. */
export function opensslSign(
  root: Root,
  requestPem: string,
  subject: string,
  extensions: readonly string[],
): string {
  const args = ['x509', '-req', '-in', '@csr', '-CA', '@ca', '-CAkey', '@key', '-days', '400'];
  return openssl([...args, '-set_serial', '7', '-subj', subject, '-extfile', '@ext'], {
    csr: requestPem,
    ca: root.certPem,
    key: root.keyPem,
    ext: extensions.join('\n'),
  });
}

function sign(root: Root, call: SignCall): string {
  const parts = call.subject.names.flatMap((name) => Object.entries(name));
  const subject = [...parts, ['CN', call.subject.CN]].map(([key, value]) => `/${key}=${value}`);
  const extensions =
    call.profile === 'CA'
      ? caExtensions
      : [...leafExtensions, `subjectAltName=${call.hosts.map((host) => `DNS:${host}`).join()}`];
  return opensslSign(root, call.certificate_request, subject.join(''), extensions);
}

export type Answerer = (call: SignCall, honest: () => string) => string | number | undefined;

/**
 * An external CA as CFSSL is one: over TLS with a certificate of its own root, for clients with a certificate of a root
 * that it trusts. `answer` may give another certificate than the honest one; by `undefined` none; by a number an HTTP
 * status, with an address to go to.
 */
export class CfsslServer {
  readonly calls: SignCall[] = [];
  readonly #server: Server;

  constructor(root: Root, clientRootsPem: string, answer: Answerer = (_, honest) => honest()) {
    const { privateKey } = generateKeys();
    const cert = opensslSign(root, createRequest(privateKey), '/CN=external-ca', [
      ...leafExtensions,
      'subjectAltName=IP:127.0.0.1,DNS:localhost',
    ]);
    const key = privateKeyToPem(privateKey);
    const tls = { cert, key, ca: clientRootsPem, requestCert: true, rejectUnauthorized: true };
    this.#server = createServer(tls, (request, response) => {
      void this.#serve(request, response, (call) => answer(call, () => sign(root, call)));
    });
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    answer: (call: SignCall) => string | number | undefined,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const call = JSON.parse(Buffer.concat(chunks).toString()) as SignCall;
    this.calls.push(call);
    const certificate = answer(call);
    if (typeof certificate === 'number') {
      response.writeHead(certificate, { location: request.url ?? '/' }).end('{}');
      return;
    }
    const body =
      certificate === undefined
        ? { success: false, result: null, errors: [{ code: 5100, message: 'Policy says no' }] }
        : { success: true, result: { certificate }, errors: [], messages: [] };
    response.end(JSON.stringify(body));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as AddressInfo;
    return `https://127.0.0.1:${port}/api/v1/cfssl/sign`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
