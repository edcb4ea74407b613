import { createHash } from 'node:crypto';
import {
  type RenewalInput,
  renewalMachine,
} from '../../../actors/node/certificate/renewal.machine.ts';
import type { LocalCaTools } from '../../../domain/ca/ports.ts';
import { wantedRootPem } from '../../../domain/ca/signing.ts';
import type { NodeTls } from '../../../domain/model/objects.ts';
import type { NodeRole } from '../../../domain/model/spec.ts';
import type { Registry } from '../../../supervisors/registry.ts';
import { ActorChild } from '../../../supervisors/child.ts';
import type { Cluster } from './cluster.ts';
import type { SimHost } from './daemon.ts';
import type { SimProcess } from './process.ts';
import type { Random } from './random.ts';

/** A root is its text, and so is a key: nothing is signed here. */
export interface Certificate {
  readonly issuer: string;
  readonly key: string;
  readonly role: NodeRole;
}
export const firstRoot = { certPem: 'root 0', keyPem: 'key of root 0' } as const;
export const pinOf = (key: string): string => createHash('sha256').update(key).digest('hex');

/** As a command takes a public key. */
export const keyText = (key: string): string => Buffer.from(key).toString('base64');

export const simulatedCa = (random: Random): LocalCaTools => ({
  normalize: (pem) => pem,
  newRoot: () => {
    const certPem = `root ${random.id()}`;
    return { certPem, keyPem: `key of ${certPem}` };
  },
  readRoot: () => ({ ok: false, text: 'roots of users are not simulated' }),
  issuerOf: (rootPem) => ({ subject: rootPem, publicKey: rootPem }),
  crossSign: (_, certPem) => `cross ${certPem}`,
});

export const tlsOf = ({ issuer }: Certificate): NodeTls => ({
  trustRoot: issuer,
  issuerSubject: issuer,
  issuerPublicKey: issuer,
});

const lifeMs = 90 * 24 * 3_600_000;
/** As the daemon's: how long one manager has for its answer, ms. */
const askLimitMs = 30_000;

export interface RenewalOptions {
  readonly cluster: Cluster;
  readonly host: SimHost;
  readonly process: SimProcess;
  readonly registry: Registry;
  readonly random: Random;
  /** The new certificate is in use. */
  readonly onRenewed: () => void;
}

/** Keeps a host's certificate: the machine of `cmd/renew-node.ts`, with managers asked in this world. */
export class SimRenewal {
  readonly #options: RenewalOptions;
  #actor: ActorChild<typeof renewalMachine> | undefined;

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  now(): void {
    this.#actor?.actor.send({ type: 'renew' });
  }

  async run(scope: AbortSignal): Promise<void> {
    const { cluster, host, process, registry, random } = this.#options;
    let fail: (error: unknown) => void = () => undefined;
    const over = new Promise<void>((resolve, reject) => {
      fail = reject;
      scope.addEventListener('abort', () => resolve(), { once: true });
    });
    const report = (event: string, fields: object): void =>
      cluster.report(process, `renewal ${host.id}`, event, fields);
    const input = (signal: AbortSignal): RenewalInput => ({
      scope: signal,
      held: () => {
        const { issuer, role } = host.certificate;
        const notBefore = cluster.wallNow();
        const by = { subject: issuer, publicKey: issuer };
        return { notBefore, notAfter: notBefore + lifeMs, role, issuer: by };
      },
      hasBegun: () => host.pendingKey !== undefined,
      renew: (end) => this.#renew(end),
      now: () => cluster.wallNow(),
      random: () => random.next(),
      log: report,
    });
    const actor = new ActorChild(
      { id: 'certificate', logic: renewalMachine, input },
      { clock: process.clock, report, registry, address: 'renewal' },
      (exit) => fail(exit.kind === 'error' ? exit.error : new Error('the renewal has ended')),
    );
    this.#actor = actor;
    actor.start();
    try {
      await over;
    } finally {
      this.#actor = undefined;
      void actor.stop();
    }
  }

  /** One key however often it is tried, from the first manager that answers. */
  async #renew(end: AbortSignal): Promise<void> {
    const { host, random, onRenewed } = this.#options;
    const key = (host.pendingKey ??= random.id());
    let error: unknown = new Error('no manager');
    for (const manager of this.#managers()) {
      try {
        const issued = await this.#ask(manager, key);
        end.throwIfAborted();
        host.certificate = issued;
        host.pendingKey = undefined;
        return onRenewed();
      } catch (failure) {
        end.throwIfAborted();
        error = failure;
      }
    }
    throw error;
  }

  #managers(): readonly SimHost[] {
    const { cluster, random } = this.#options;
    const order = new Map(cluster.managers.map((host) => [host, random.next()]));
    return [...cluster.managers].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
  }

  /** One question over HTTPS, which may be lost or late, as may its answer. */
  #ask(manager: SimHost, key: string): Promise<Certificate> {
    const { cluster, process, random } = this.#options;
    const { clock, mishaps, network } = cluster;
    const wayMs = (): number =>
      random.between(network.link.latencyMinMs, network.link.latencyMaxMs);
    return new Promise((resolve, reject) => {
      const timer = process.clock.setTimeout(() => reject(new Error('no answer')), askLimitMs);
      const pass = (direction: 'request' | 'answer', arrive: () => void): void => {
        const fate = mishaps.draw('renewal', direction);
        if (fate === 'lost') return;
        clock.setTimeout(arrive, fate === 'late' ? mishaps.lateMs(askLimitMs) : wayMs());
      };
      const answer = (end: () => void): void =>
        pass('answer', () =>
          process.take(() => {
            process.clock.clearTimeout(timer);
            end();
          }),
        );
      pass('request', () => {
        this.#issue(manager, key).then(
          (issued) => answer(() => resolve(issued)),
          (error: unknown) => answer(() => reject(error as Error)),
        );
      });
    });
  }

  /** As the certificate issuer of that manager: a key is noted before a certificate for it is given away. */
  async #issue(manager: SimHost, key: string): Promise<Certificate> {
    const { cluster, host } = this.#options;
    const { id, certificate } = host;
    const view = manager.manager?.view();
    const node = view?.node(id);
    if (!manager.isUp || node === undefined || cluster.servers.isCut(manager.id, id))
      throw new Error(`${manager.id} cannot be reached`);
    const outcome = await manager.command('node.pin', {
      nodeId: id,
      key: keyText(key),
      heldKey: keyText(certificate.key),
      pin: pinOf(key),
      held: pinOf(certificate.key),
    });
    if (outcome.kind !== 'acknowledged') throw new Error(outcome.message);
    const state = manager.manager?.view().cluster();
    if (state === undefined) throw new Error('the manager has stopped');
    return { issuer: wantedRootPem(state), key, role: node.role };
  }
}
