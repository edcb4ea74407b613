import { PkiError } from './errors.ts';

/** What a certificate lets its holder be. Clients are programs on the bus that are no nodes. */
export type Role = 'manager' | 'worker' | 'client';

/** OU of the subject, and a DNS name of the certificate, per role; the first two are Swarm's. */
export const roleUnits: Readonly<Record<Role, string>> = {
  manager: 'swarm-manager',
  worker: 'swarm-worker',
  client: 'swarm-client',
};

/** Common name of the root and a DNS name of every manager, as in Swarm. */
export const caName = 'swarm-ca';

/** X.520 caps common name and organisation at 64; DNS labels at 63. */
const namePattern = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/;

/** The role an OU stands for; undefined for any other text. */
export function roleOfUnit(unit: string): Role | undefined {
  if (unit === roleUnits.manager) return 'manager';
  if (unit === roleUnits.worker) return 'worker';
  if (unit === roleUnits.client) return 'client';
  return undefined;
}

/**
 * Whether text can be a node ID or cluster ID. It becomes a DNS name and one token of a NATS subject,
 * hence no dots, blanks or wildcards. Names that begin with `swarm-` are the roles' own: a node called
 * `swarm-manager` would get a manager's DNS name, and with it a manager's route.
 */
export function isIdentityName(text: string): boolean {
  return namePattern.test(text) && !text.toLowerCase().startsWith('swarm-');
}

/** Throws `bad-name` unless `isIdentityName`. `what` names the argument in the message. */
export function requireIdentityName(what: string, text: string): void {
  if (!isIdentityName(text)) throw new PkiError('bad-name', `not usable as ${what}: '${text}'`);
}

/** DNS names of a certificate: own name and role; managers also answer as the CA (Swarm's rule). */
export function dnsNames(nodeId: string, role: Role): readonly string[] {
  const names = [nodeId, roleUnits[role]];
  return role === 'manager' ? [...names, caName] : names;
}
