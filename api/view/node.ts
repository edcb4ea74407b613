import { compareText } from '../../domain/ids.ts';
import type { Node, NodeDescription } from '../../domain/model/objects.ts';
import type { NodeSpec } from '../../domain/model/spec.ts';
import { filled, filledList, metaOf } from './meta.ts';

const specView = (spec: NodeSpec) => ({
  ...filled('Name', spec.Name),
  Labels: spec.Labels,
  Role: spec.Role,
  Availability: spec.Availability,
});

function descriptionView(description: NodeDescription | undefined) {
  if (description === undefined) return { Platform: {}, Resources: {}, Engine: {}, TLSInfo: {} };
  const { hostname, platform, resources, engine, tls } = description;
  return {
    ...filled('Hostname', hostname),
    Platform: { ...filled('Architecture', platform.architecture), ...filled('OS', platform.os) },
    Resources: {
      ...filled('NanoCPUs', resources.nanoCpus),
      ...filled('MemoryBytes', resources.memoryBytes),
      ...filledList('GenericResources', resources.generic),
    },
    Engine: {
      ...filled('EngineVersion', engine.version),
      ...filledList('Labels', engine.labels),
      ...filledList('Plugins', pluginsView(engine.plugins)),
    },
    TLSInfo:
      tls === undefined
        ? {}
        : {
            TrustRoot: tls.trustRoot,
            CertIssuerSubject: tls.issuerSubject,
            CertIssuerPublicKey: tls.issuerPublicKey,
          },
  };
}

const pluginsView = (plugins: NodeDescription['engine']['plugins']) =>
  plugins
    .map(({ type, name }) => ({ Type: type, Name: name }))
    .sort((a, b) => compareText(a.Type, b.Type) || compareText(a.Name, b.Name));

/** Node of Docker's API (swarm-compat §2.5). */
export function nodeView(node: Node, leaderId: string) {
  const { status, manager } = node;
  return {
    ...metaOf(node),
    Spec: specView(node.spec),
    Description: descriptionView(node.description),
    Status: {
      State: status.state,
      ...filled('Message', manager?.notice ?? status.message),
      ...filled('Addr', status.addr),
    },
    ...(manager === undefined
      ? {}
      : {
          ManagerStatus: {
            ...(node.id === leaderId ? { Leader: true } : {}),
            Reachability: manager.reachability,
            Addr: manager.addr,
          },
        }),
  };
}
