import type { Link } from './link.ts';

interface Connection {
  readonly cid: number;
  /** The client's own certificate first. */
  readonly tls_peer_certs?: readonly { readonly subject?: string }[];
}

const patienceMs = 2_000;

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
  const server = system.connection().info?.server_id ?? '';
  const ask = async (verb: string, body: object): Promise<unknown> =>
    (
      await system.request(
        `$SYS.REQ.SERVER.${server}.${verb}`,
        Buffer.from(JSON.stringify(body)),
        patienceMs,
      )
    ).json();
  const answer = (await ask('CONNZ', { auth: true, limit: connectionsMax })) as {
    readonly data?: { readonly connections?: readonly Connection[] };
  };
  const found = (answer.data?.connections ?? []).filter(({ tls_peer_certs }) =>
    // whatever else the list says of a connection, its client may have chosen
    tls_peer_certs?.[0]?.subject?.startsWith(`CN=${nodeId},`),
  );
  for (const { cid } of found) await ask('KICK', { cid });
  return found.length;
}
