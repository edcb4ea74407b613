import type { HeldCertificate } from '../../../domain/ca/renewal.ts';
import { ActorChild } from '../../../supervisors/child.ts';
import { aborted, type Clock } from '../../../supervisors/clock.ts';
import type { Registry } from '../../../supervisors/registry.ts';
import type { Report } from '../../../supervisors/report.ts';
import { reasonOf } from '../../../supervisors/restart-policy.ts';
import { runs } from '../../../supervisors/run.ts';
import type { Part } from '../../../supervisors/trees.ts';
import { firstOf } from '../join/joining.ts';
import { type RenewalInput, renewalMachine } from './renewal.machine.ts';

/** A key that a certificate is asked for, and the request. */
export interface PendingKey {
  readonly key: string;
  readonly request: string;
}

/** The node's certificate and keys on its disk. What is written is durable when the method returns. */
export interface CertificateDisk<T> {
  /** The certificate in use. */
  held(): HeldCertificate;
  /** A renewal has begun and has not ended. */
  hasBegun(): boolean;
  /** The key of the renewal that has begun; drawn where none has. */
  begin(): PendingKey;
  /** False when the key has been replaced meanwhile, because managers lock now. */
  isPending(key: PendingKey): boolean;
  /** The certificate, with the pending key, is the one in use. */
  take(key: PendingKey, issued: T): void;
  /** For a certificate that has expired: one that needs nobody else. Answers whether there is one. */
  takeOwn(): boolean;
  onChange(listener: () => void): () => void;
}

/** The managers that renew certificates, by their join listeners. */
export interface RenewingManagers<T> {
  /** `host:port`, in the order in which they are to be asked. */
  known(): readonly string[];
  /** Rejects with the manager's `Fault`. */
  renew(addr: string, request: string, scope: AbortSignal): Promise<T>;
}

export interface NodeRenewalOptions<T> {
  readonly disk: CertificateDisk<T>;
  readonly managers: RenewingManagers<T>;
  /** Called with the answer, after the new certificate is in place. */
  readonly onIssued: (issued: T) => void;
  readonly clock: Clock;
  /** ms. */
  readonly wallNow: () => number;
  readonly random: () => number;
  readonly report: Report;
  readonly registry: Registry;
}

/** Keeps this node's certificate in force. */
export class NodeRenewal<T> {
  readonly #options: NodeRenewalOptions<T>;
  #first: string | undefined;
  #actor: ActorChild<typeof renewalMachine> | undefined;
  /** Of the certificate in use. */
  #notAfter = Number.POSITIVE_INFINITY;

  constructor(options: NodeRenewalOptions<T>) {
    this.#options = options;
  }

  /** At once, rather than when the certificate is due; from the manager at `addr` first. */
  now(addr?: string): void {
    this.#first = addr;
    this.#actor?.actor.send({ type: 'renew' });
  }

  /** What the user must know; '' if nothing. */
  complaint(): string {
    if (this.#actor === undefined || this.#options.wallNow() <= this.#notAfter) return '';
    return 'the certificate of this node has expired; if no manager renews it, let it back in with "docker swarm join" and a token';
  }

  /** The child of the daemon's supervisor. */
  part(): Part {
    return runs((scope) => this.#run(scope));
  }

  async #run(scope: AbortSignal): Promise<void> {
    const { disk, clock, wallNow, random, report, registry } = this.#options;
    let fail: (error: unknown) => void = () => undefined;
    const failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const input = (signal: AbortSignal): RenewalInput => ({
      scope: signal,
      held: () => disk.held(),
      hasBegun: () => disk.hasBegun(),
      renew: (end) => this.#renew(end),
      now: wallNow,
      random,
      log: report,
    });
    const actor = new ActorChild(
      { id: 'certificate', logic: renewalMachine, input },
      { clock, report, registry, address: 'renewal' },
      (exit) => fail(reasonOf(exit)),
    );
    this.#actor = actor;
    const look = (): void => {
      this.#notAfter = disk.held().notAfter;
    };
    look();
    const unfollow = disk.onChange(look);
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
   * certificate for a key that has been replaced meanwhile is of no use.
   */
  async #renew(signal: AbortSignal): Promise<void> {
    const { disk, onIssued, wallNow } = this.#options;
    if (disk.held().notAfter < wallNow() && disk.takeOwn()) return;
    for (;;) {
      const pending = disk.begin();
      const issued = await this.#askFor(pending, signal);
      signal.throwIfAborted();
      if (!disk.isPending(pending)) continue;
      disk.take(pending, issued);
      this.#first = undefined;
      return onIssued(issued);
    }
  }

  #askFor({ request }: PendingKey, signal: AbortSignal): Promise<T> {
    const { managers } = this.#options;
    const first = this.#first === undefined ? [] : [this.#first];
    return firstOf([...first, ...managers.known()], (addr) =>
      managers.renew(addr, request, signal),
    );
  }
}
