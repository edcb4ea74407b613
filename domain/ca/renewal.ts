/** When a node gets itself a new certificate. */
import type { NodeRole } from '../model/spec.ts';
import type { Issuer } from './ports.ts';

/** Certificates begin this much before they are issued (swarm-compat §4.9). */
const backdateMs = 3_600_000;
const lifeShare = { least: 0.5, most: 0.8 } as const;
const retryMs = { first: 5_000, most: 3_600_000 } as const;

export interface HeldCertificate {
  readonly notBefore: number;
  readonly notAfter: number;
  readonly issuer: Issuer;
  readonly role: NodeRole;
}

/** What the manager wants the certificate to be; what is left out may be as it is. */
export interface WantedCertificate {
  readonly issuer?: Issuer;
  readonly role?: NodeRole;
}

export interface Renewal {
  /** Wall clock, ms. In the past: now. */
  readonly at: number;
  readonly reason: 'issuer' | 'role' | 'age';
}

/**
 * When to renew: at once if the certificate is not what the manager wants, otherwise somewhere between 50 and 80 % of
 * its life, so that nodes which joined together do not come together. `random` in [0, 1) is to be drawn once for a
 * certificate. Life counts from the issuance: the backdated hour would let a certificate of one hour, the shortest that
 * Swarm allows, be due when it is issued.
 */
export function renewalOf(
  held: HeldCertificate,
  wanted: WantedCertificate,
  random: number,
): Renewal {
  if (wanted.issuer !== undefined && !isSame(held.issuer, wanted.issuer))
    return { at: 0, reason: 'issuer' };
  if (wanted.role !== undefined && wanted.role !== held.role) return { at: 0, reason: 'role' };
  const issuedAt = held.notBefore + backdateMs;
  // An external CA may backdate less, or not at all.
  const from = issuedAt < held.notAfter ? issuedAt : held.notBefore;
  const share = lifeShare.least + random * (lifeShare.most - lifeShare.least);
  return { at: Math.round(from + (held.notAfter - from) * share), reason: 'age' };
}

const isSame = (a: Issuer, b: Issuer): boolean =>
  a.subject === b.subject && a.publicKey === b.publicKey;

/**
 * When to try again after the `failures`-th attempt in a row has failed at `now`: after 5 s, 10 s, 20 s, … up to an hour,
 * up to half of that less by chance. The last half of what is left of the certificate's life is never slept through.
 */
export function renewalRetryAt(
  failures: number,
  { notAfter }: Pick<HeldCertificate, 'notAfter'>,
  now: number,
  random: number,
): number {
  const pause = Math.min(retryMs.first * 2 ** Math.max(0, failures - 1), retryMs.most);
  const spread = pause * (1 - random / 2);
  const left = notAfter - now;
  return Math.round(
    now + (left > 0 ? Math.min(spread, Math.max(retryMs.first, left / 2)) : spread),
  );
}
