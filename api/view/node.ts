import { compareText } from '../../domain/ids.ts';
import type { Node, NodeDescription } from '../../domain/model/objects.ts';
import { filled, filledList, metaOf } from './meta.ts';
import { fieldsOf, readDescription, readNodeSpec, textOf } from './readable.ts';

function specView(stored: unknown) {
  const { Name, Labels, Role, Availability } = readNodeSpec(stored);
  return { ...filled('Name', Name), Labels, Role, Availability };
}

function descriptionView(stored: unknown) {
  if (typeof stored !== 'object' || stored === null)
    return { Platform: {}, Resources: {}, Engine: {}, TLSInfo: {} };
  const { hostname, platform, resources, engine, tls } = readDescription(stored);
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
  const status = fieldsOf(node.status);
  const manager = typeof node.manager === 'object' ? fieldsOf(node.manager) : undefined;
  return {
    ...metaOf(node),
    Spec: specView(node.spec),
    Description: descriptionView(node.description),
    Status: {
      State: textOf(status['state']),
      ...filled('Message', textOf(manager?.['notice'] ?? status['message'])),
      ...filled('Addr', textOf(status['addr'])),
    },
    ...(manager === undefined
      ? {}
      : {
          ManagerStatus: {
            ...(node.id === leaderId ? { Leader: true } : {}),
            Reachability: textOf(manager['reachability']),
            Addr: textOf(manager['addr']),
          },
        }),
  };
}

/** With the reasons why the node gets nothing; the CLI shows them as its message, where there is no other one. */
export function explainedNode(shown: ReturnType<typeof nodeView>, reasons: readonly string[]) {
  const { Status } = shown;
  return {
    ...shown,
    Status: { ...filled('Message', reasons.join('; ')), ...Status },
    ...filledList('Reasons', reasons),
  };
}
