/** EndpointSpec: published ports and the kind of service discovery. */
import type { EndpointSpec, PortConfig } from '../model/spec.ts';
import type { View } from '../store/view.ts';
import { compact } from './compact.ts';
import type { TypeOf } from './decode.ts';
import { always, list, omitEmpty, struct, text, uint32 } from './decode.ts';
import { badRequest, invalid, notYet } from './faults.ts';
import { quote } from './go-text.ts';

export const portType = struct('swarm.PortConfig', {
  Name: omitEmpty(text()),
  Protocol: always(text('swarm.PortConfigProtocol')),
  TargetPort: always(uint32()),
  PublishedPort: omitEmpty(uint32()),
  PublishMode: always(text('swarm.PortConfigPublishMode')),
});
export const endpointType = struct('swarm.EndpointSpec', {
  Mode: omitEmpty(text('swarm.ResolutionMode')),
  Ports: omitEmpty(list(portType)),
});

/** Unknown protocols and publish modes silently become the first of their kind, as in Docker's daemon. */
function portFrom(wire: TypeOf<typeof portType>): PortConfig {
  const protocol = wire.Protocol.toLowerCase();
  const Protocol = protocol === 'udp' || protocol === 'sctp' ? protocol : 'tcp';
  const PublishMode = wire.PublishMode.toLowerCase() === 'host' ? 'host' : 'ingress';
  return { ...wire, Protocol, PublishMode };
}

export function endpointFrom(wire: TypeOf<typeof endpointType>): EndpointSpec {
  const { Mode = 'vip' } = wire;
  if (Mode !== 'vip' && Mode !== 'dnsrr')
    throw badRequest(`invalid resolution mode: ${quote(Mode)}`);
  return compact({ Mode, Ports: wire.Ports?.map(portFrom) } as const);
}

const portKey = (port: PortConfig): string => `${port.PublishedPort}/${port.Protocol}`;
const isFixed = (port: PortConfig): boolean => (port.PublishedPort ?? 0) !== 0;

export function checkEndpoint(endpoint: EndpointSpec | undefined): void {
  const seen = new Set<string>();
  for (const port of endpoint?.Ports ?? []) {
    if (endpoint?.Mode === 'dnsrr' && port.PublishMode === 'ingress')
      throw invalid("EndpointSpec: port published with ingress mode can't be used with dnsrr mode");
    if (!isFixed(port)) continue;
    if (seen.has(portKey(port))) throw invalid('EndpointSpec: duplicate published ports provided');
    seen.add(portKey(port));
  }
  const meshed = endpoint?.Ports?.find((port) => port.PublishMode === 'ingress');
  if (meshed !== undefined) throw noMesh(meshed);
}

function noMesh(port: PortConfig): Error {
  const published = isFixed(port) ? `published=${port.PublishedPort},` : '';
  return notYet(
    `port ${port.TargetPort}/${port.Protocol}: publish mode "ingress" (routing mesh) is`,
    `; publish it on the nodes that run the tasks with mode=host: --publish mode=host,${published}target=${port.TargetPort},protocol=${port.Protocol}`,
  );
}

/**
 * A port of the routing mesh belongs to one service alone; host ports may be shared between services, the
 * scheduler keeps them apart. `ownId` is left out of the comparison ('' at creation).
 */
export function checkPortConflicts(
  view: View,
  endpoint: EndpointSpec | undefined,
  ownId: string,
): void {
  const wanted = new Map<string, PortConfig['PublishMode']>();
  for (const port of endpoint?.Ports ?? [])
    if (isFixed(port)) wanted.set(portKey(port), port.PublishMode);
  if (wanted.size === 0) return;
  for (const { id, spec } of view.list('service')) {
    if (id === ownId) continue;
    for (const port of spec.EndpointSpec?.Ports ?? []) {
      const mode = isFixed(port) ? wanted.get(portKey(port)) : undefined;
      if (mode === undefined || (mode === 'host' && port.PublishMode === 'host')) continue;
      const as = port.PublishMode === 'host' ? 'a host-published port' : 'an ingress port';
      throw invalid(
        `port '${port.PublishedPort}' is already in use by service '${spec.Name}' (${id}) as ${as}`,
      );
    }
  }
}
