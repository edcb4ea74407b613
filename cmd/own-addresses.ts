import { networkInterfaces } from 'node:os';
import {
  checkDataPath,
  type Endpoint,
  type Interfaces,
  isLocal,
  isUnspecified,
  joinHostPort,
  resolveAdvertise,
  resolveListen,
} from './addresses.ts';
import { cliListenAddr, type Config } from './config.ts';
import type { Identity } from './node-files.ts';

export type OwnAddresses = Pick<Identity, 'listenAddr' | 'advertiseHost' | 'advertisePort'>;
/** By `swarm init` or `swarm join`. Who gives none sends `cliListenAddr` and ''. */
export interface AddressesAsked {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
}

/**
 * Where this node is to be found: as asked for, else as the daemon is set, else the machine's only address. Throws
 * Docker's texts.
 * @param engineSubnets ranges of the engine's own networks, CIDR: no address of theirs is the node's
 */
export async function ownAddresses(
  config: Pick<Config, 'listenAddr' | 'advertiseAddr'>,
  engineSubnets: () => Promise<readonly string[]>,
  asked: AddressesAsked,
  interfaces: Interfaces = networkInterfaces(),
): Promise<OwnAddresses> {
  const listen = resolveListen(
    asked.listenAddr === cliListenAddr ? config.listenAddr : asked.listenAddr,
    interfaces,
  );
  const named = asked.advertiseAddr === '' ? config.advertiseAddr : asked.advertiseAddr;
  const advertise =
    listenedTo(config.advertiseAddr, asked, listen, interfaces) ??
    resolveAdvertise(named, listen.port, interfaces, named === '' ? await engineSubnets() : []);
  checkDataPath(asked.dataPathAddr, interfaces);
  return {
    listenAddr: joinHostPort(listen),
    advertiseHost: advertise.host,
    advertisePort: advertise.port,
  };
}

/**
 * A node that listens at one address only, and is told no other, is found there and nowhere else. What the daemon is set to
 * advertise counts where it is not this machine's: somebody forwards it.
 */
function listenedTo(
  configured: string,
  asked: AddressesAsked,
  listen: Endpoint,
  interfaces: Interfaces,
): Endpoint | undefined {
  if (asked.advertiseAddr !== '' || isUnspecified(listen.host)) return undefined;
  if (configured === '') return listen;
  const { host } = resolveAdvertise(configured, listen.port, interfaces, []);
  return host !== listen.host && isLocal(host, interfaces) ? listen : undefined;
}

/** Whether the client asks for nothing: what the node has already may stay. */
export const asksNothing = ({ listenAddr, advertiseAddr }: AddressesAsked): boolean =>
  advertiseAddr === '' && listenAddr === cliListenAddr;
