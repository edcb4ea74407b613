import { type RenewalInput, renewalMachine } from '../actors/node/certificate/renewal.machine.ts';
import type { HeldCertificate } from '../domain/ca/renewal.ts';
import { createRequest, nodeTlsInfo, privateKeyFromPem, readCertificate } from '../pki/mod.ts';
import { aborted, systemClock } from '../supervisors/clock.ts';
import { ActorChild } from '../supervisors/child.ts';
import type { Registry } from '../supervisors/registry.ts';
import { reasonOf } from '../supervisors/restart-policy.ts';
import { runs } from '../supervisors/run.ts';
import type { Part } from '../supervisors/trees.ts';
import { firstOf } from '../actors/node/join/joining.ts';
import { renewThrough } from './join-cluster.ts';
import type { LogEvent } from './log.ts';
import type { Issued } from '../api/join-listener.ts';
import type { Certificates, NodeFiles } from './node-files.ts';
import { hasExpired } from './own-certificate.ts';
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

/** Keeps this node's certificate in force. */
export class NodeRenewal {
  readonly #options: RenewalOptions;
  #first: string | undefined;
  #actor: ActorChild<typeof renewalMachine> | undefined;
  /** Of the certificate in use. */
  #notAfter = Number.POSITIVE_INFINITY;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** At once, rather than when the certificate is due; from the manager at `addr` first. */
  now(addr?: string): void {
    this.#first = addr;
    this.#actor?.actor.send({ type: 'renew' });
  }

  /** What the user must know; '' if nothing. */
  complaint(): string {
    if (this.#actor === undefined || Date.now() <= this.#notAfter) return '';
    return 'the certificate of this node has expired; if no manager renews it, let it back in with "docker swarm join" and a token';
  }

  /** The child of the daemon's supervisor. */
  part(): Part {
    return runs((scope) => this.#run(scope));
  }

  async #run(scope: AbortSignal): Promise<void> {
    const { files, report, registry } = this.#options;
    let fail: (error: unknown) => void = () => undefined;
    const failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const input = (signal: AbortSignal): RenewalInput => ({
      scope: signal,
      held: () => heldCertificate(files),
      hasBegun: () => files.pendingKey() !== undefined,
      renew: (end) => this.#renew(end),
      now: Date.now,
      random: Math.random,
      log: report,
    });
    const actor = new ActorChild(
      { id: 'certificate', logic: renewalMachine, input },
      { clock: systemClock, report, registry, address: 'renewal' },
      (exit) => fail(reasonOf(exit)),
    );
    this.#actor = actor;
    const look = (): void => {
      this.#notAfter = heldCertificate(files).notAfter;
    };
    look();
    const unfollow = files.onCertificates(look);
    actor.start();
    try {
      await Promise.race([aborted(scope), failed]);
    } finally {
      this.#actor = undefined;
      unfollow();
      void actor.stop();
    }
  }

  /**
   * A certificate for the pending key from the first manager that gives one; the bus takes it with its next connection. A
   * certificate for a key that has been replaced meanwhile, because managers lock now, is of no use.
   */
  async #renew(signal: AbortSignal): Promise<void> {
    const { files, onIssued } = this.#options;
    const own = hasExpired(files) ? this.#options.own() : undefined;
    if (own !== undefined) return files.writeCertificates(own);
    for (;;) {
      const key = files.beginRenewal();
      const issued = await this.#askFor(createRequest(privateKeyFromPem(key)), signal);
      signal.throwIfAborted();
      if (files.pendingKey() !== key) continue;
      files.writeCertificates({ node: issued.certificate, key, root: issued.roots });
      this.#first = undefined;
      return onIssued(issued);
    }
  }

  #askFor(request: string, signal: AbortSignal): Promise<Issued> {
    const { files, managers, ask = renewThrough } = this.#options;
    const first = this.#first === undefined ? [] : [this.#first];
    return firstOf([...first, ...managers()], (addr) => ask(addr, tlsOf(files), request, signal));
  }
}

function heldCertificate(files: NodeFiles): HeldCertificate {
  const pem = files.certificate('node');
  const { notBeforeMs, notAfterMs, role } = readCertificate(pem);
  const info = nodeTlsInfo(pem, files.certificate('root'));
  return {
    notBefore: notBeforeMs,
    notAfter: notAfterMs,
    role: role === 'manager' ? 'manager' : 'worker',
    issuer: { subject: info.CertIssuerSubject, publicKey: info.CertIssuerPublicKey },
  };
}
