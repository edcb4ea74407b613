import type { Authenticator } from 'nats';
import { createNKey, type NKey, signWithNKey } from '../../pki/mod.ts';

/**
 * The daemon's own users of its own server, one per account. Their keys are drawn when the daemon starts and never
 * leave its memory; the server's configuration holds the public halves only. They outlive restarts of the server, so
 * connections come back by themselves.
 */
export interface OwnUsers {
  /** The state log and its JetStream API. */
  readonly log: NKey;
  /** The server's own events and requests. */
  readonly system: NKey;
  /** What the manager says to nodes and other managers. */
  readonly bus: NKey;
  /** Answers the server's question who a connection is. */
  readonly auth: NKey;
}

export function createOwnUsers(): OwnUsers {
  const user = (): NKey => createNKey('user');
  return { log: user(), system: user(), bus: user(), auth: user() };
}

/** Answers the server's challenge; natively, since the client library's own signing takes 40–90 ms. */
export function authenticatorOf(user: NKey): Authenticator {
  return (nonce?: string) => ({
    nkey: user.publicKey,
    sig: signWithNKey(user, Buffer.from(nonce ?? '')).toString('base64url'),
  });
}
