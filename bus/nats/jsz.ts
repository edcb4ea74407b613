import type { Link } from './link.ts';
import { accounts } from './config.ts';
import { logNames } from './log.ts';

/** A member of a raft group as the server that is asked sees it. */
export interface RaftPeer {
  readonly name: string;
  readonly peer: string;
  readonly current: boolean;
  readonly offline?: boolean;
  readonly lag?: number;
}

/** What a server tells of its copy of the log. */
export interface StreamDetail {
  readonly name: string;
  readonly stream_raft_group?: string;
  readonly cluster?: { readonly leader?: string };
  readonly state: {
    readonly messages: number;
    readonly first_seq: number;
    readonly last_seq: number;
    readonly num_deleted?: number;
  };
}

/** One server's answer, as far as it is read here. */
export interface ServerReport {
  readonly server: string;
  readonly meta:
    | {
        readonly leader?: string;
        readonly cluster_size: number;
        readonly replicas?: readonly RaftPeer[];
      }
    | undefined;
  /** Undefined on a server without a copy of the log. */
  readonly stream: StreamDetail | undefined;
}

/** The raft group of JetStream itself: who makes and moves streams. */
export const metaGroup = '_meta_';

/**
 * Asks every server that can be reached what it knows of JetStream. Ends with the answers of `serversMax`, or with those
 * that there are after `patienceMs`. Rejects with `BusError`.
 * @param system link of the system account
 */
export async function askServers(
  system: Link,
  serversMax: number,
  patienceMs: number,
): Promise<readonly ServerReport[]> {
  const answers = await system.requestMany(
    '$SYS.REQ.SERVER.PING.JSZ',
    Buffer.from(JSON.stringify({ account: accounts.log, streams: true, raft: true })),
    serversMax,
    patienceMs,
  );
  return answers.map((answer) => reportOf(answer.json()));
}

interface Jsz {
  readonly server: { readonly name: string };
  readonly data?: {
    readonly meta_cluster?: ServerReport['meta'];
    readonly account_details?: readonly { readonly stream_detail?: readonly StreamDetail[] }[];
  };
}

function reportOf({ server, data }: Jsz): ServerReport {
  const streams = (data?.account_details ?? []).flatMap(({ stream_detail = [] }) => stream_detail);
  return {
    server: server.name,
    meta: data?.meta_cluster,
    stream: streams.find(({ name }) => name === logNames.stream),
  };
}

/** Whether this server says of itself that it leads the group. */
export function leads({ server, meta, stream }: ServerReport, group: string): boolean {
  if (group === metaGroup) return meta?.leader === server;
  return stream?.stream_raft_group === group && stream.cluster?.leader === server;
}
