import type { ContainerInfo } from 'dockerode';
import type { Client } from './docker-client.ts';

/** The containers with a label (`name=value`), running or not. */
export async function containersWith(
  client: Client,
  label: string,
  scope: AbortSignal,
): Promise<readonly ContainerInfo[]> {
  const query = { all: true, filters: JSON.stringify({ label: [label] }) };
  return (await client.request({ path: '/containers/json', query, scope })) as ContainerInfo[];
}
