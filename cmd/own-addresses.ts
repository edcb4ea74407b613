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
import type { OwnAddresses } from '../actors/node/identity.ts';

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
    ...(isLocal(advertise.host, interfaces) && { advertisesOwn: true }),
  };
}

/**
 * Where a node is to be found whose address is not this machine's any more: where the daemon is set to advertise, or at the
 * machine's only address. Undefined where it is found as before, and where nobody can say where else.
 */
export async function movedAddresses(
  { advertiseAddr }: Pick<Config, 'advertiseAddr'>,
  engineSubnets: () => Promise<readonly string[]>,
  before: OwnAddresses,
  interfaces: Interfaces = networkInterfaces(),
): Promise<OwnAddresses | undefined> {
  const { advertiseHost, advertisePort, advertisesOwn, listenAddr } = before;
  if (advertisesOwn !== true || isLocal(advertiseHost, interfaces)) return undefined;
  const isSet = advertiseAddr !== '';
  const host = await engineSubnets().then(
    (subnets) =>
      (isSet ? localHost(advertiseAddr, advertisePort, interfaces, []) : undefined) ??
      localHost('', advertisePort, interfaces, subnets),
    () => undefined, // without the engine nobody can say: it is looked again
  );
  if (host === undefined) return undefined;
  const port = listenAddr.slice(listenAddr.lastIndexOf(':') + 1);
  const listened = joinHostPort({ host: advertiseHost, port });
  return {
    listenAddr: listenAddr === listened ? joinHostPort({ host, port }) : listenAddr,
    advertiseHost: host,
    advertisePort,
    advertisesOwn,
  };
}

function localHost(
  specified: string,
  port: string,
  interfaces: Interfaces,
  engineSubnets: readonly string[],
): string | undefined {
  try {
    const { host } = resolveAdvertise(specified, port, interfaces, engineSubnets);
    return isLocal(host, interfaces) ? host : undefined;
  } catch {
    // there is none, or more than one
    return undefined;
  }
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
