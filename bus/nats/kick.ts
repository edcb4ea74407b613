import type { Link } from './link.ts';
import { connectionsOf, kick } from './server-requests.ts';

/**
 * Closes every connection of a node to the server that `system` is connected to. Its next attempt is judged anew.
 * Answers how many there were. Rejects with `BusError` when the server does not answer.
 * @param system link of the system account
 */
export async function kickNode(
  system: Link,
  nodeId: string,
  connectionsMax: number,
): Promise<number> {
  const all = await connectionsOf(system, { auth: true }, connectionsMax);
  const found = all.flatMap(({ cid, tls_peer_certs }) =>
    tls_peer_certs?.[0]?.subject?.startsWith(`CN=${nodeId},`) ? [cid] : [],
  );
  await kick(system, found);
  return found.length;
}
