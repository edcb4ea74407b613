import type { NetworkAttachmentConfig } from '../model/spec.ts';
import { always, list, omitEmpty, stringMap, struct, text } from './decode.ts';
import { badRequest, notYet } from './faults.ts';
import { quote } from './go-text.ts';

export const networksType = list(
  struct('swarm.NetworkAttachmentConfig', {
    Target: always(text()),
    Aliases: omitEmpty(list(text())),
    DriverOpts: omitEmpty(stringMap),
  }),
);

/** Networks of every engine that services can use, with their drivers; tasks join them by name. */
export const predefinedNetworks: ReadonlyMap<string, string> = new Map([
  ['host', 'host'],
  ['bridge', 'bridge'],
]);

export function checkNetworks(networks: readonly NetworkAttachmentConfig[] = []): void {
  const other = networks.find((network) => !predefinedNetworks.has(network.Target));
  if (other !== undefined)
    throw notYet(
      `network ${quote(other.Target)}: networks of the swarm are`,
      '; services can use the predefined networks host and bridge',
    );
  if (networks.length > 1)
    throw badRequest('a service can use only one of the networks host and bridge');
}
