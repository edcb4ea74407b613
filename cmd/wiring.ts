import { randomBytes } from 'node:crypto';
import { connectLink, type Link, type TlsMaterial } from '../bus/nats/link.ts';
import type { OwnUsers } from '../bus/nats/users.ts';
import type { Manager } from '../actors/manager/manager.ts';
import { limits } from '../domain/limits.ts';
import { idFromBytes } from '../domain/ids.ts';
import { cfsslConnect } from '../pki/adapters/cfssl.ts';
import type { CfsslConnect } from '../pki/mod.ts';
import type { Registry } from '../supervisors/registry.ts';
import type { Config } from './config.ts';
import type { LogEvent, Logger } from './log.ts';
import type { Identity, NodeFiles } from './node-files.ts';

export interface ManagerWiring {
  readonly config: Config;
  readonly files: NodeFiles;
  readonly identity: Identity;
  readonly logger: Logger;
  readonly registry: Registry;
  /** The log is made when it is not there; only right at init, before anything was acknowledged. */
  readonly create: boolean;
  /** Told when the manager runs, and with undefined when it does not any more. */
  readonly onManager: (manager: Manager | undefined) => void;
  /** An attempt to start a part failed; the supervisor tries again. */
  readonly onFailure: (error: unknown) => void;
}

export const newId = (): string => idFromBytes(randomBytes(16));

/** An attempt to connect that failed is made again, and at a start it is nothing but early: no warning. */
export const busErrors =
  (report: LogEvent) =>
  (error: Error, subject: string): void =>
    subject === ''
      ? report('bus_not_reached', { error })
      : report('bus_failed', { error, subject });

/** Where this daemon's own clients find its bus server. */
export const busAddress = (config: Config): string => `127.0.0.1:${config.busPort}`;

/** The manager that runs now, for the parts beside it. */
export class CurrentManager {
  readonly #told: ManagerWiring['onManager'];
  manager: Manager | undefined;

  constructor(told: ManagerWiring['onManager']) {
    this.#told = told;
  }

  set(manager: Manager | undefined): void {
    this.manager = manager;
    this.#told(manager);
  }
}

/** The certificate in use now; read again for each connection, so a renewed one is taken. */
export const tlsOf = (files: NodeFiles): TlsMaterial => ({
  cert: files.certificate('node'),
  key: files.certificate('key'),
  ca: files.certificate('root'),
});

export const externalCas = (files: NodeFiles): CfsslConnect =>
  cfsslConnect({
    identity: () => ({
      certificatePem: files.certificate('node'),
      keyPem: files.certificate('key'),
    }),
    timeoutMs: limits.externalCaMs,
    answerBytesMax: limits.externalCaAnswerBytesMax,
  });

export function ownLink(
  wiring: ManagerWiring,
  user: OwnUsers[keyof OwnUsers],
  name: string,
  scope: AbortSignal,
): Promise<Link> {
  const report = wiring.logger.child({ actor: name, node: wiring.identity.nodeId });
  return connectLink(
    {
      servers: [busAddress(wiring.config)],
      name: `${name} ${wiring.identity.nodeId}`,
      tls: () => tlsOf(wiring.files),
      user,
    },
    (error) => report.debug({ error: error.message }, 'bus_link_failed'),
    scope,
  );
}

/** Resolves with nothing when the scope ends. */
export function aborted(scope: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (scope.aborted) return resolve(undefined);
    scope.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

export const hostOf = (listenAddr: string): string =>
  listenAddr.slice(0, listenAddr.lastIndexOf(':')).replaceAll(/[[\]]/g, '');
