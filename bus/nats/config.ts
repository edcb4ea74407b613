import { assert } from '../../domain/assert.ts';
import { limits } from '../../domain/limits.ts';
import { roleUnits } from '../../pki/mod.ts';
import type { OwnUsers } from './users.ts';

/** Accounts of a manager's server. In any but `bus` only the daemon itself has a user. */
export const accounts = { bus: 'bus', log: 'log', system: 'system', auth: 'auth' } as const;

/** Environment variable that hands the key of the store to the server. */
export const storeKeyVariable = 'NATSWARM_STORE_KEY';

/** The routes between managers. */
export interface ClusterOptions {
  /** Lineage and generation: a server with another name is refused, so two histories never meet. */
  readonly name: string;
  /** Address that the route port listens on. */
  readonly host: string;
  readonly port: number;
  /** `host:port` of the other managers' route ports; this server's own is not among them. */
  readonly routes: readonly string[];
  /** `publicKeyPin` of every manager's certificate, this one's too; with a new key, of the old and the new one. */
  readonly pinnedCerts: readonly string[];
}

export interface ConfigOptions {
  readonly serverName: string;
  /** Address that the client port listens on. */
  readonly host: string;
  readonly port: number;
  readonly storeDir: string;
  readonly tlsFiles: { readonly cert: string; readonly key: string; readonly ca: string };
  /** Public account key that signs the answers to the server's question who a connection is. */
  readonly issuer: string;
  /** Public user keys of the daemon itself. */
  readonly users: { readonly [K in keyof OwnUsers]: string };
  /** Connections at a time; `limits.busConnectionsMax` unless told otherwise. */
  readonly connectionsMax?: number;
  /** Absent on a server that stands alone. A store is of one form for good: it loses its streams in the other. */
  readonly cluster?: ClusterOptions;
}

/**
 * Thousands of nodes may come back at once; each waits for its turn. With 5 s that took half as long again where CPU was short.
 * Where mute connections are many they do not have this long (`Strangers`).
 */
const tlsTimeoutSeconds = 10;
/** Who asks while nobody answers yet must not wait long before he tries again. */
export const authTimeoutSeconds = 2;
const storeKeyMark = '@store-key@';

/** A route without a word for three of these is closed; raft itself notices a lost peer earlier. */
const routePing = { interval: '2s', outstandingMax: 2 } as const;
/** The DNS name that a certificate must have to be let in as a server; only the CA gives it. */
const routeUser = roleUnits.manager;

/**
 * The server's configuration. It holds no secret: the daemon's users are public keys, the key of the
 * store comes by environment, TLS keys stand in files of their own. NATS reads JSON as it is.
 */
export function serverConfig(options: ConfigOptions): string {
  const { users } = options;
  const config = {
    server_name: options.serverName,
    host: options.host,
    port: options.port,
    // The headers of a message count too.
    max_payload: limits.serverPayloadBytesMax + 64 * 1024,
    max_connections: options.connectionsMax ?? limits.busConnectionsMax,
    write_deadline: '10s',
    ping_interval: '10s',
    ping_max: 2,
    logtime: false,
    tls: {
      cert_file: options.tlsFiles.cert,
      key_file: options.tlsFiles.key,
      ca_file: options.tlsFiles.ca,
      verify: true,
      timeout: tlsTimeoutSeconds,
    },
    jetstream: {
      store_dir: options.storeDir,
      cipher: 'aes',
      key: storeKeyMark,
      sync_interval: 'always',
    },
    accounts: {
      [accounts.bus]: {
        users: [{ nkey: users.bus }],
        // of each connection; the server takes no notice of limits in the JWT of a callout
        limits: { max_subscriptions: limits.busSubscriptionsMax },
      },
      [accounts.log]: { jetstream: 'enabled', users: [{ nkey: users.log }] },
      [accounts.system]: { users: [{ nkey: users.system }] },
      // Of its own, so that a question in it can only come from the server.
      [accounts.auth]: { users: [{ nkey: users.auth }] },
    },
    system_account: accounts.system,
    authorization: {
      timeout: authTimeoutSeconds,
      auth_callout: {
        issuer: options.issuer,
        account: accounts.auth,
        auth_users: [users.log, users.system, users.bus, users.auth],
      },
    },
    ...(options.cluster === undefined ? {} : { cluster: clusterConfig(options, options.cluster) }),
  };
  return `${JSON.stringify(config, undefined, 2)}\n`.replace(
    `"${storeKeyMark}"`,
    () => `$${storeKeyVariable}`,
  );
}

/** The key as the variable must hold it: quoted, since NATS parses the value as configuration. */
export const storeKeyValue = (key: Uint8Array): string => `"${Buffer.from(key).toString('hex')}"`;

/**
 * Who dials knows the other by its key (`insecure` leaves out the host name, which no certificate of ours has, and with
 * it the chain); who is dialled checks chain, name and key.
 */
function clusterConfig({ tlsFiles }: ConfigOptions, cluster: ClusterOptions): object {
  // Without a pin nats-server would take every server for the one that it dialled.
  assert(cluster.pinnedCerts.length > 0, 'the routes of a cluster have pinned keys');
  return {
    name: cluster.name,
    host: cluster.host,
    port: cluster.port,
    routes: cluster.routes.map((address) => `nats-route://${address}`),
    no_advertise: true,
    compression: 'off',
    ping_interval: routePing.interval,
    ping_max: routePing.outstandingMax,
    authorization: { user: routeUser },
    tls: {
      cert_file: tlsFiles.cert,
      key_file: tlsFiles.key,
      ca_file: tlsFiles.ca,
      verify_and_map: true,
      insecure: true,
      pinned_certs: cluster.pinnedCerts,
      timeout: tlsTimeoutSeconds,
    },
  };
}
