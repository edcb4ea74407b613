import { limits } from '../../domain/limits.ts';
import type { OwnUsers } from './users.ts';

/** Accounts of a manager's server. In any but `bus` only the daemon itself has a user. */
export const accounts = { bus: 'bus', log: 'log', system: 'system', auth: 'auth' } as const;

/** Environment variable that hands the key of the store to the server. */
export const storeKeyVariable = 'NATSWARM_STORE_KEY';

export interface ConfigOptions {
  readonly serverName: string;
  /** Address that the client port listens on. */
  readonly host: string;
  readonly port: number;
  readonly storeDir: string;
  readonly tlsFiles: { readonly cert: string; readonly key: string; readonly ca: string };
  /** With it the server is one of several managers' that keep the log together. */
  readonly cluster?: ClusterOptions;
  /** Public account key that signs the answers to the server's question who a connection is. */
  readonly issuer: string;
  /** Public user keys of the daemon itself. */
  readonly users: { readonly [K in keyof OwnUsers]: string };
}

/** The group of several managers' servers. */
export interface ClusterOptions {
  /** Of the cluster and its generation: a server of another generation is refused by it. */
  readonly name: string;
  /** Address and port for the servers of other managers. */
  readonly host: string;
  readonly port: number;
  /** `host:port` of the others. */
  readonly routes: readonly string[];
  /** Digests of the keys that may show up there (`pinOf`). */
  readonly pinnedCerts: readonly string[];
}

/** Thousands of nodes may come back at once; each waits for its turn. */
const tlsTimeoutSeconds = 10;
/** Who asks while nobody answers yet must not wait long before he tries again. */
export const authTimeoutSeconds = 2;
const storeKeyMark = '@store-key@';

/**
 * Configuration of a manager's server. It holds no secret: the daemon's users are public keys, the key of the
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
    max_connections: limits.busConnectionsMax,
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
      [accounts.bus]: { users: [{ nkey: users.bus }] },
      [accounts.log]: { jetstream: 'enabled', users: [{ nkey: users.log }] },
      [accounts.system]: { users: [{ nkey: users.system }] },
      // Of its own, so that a question in it can only come from the server.
      [accounts.auth]: { users: [{ nkey: users.auth }] },
    },
    ...(options.cluster !== undefined && { cluster: clusterConfig(options, options.cluster) }),
    system_account: accounts.system,
    authorization: {
      timeout: authTimeoutSeconds,
      auth_callout: {
        issuer: options.issuer,
        account: accounts.auth,
        auth_users: [users.log, users.system, users.bus, users.auth],
      },
    },
  };
  return `${JSON.stringify(config, undefined, 2)}\n`.replace(
    `"${storeKeyMark}"`,
    () => `$${storeKeyVariable}`,
  );
}

/** User that a certificate is mapped to: the DNS name that only the CA gives, and only to managers. */
const routeUser = 'swarm-manager';
/** No key has this digest. An empty list would let in every key. */
const noKey = '0'.repeat(64);

function clusterConfig(
  { tlsFiles }: ConfigOptions,
  { name, host, port, routes, pinnedCerts }: ClusterOptions,
): object {
  return {
    name,
    host,
    port,
    routes: routes.map((route) => `nats-route://${route}`),
    // Where managers are is the cluster's to say.
    no_advertise: true,
    authorization: { user: routeUser, timeout: tlsTimeoutSeconds },
    tls: {
      cert_file: tlsFiles.cert,
      key_file: tlsFiles.key,
      ca_file: tlsFiles.ca,
      verify_and_map: true,
      // For the servers that are dialled: they are known by their keys, while their addresses are in no certificate.
      insecure: true,
      pinned_certs: [noKey, ...pinnedCerts],
      timeout: tlsTimeoutSeconds,
    },
  };
}

/** The key as the variable must hold it: quoted, since NATS parses the value as configuration. */
export const storeKeyValue = (key: Uint8Array): string => `"${Buffer.from(key).toString('hex')}"`;
