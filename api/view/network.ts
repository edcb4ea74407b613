import { predefinedNetworks } from '../../domain/spec/networks.ts';
import { goTime } from './meta.ts';

/**
 * A network that every engine has, as Swarm shows it to services (swarm-compat §2.8); undefined for another name. Its
 * id is its name, so that the spec of a service keeps the name.
 */
export function predefinedNetworkView(name: string, createdAt: number) {
  const driver = predefinedNetworks.get(name);
  return driver === undefined
    ? undefined
    : {
        Name: name,
        Id: name,
        Created: goTime(createdAt),
        Scope: 'swarm',
        Driver: driver,
        EnableIPv4: true,
        EnableIPv6: false,
        IPAM: { Driver: '', Options: null, Config: [] },
        Internal: false,
        Attachable: false,
        Ingress: false,
        ConfigFrom: { Network: '' },
        ConfigOnly: false,
        Containers: null,
        Options: null,
        Labels: { 'com.docker.swarm.predefined': 'true' },
      };
}
