import type { Link } from './link.ts';

const patienceMs = 2_000;

/** A connection as nats-server lists it, as far as it is read here. */
export interface Connection {
  readonly cid: number;
  readonly ip: string;
  /** The client's own certificate first; whatever else is told of a connection, its client may have chosen. */
  readonly tls_peer_certs?: readonly { readonly subject?: string }[];
}

/** Which connections nats-server is to list: all, those of one user or those of one account. */
export interface ConnectionsWanted {
  readonly auth?: true;
  readonly user?: string;
  readonly acc?: string;
}

interface Answer {
  readonly data?: { readonly connections?: readonly Connection[] };
}

/** The server that `system`, a link of the system account, is connected to; '' while it is not known. */
export const serverOf = (system: Link): string => system.connection().info?.server_id ?? '';

/** Connections to that server, the oldest first. Rejects with `BusError` when it does not answer. */
export async function connectionsOf(
  system: Link,
  wanted: ConnectionsWanted,
  connectionsMax: number,
): Promise<readonly Connection[]> {
  const answer = await ask(system, 'CONNZ', { ...wanted, sort: 'cid', limit: connectionsMax });
  return answer.data?.connections ?? [];
}

/** Closes connections to that server, one after the other. Rejects with `BusError` when it does not answer. */
export async function kick(system: Link, cids: readonly number[]): Promise<void> {
  for (const cid of cids) await ask(system, 'KICK', { cid });
}

/** As `kick`, of thousands: resolves when the server has been told of all of them. */
export async function kickMany(system: Link, cids: readonly number[]): Promise<void> {
  const connection = system.connection();
  const subject = subjectOf(system, 'KICK');
  // the server takes no request without somewhere to answer to; what it says is of no use
  for (const cid of cids)
    connection.publish(subject, JSON.stringify({ cid }), { reply: '_unread' });
  await connection.flush();
}

const subjectOf = (system: Link, verb: 'CONNZ' | 'KICK'): string =>
  `$SYS.REQ.SERVER.${serverOf(system)}.${verb}`;

async function ask(system: Link, verb: 'CONNZ' | 'KICK', body: object): Promise<Answer> {
  const data = Buffer.from(JSON.stringify(body));
  return (await system.request(subjectOf(system, verb), data, patienceMs)).json<Answer>();
}
