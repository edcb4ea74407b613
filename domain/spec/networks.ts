import type { NetworkAttachmentConfig } from '../model/spec.ts';
import { always, list, omitEmpty, stringMap, struct, text } from './decode.ts';
import { notYet } from './faults.ts';
import { quote } from './go-text.ts';

export const networksType = list(
  struct('swarm.NetworkAttachmentConfig', {
    Target: always(text()),
    Aliases: omitEmpty(list(text())),
    DriverOpts: omitEmpty(stringMap),
  }),
);

/** Networks that every engine has; tasks join them by name. */
const predefined = new Set(['host', 'bridge', 'none']);

export function checkNetworks(networks: readonly NetworkAttachmentConfig[] | undefined): void {
  const other = networks?.find((network) => !predefined.has(network.Target));
  if (other !== undefined)
    throw notYet(
      `network ${quote(other.Target)}: networks of the swarm are`,
      '; services can use the predefined networks host, bridge and none',
    );
}
