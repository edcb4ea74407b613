import { BlockList, isIP, isIPv4 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import { daemonFault, type Fault } from '../domain/errors.ts';

/** Address rules of `swarm init` with the texts of Docker's daemon (swarm-compat §2.2); all are HTTP 400. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;
export interface Endpoint {
  readonly host: string;
  readonly port: string;
}

const listenPortDefault = '2377';

const invalid = (text: string): Fault => daemonFault('InvalidArgument', text);

function splitHostPort(text: string): Endpoint | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]*)$/.exec(text);
  return match === null ? undefined : { host: match[1] ?? match[2] ?? '', port: match[3] ?? '' };
}

export const joinHostPort = ({ host, port }: Endpoint): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

export const isUnspecified = (ip: string): boolean =>
  /^(0\.0\.0\.0|[0:]*::?)$/.test(ip) && ip !== '';

/** IPv4 first, as Swarm; `undefined` when there is no such interface. */
function interfaceAddress(name: string, interfaces: Interfaces): string | undefined {
  const addresses = interfaces[name];
  if (addresses === undefined) return undefined;
  for (const family of ['IPv4', 'IPv6'] as const) {
    const usable = addresses.filter((a) => a.family === family && isGlobal(a.address));
    const [first, second] = usable;
    if (first !== undefined && second !== undefined)
      throw invalid(
        `interface ${name} has more than one ${family} address (${first.address} and ${second.address})`,
      );
    if (first !== undefined) return first.address;
  }
  throw invalid(`interface ${name} has no usable IPv4 or IPv6 address`);
}

const isGlobal = (ip: string): boolean =>
  isIPv4(ip)
    ? !/^(0\.0\.0\.0$|22[4-9]\.|23\d\.|255\.255\.255\.255$|169\.254\.)/.test(ip)
    : !/^(fe[89ab]|ff)/i.test(ip);

export function resolveListen(specified: string, interfaces: Interfaces): Endpoint {
  const given = specified.includes(':')
    ? splitHostPort(specified)
    : { host: specified, port: listenPortDefault };
  if (given === undefined) throw invalid(`could not parse listen address ${specified}`);
  const host = interfaceAddress(given.host, interfaces) ?? given.host;
  if (isIP(host) === 0)
    throw invalid(
      'listen address must be an IP address or network interface (with optional port number)',
    );
  return { host, port: given.port };
}

/** `specified` may be an address or interface, with or without a port; '' asks for the machine's only address. */
export function resolveAdvertise(
  specified: string,
  listenPort: string,
  interfaces: Interfaces,
  engineSubnets: readonly string[],
): Endpoint {
  if (specified === '') return { host: systemAddress(interfaces, engineSubnets), port: listenPort };
  const given = isIP(specified) === 0 ? splitHostPort(specified) : undefined;
  const name = given?.host ?? specified;
  const host = interfaceAddress(name, interfaces) ?? name;
  if (isIP(host) === 0 || isUnspecified(host))
    throw invalid(
      'advertise address must be a non-zero IP address or network interface (with optional port number)',
    );
  return { host, port: given?.port ?? listenPort };
}

/** Refuses what Docker refuses for the traffic of networks; '' leaves the choice open. */
export function checkDataPath(specified: string, interfaces: Interfaces): void {
  if (specified === '') return;
  const host = interfaceAddress(specified, interfaces) ?? specified;
  if (isIP(host) === 0 || isUnspecified(host))
    throw invalid(
      'data path address must be a non-zero IP address or network interface (without a port number)',
    );
}

/** Whether one of the machine's interfaces has this address. */
export const isLocal = (ip: string, interfaces: Interfaces): boolean =>
  Object.values(interfaces).some((addresses) => addresses?.some(({ address }) => address === ip));

/** The machine's only global address. The engine's own bridges do not count. */
function systemAddress(interfaces: Interfaces, engineSubnets: readonly string[]): string {
  const bridges = new BlockList();
  for (const subnet of engineSubnets) {
    const [net, bits] = subnet.split('/');
    if (net !== undefined && isIP(net) !== 0)
      bridges.addSubnet(net, Number(bits), isIPv4(net) ? 'ipv4' : 'ipv6');
  }
  for (const family of ['IPv4', 'IPv6'] as const) {
    const found = Object.entries(interfaces).flatMap(([name, addresses]) =>
      (addresses ?? [])
        .filter((a) => a.family === family && !a.internal && isGlobal(a.address))
        .filter((a) => !bridges.check(a.address, family === 'IPv4' ? 'ipv4' : 'ipv6'))
        .map((a) => ({ name, ip: a.address })),
    );
    const [first, second] = found;
    if (first !== undefined && second !== undefined) throw several(first, second);
    if (first !== undefined) return first.ip;
  }
  throw invalid("could not find the system's IP address");
}

function several(a: { name: string; ip: string }, b: { name: string; ip: string }): Fault {
  const where =
    a.name === b.name
      ? `interface ${a.name} (${a.ip} and ${b.ip})`
      : `different interfaces (${a.ip} on ${a.name} and ${b.ip} on ${b.name})`;
  return invalid(
    `could not choose an IP address to advertise since this system has multiple addresses on ${where}`,
  );
}
