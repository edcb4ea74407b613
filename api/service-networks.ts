import { predefinedNetworks } from '../domain/spec/networks.ts';
import { HttpError } from './errors.ts';
import type { EngineClient } from './engine.ts';
import { notFound } from './resolve.ts';

/** What dockerd accepts as a network's name, and every ID. */
const nameOrId = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

interface Attachment {
  readonly Target?: unknown;
}
interface Spec {
  readonly Networks?: unknown;
  readonly TaskTemplate?: { readonly Networks?: unknown } | null;
}

/**
 * The spec of a service with the networks of the engine by their names. Clients such as Ansible send IDs, which differ
 * from engine to engine. What is no network is refused with Docker's texts; what is no list of networks is left to
 * the checks of the spec.
 */
export async function withNetworkNames(engine: EngineClient, spec: unknown): Promise<unknown> {
  if (typeof spec !== 'object' || spec === null) return spec;
  const { Networks, TaskTemplate } = spec as Spec;
  return {
    ...spec,
    ...(Networks !== undefined && { Networks: await namesIn(engine, Networks) }),
    ...(TaskTemplate?.Networks !== undefined && {
      TaskTemplate: { ...TaskTemplate, Networks: await namesIn(engine, TaskTemplate.Networks) },
    }),
  };
}

async function namesIn(engine: EngineClient, networks: unknown): Promise<unknown> {
  if (!Array.isArray(networks)) return networks;
  return Promise.all(networks.map((network: unknown) => named(engine, network)));
}

async function named(engine: EngineClient, network: unknown): Promise<unknown> {
  const target = (network as Attachment | null)?.Target;
  if (typeof target !== 'string' || predefinedNetworks.has(target)) return network;
  return { ...(network as Attachment), Target: await nameOf(engine, target) };
}

async function nameOf(engine: EngineClient, target: string): Promise<string> {
  const name = nameOrId.test(target) ? await engineName(engine, target) : undefined;
  if (name === undefined) throw notFound('network', target);
  if (name === 'none')
    throw new HttpError(
      404,
      'could not find the corresponding predefined swarm network: network none not found',
    );
  if (predefinedNetworks.has(name)) return name;
  throw new HttpError(
    403,
    `The network ${name} cannot be used with services. Only networks scoped to the swarm can be used, such as those created with the overlay driver.`,
  );
}

async function engineName(engine: EngineClient, target: string): Promise<string | undefined> {
  try {
    const found = (await engine.json(`/networks/${target}`)) as { readonly Name: string };
    return found.Name;
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) return undefined;
    throw error;
  }
}
