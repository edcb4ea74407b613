import {
  type CertificateDisk,
  NodeRenewal,
  type PendingKey,
  type RenewingManagers,
} from '../actors/node/certificate/node-renewal.ts';
import type { Issued } from '../api/join-listener.ts';
import type { HeldCertificate } from '../domain/ca/renewal.ts';
import { createRequest, nodeTlsInfo, privateKeyFromPem, readCertificate } from '../pki/mod.ts';
import { systemClock } from '../supervisors/clock.ts';
import type { Registry } from '../supervisors/registry.ts';
import { renewThrough } from './join-cluster.ts';
import type { LogEvent } from './log.ts';
import type { Certificates, NodeFiles } from './node-files.ts';
import { tlsOf } from './wiring.ts';

export interface RenewalOptions {
  readonly files: NodeFiles;
  /** `host:port` of the managers to ask, in this order. */
  readonly managers: () => readonly string[];
  /** Asks the manager at `addr`; as `renewThrough`, which it is unless given. */
  readonly ask?: typeof renewThrough;
  /** For when the certificate has expired: one that needs nobody else. Undefined where there is none. */
  readonly own: () => Certificates | undefined;
  /** Called with the answer, after the new certificate is in place. */
  readonly onIssued: (issued: Issued) => void;
  readonly report: LogEvent;
  readonly registry: Registry;
}

/** Keeps the certificate in the node's files in force. */
export const newNodeRenewal = (options: RenewalOptions): NodeRenewal<Issued> =>
  new NodeRenewal({
    disk: new CertificateFiles(options.files, options.own),
    managers: new ManagersOverHttps(options),
    onIssued: options.onIssued,
    clock: systemClock,
    wallNow: Date.now,
    random: Math.random,
    report: options.report,
    registry: options.registry,
  });

class CertificateFiles implements CertificateDisk<Issued> {
  readonly #files: NodeFiles;
  readonly #own: RenewalOptions['own'];

  constructor(files: NodeFiles, own: RenewalOptions['own']) {
    this.#files = files;
    this.#own = own;
  }

  held(): HeldCertificate {
    const pem = this.#files.certificate('node');
    const { notBeforeMs, notAfterMs, role } = readCertificate(pem);
    const info = nodeTlsInfo(pem, this.#files.certificate('root'));
    return {
      notBefore: notBeforeMs,
      notAfter: notAfterMs,
      role: role === 'manager' ? 'manager' : 'worker',
      issuer: { subject: info.CertIssuerSubject, publicKey: info.CertIssuerPublicKey },
    };
  }
  hasBegun(): boolean {
    return this.#files.pendingKey() !== undefined;
  }
  begin(): PendingKey {
    const key = this.#files.beginRenewal();
    return { key, request: createRequest(privateKeyFromPem(key)) };
  }
  isPending({ key }: PendingKey): boolean {
    return this.#files.pendingKey() === key;
  }
  take({ key }: PendingKey, { certificate, roots }: Issued): void {
    this.#files.writeCertificates({ node: certificate, key, root: roots });
  }
  takeOwn(): boolean {
    const own = this.#own();
    if (own !== undefined) this.#files.writeCertificates(own);
    return own !== undefined;
  }
  onChange(listener: () => void): () => void {
    return this.#files.onCertificates(listener);
  }
}

class ManagersOverHttps implements RenewingManagers<Issued> {
  readonly #options: RenewalOptions;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  known(): readonly string[] {
    return this.#options.managers();
  }
  async renew(addr: string, request: string, scope: AbortSignal): Promise<Issued> {
    const { files, ask = renewThrough } = this.#options;
    return ask(addr, tlsOf(files), request, scope);
  }
}
