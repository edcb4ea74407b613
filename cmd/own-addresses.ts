import { networkInterfaces } from 'node:os';
import { joinHostPort, resolveAdvertise, resolveListen } from './addresses.ts';
import { cliListenAddr, type Config } from './config.ts';
import type { Identity } from './node-files.ts';

export type OwnAddresses = Pick<Identity, 'listenAddr' | 'advertiseHost' | 'advertisePort'>;
/** By `swarm init` or `swarm join`. Who gives none sends `cliListenAddr` and ''. */
export interface AddressesAsked {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
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
): Promise<OwnAddresses> {
  const interfaces = networkInterfaces();
  const listen = resolveListen(
    asked.listenAddr === cliListenAddr ? config.listenAddr : asked.listenAddr,
    interfaces,
  );
  const advertise = resolveAdvertise(
    asked.advertiseAddr === '' ? config.advertiseAddr : asked.advertiseAddr,
    listen.port,
    interfaces,
    await engineSubnets(),
  );
  return {
    listenAddr: joinHostPort(listen),
    advertiseHost: advertise.host,
    advertisePort: advertise.port,
  };
}

/** Whether the client asks for nothing: what the node has already may stay. */
export const asksNothing = ({ listenAddr, advertiseAddr }: AddressesAsked): boolean =>
  advertiseAddr === '' && listenAddr === cliListenAddr;
