import { randomBytes } from 'node:crypto';
import { type BusConnection, type BusOptions, connectBus } from '../bus/nats/bus.ts';
import { connectLink, type Link, type TlsMaterial } from '../bus/nats/link.ts';
import { localAddress } from '../bus/nats/server.ts';
import type { OwnUsers } from '../bus/nats/users.ts';
import type { Manager } from '../actors/manager/manager.ts';
import { limits } from '../domain/limits.ts';
import { idFromBytes } from '../domain/ids.ts';
import { cfsslConnect } from '../pki/adapters/cfssl.ts';
import type { CfsslConnect } from '../pki/mod.ts';
import type { Registry } from '../supervisors/registry.ts';
import type { Config } from './config.ts';
import type { LogEvent, Logger } from './log.ts';
import type { Identity } from '../actors/node/identity.ts';
import type { NodeFiles } from './node-files.ts';
import type { SeenDisks, StartFiles } from './start-files.ts';

export type ManagerPart = 'bus-server' | 'bus-auth' | 'manager' | 'join-listener';

export interface ManagerWiring {
  readonly config: Config;
  readonly files: NodeFiles;
  /** As it is now: it changes in place when only the state of its seat does. */
  readonly identity: Identity;
  readonly logger: Logger;
  readonly registry: Registry;
  /** The log is made when it is not there; only right at init, before anything was acknowledged. */
  readonly create: boolean;
  /** Told when the manager runs, and with undefined when it does not any more. */
  readonly onManager: (manager: Manager | undefined) => void;
  /** This manager is to go on as another one: in another generation, or with its seat. */
  readonly onIdentity: (identity: Identity) => void;
  /** The manager whose join listener is at `addr` says that this node is not to be one. */
  readonly onRefused: (addr: string) => void;
  /** What this manager waits for before it counts; '' for nothing any more. */
  readonly onProgress: (why: string) => void;
  /** The keys on the disk are under another unlock key now, or under none. */
  readonly onLock: () => void;
  /** A part failed; the supervisor tries again. */
  readonly onFailure: (part: ManagerPart, error: unknown) => void;
  /** The manager stands still until another natswarm is installed: `why` is for people. */
  readonly onStandstill: (why: string) => void;
  /** A part does what it is there for. */
  readonly onUp: (part: ManagerPart) => void;
  /** The log's group goes on without this manager's server: it gets a new one, and begins as one that joins. */
  readonly onForgotten: () => void;
  /** All parts of this manager begin anew. */
  readonly onRestart: (identity: Identity) => void;
  readonly starts: StartFiles;
  readonly seen: SeenDisks;
}

export const newId = (): string => idFromBytes(randomBytes(16));

/** Connects to the bus, and tells of what goes wrong with that and when it goes well again. */
export async function openBus(
  options: Omit<BusOptions, 'onError'>,
  report: LogEvent,
): Promise<BusConnection> {
  const onError = (error: Error, subject: string): void =>
    // an attempt that failed is made again, and at a start it is nothing but early: no warning
    subject === ''
      ? report('bus_not_reached', { error })
      : report('bus_failed', { error, subject }, 'warn');
  const bus = await connectBus({ ...options, onError });
  report('bus_reached', {});
  bus.onConnection((connected) => {
    if (connected) report('bus_reached', {});
  });
  return bus;
}

/** Where this daemon's own clients find its bus server. */
export const busAddress = (
  { busPort }: Pick<Config, 'busPort'>,
  { listenAddr }: Pick<Identity, 'listenAddr'>,
): string => localAddress({ host: hostOf(listenAddr), port: busPort });

/** The manager that runs now, for the parts beside it. */
export class CurrentManager {
  readonly #listeners = new Set<(manager: Manager | undefined) => void>();
  manager: Manager | undefined;
  /** Up to where the journal went before the manager was opened; undefined where that is not known. */
  kept: number | undefined;
  /** The join listener has tried to listen: who asks others from then on can be asked by them. */
  readonly listening: Promise<void>;
  listens: () => void = () => undefined;

  /** `told` hears of every change. */
  constructor(told: ManagerWiring['onManager']) {
    this.#listeners.add(told);
    this.listening = new Promise((resolve) => {
      this.listens = resolve;
    });
  }

  set(manager: Manager | undefined): void {
    this.manager = manager;
    for (const listener of this.#listeners) listener(manager);
  }

  /** The listener is told at once, and of every change. */
  watch(listener: (manager: Manager | undefined) => void): () => void {
    this.#listeners.add(listener);
    listener(this.manager);
    return () => this.#listeners.delete(listener);
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
      servers: [busAddress(wiring.config, wiring.identity)],
      name: `${name} ${wiring.identity.nodeId}`,
      tls: () => tlsOf(wiring.files),
      user,
    },
    (error) => report.debug({ error: error.message }, 'bus_link_failed'),
    scope,
  );
}

export const hostOf = (listenAddr: string): string =>
  listenAddr.slice(0, listenAddr.lastIndexOf(':')).replaceAll(/[[\]]/g, '');
