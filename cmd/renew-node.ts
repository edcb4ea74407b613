import { type ActorRefFrom, createActor } from 'xstate';
import { renewalMachine } from '../actors/agent/renewal.machine.ts';
import type { HeldCertificate } from '../domain/ca/renewal.ts';
import {
  createRequest,
  generateKeys,
  nodeTlsInfo,
  privateKeyToPem,
  readCertificate,
} from '../pki/mod.ts';
import { systemClock } from '../supervisors/clock.ts';
import { runs } from '../supervisors/run.ts';
import type { Part } from '../supervisors/trees.ts';
import { firstOf, renewThrough } from './join-cluster.ts';
import type { LogEvent } from './log.ts';
import type { ManagerAddress } from '../domain/assign/membership.ts';
import type { NodeFiles } from './node-files.ts';
import { aborted, tlsOf } from './wiring.ts';

export interface RenewalOptions {
  readonly files: NodeFiles;
  /** `host:port` of the managers to ask, in this order. */
  readonly managers: () => readonly string[];
  /** The managers that the answer names. */
  readonly onManagers: (managers: readonly ManagerAddress[]) => void;
  readonly report: LogEvent;
}

/** Keeps this node's certificate in force. */
export class NodeRenewal {
  readonly #options: RenewalOptions;
  #actor: ActorRefFrom<typeof renewalMachine> | undefined;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** At once, rather than when the certificate is due. */
  now(): void {
    this.#actor?.send({ type: 'renew' });
  }

  /** The child of the daemon's supervisor. */
  part(): Part {
    return runs((scope) => this.#run(scope));
  }

  async #run(scope: AbortSignal): Promise<void> {
    const { files, report } = this.#options;
    let fail: (error: unknown) => void = () => undefined;
    const failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const actor = createActor(renewalMachine, {
      clock: systemClock,
      input: {
        scope,
        held: () => heldCertificate(files),
        renew: (signal) => this.#renew(signal),
        now: Date.now,
        random: Math.random,
        log: report,
      },
    });
    actor.subscribe({ error: fail });
    this.#actor = actor;
    actor.start();
    try {
      await Promise.race([aborted(scope), failed]);
    } finally {
      this.#actor = undefined;
      actor.stop();
    }
  }

  /** A new key and certificate from the first manager that gives one; the bus takes it with its next connection. */
  async #renew(signal: AbortSignal): Promise<void> {
    const { files, managers, onManagers } = this.#options;
    const { privateKey } = generateKeys();
    const request = createRequest(privateKey);
    const issued = await firstOf(managers(), (addr) =>
      renewThrough(addr, tlsOf(files), request, signal),
    );
    signal.throwIfAborted();
    files.writeCertificates({
      node: issued.certificate,
      key: privateKeyToPem(privateKey),
      root: issued.roots,
    });
    onManagers(issued.managers);
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
