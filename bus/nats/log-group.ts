import { connect } from 'node:net';
import type { LogServer, LogSurvey } from '../../domain/members/plan.ts';
import { BusError, type LogGroup } from '../ports.ts';
import type { Link } from './link.ts';
import { LogError, logNames, type NatsLog } from './log.ts';

export interface LogGroupOptions {
  readonly log: NatsLog;
  /** Of the account `log`, and of the system account. */
  readonly link: Link;
  readonly system: Link;
}

const requestTimeoutMs = 2_000;
/** Every server answers a question to all; so long after the last answer no more are expected. */
const roundMs = { most: 800, quiet: 150 } as const;
const answersTimeoutMs = 1_000;

/** The servers of JetStream's group and of the log's stream. */
export class NatsLogGroup implements LogGroup {
  readonly #options: LogGroupOptions;

  constructor(options: LogGroupOptions) {
    this.#options = options;
  }

  async survey(): Promise<LogSurvey> {
    const [stream, servers] = await Promise.all([this.#stream(), this.#servers()]);
    return surveyOf(stream, servers);
  }

  setReplicas(count: number): Promise<void> {
    return this.#options.log.setReplicas(count);
  }

  async forget(server: string): Promise<void> {
    await this.#ask(this.#options.system, '$JS.API.SERVER.REMOVE', { peer: server });
  }

  async leadElsewhere(): Promise<void> {
    const { link } = this.#options;
    const own = link.connection().info?.server_name ?? '';
    const { cluster } = await this.#stream();
    const next = cluster?.replicas?.find((replica) => replica.current && replica.name !== own);
    if (next === undefined) return;
    await this.#ask(link, `$JS.API.STREAM.LEADER.STEPDOWN.${logNames.stream}`, {
      placement: { preferred: next.name },
    });
  }

  answers(route: string): Promise<boolean> {
    const { hostname, port } = new URL(`nats://${route}`);
    return new Promise((resolve) => {
      const socket = connect({ host: hostname.replaceAll(/[[\]]/g, ''), port: Number(port) });
      const end = (answers: boolean): void => {
        socket.destroy();
        resolve(answers);
      };
      socket.setTimeout(answersTimeoutMs, () => end(false));
      socket.once('connect', () => end(true));
      socket.once('error', () => end(false));
    });
  }

  #stream(): Promise<StreamAnswer> {
    return this.#ask(this.#options.link, `$JS.API.STREAM.INFO.${logNames.stream}`);
  }

  /** What each server says of itself. */
  async #servers(): Promise<readonly ServerAnswer[]> {
    const body = Buffer.from(JSON.stringify({ accounts: true, streams: true }));
    const found: ServerAnswer[] = [];
    const answers = await this.#options.system
      .connection()
      .requestMany('$SYS.REQ.SERVER.PING.JSZ', body, {
        strategy: 'stall',
        maxWait: roundMs.most,
        stall: roundMs.quiet,
      });
    for await (const message of answers) {
      if (message instanceof Error) throw message;
      found.push(message.json<ServerAnswer>());
    }
    return found;
  }

  async #ask<T>(link: Link, subject: string, body?: object): Promise<T> {
    const data = body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(body));
    const answer = (await link.request(subject, data, requestTimeoutMs)).json<ApiAnswer>();
    if (answer.error !== undefined)
      throw new LogError(`JetStream refused ${subject}: ${answer.error.description}`);
    return answer as T;
  }
}

interface ApiAnswer {
  readonly error?: { readonly description: string };
}
interface PeerAnswer {
  readonly name: string;
  readonly current: boolean;
  readonly offline?: boolean;
  readonly lag?: number;
}
interface StreamAnswer {
  readonly config?: { readonly num_replicas?: number };
  readonly cluster?: { readonly leader?: string; readonly replicas?: readonly PeerAnswer[] };
}
interface StreamState {
  readonly messages: number;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly num_deleted?: number;
}
export interface ServerAnswer {
  readonly server: { readonly name: string };
  readonly data?: {
    readonly meta_cluster?: {
      readonly leader?: string;
      readonly replicas?: readonly PeerAnswer[];
    };
    readonly account_details?: readonly {
      readonly name: string;
      readonly stream_detail?: readonly { readonly name: string; readonly state?: StreamState }[];
    }[];
  };
}

/** Throws `BusError` without an answer of the group's leader. */
export function surveyOf(stream: StreamAnswer, answers: readonly ServerAnswer[]): LogSurvey {
  const meta = answers.find(({ server, data }) => data?.meta_cluster?.leader === server.name);
  if (meta === undefined) throw new BusError('no-responder', 'the servers have no leader');
  const others = meta.data?.meta_cluster?.replicas ?? [];
  const replicas = stream.config?.num_replicas ?? 0;
  const unsettled = whyUnsettled(replicas, stream, others, answers);
  return {
    replicas,
    servers: [
      serverOf({ name: meta.server.name, current: true }),
      ...others.map((peer) => serverOf(peer)),
    ],
    leader: nodeOf(stream.cluster?.leader ?? ''),
    ...(unsettled !== undefined && { unsettled }),
  };
}

const serverOf = ({ name, offline = false }: PeerAnswer): LogServer => ({
  name,
  nodeId: nodeOf(name),
  online: !offline,
});

/** A server is named after its node and an incarnation; one that never told its name has none. */
const nodeOf = (server: string): string => /^([0-9a-z]+)-[0-9a-f]{8}$/.exec(server)?.[1] ?? '';

function whyUnsettled(
  replicas: number,
  { cluster }: StreamAnswer,
  meta: readonly PeerAnswer[],
  answers: readonly ServerAnswer[],
): string | undefined {
  if (cluster?.leader === undefined || cluster.leader === '') return 'the log has no leader';
  const copies = cluster.replicas ?? [];
  if (copies.length !== replicas - 1)
    return `the log has ${copies.length + 1} of ${replicas} copies`;
  const behind = [...copies, ...meta].find(
    ({ current, offline, lag = 0 }) => offline === true || !current || lag > lagMax,
  );
  if (behind !== undefined) return `server ${behind.name} is not current`;
  const damaged = answers.find(hasHoles);
  return damaged && `server ${damaged.server.name} has holes in its copy of the log`;
}

/** Records that may be on their way to a copy that is current. */
const lagMax = 100;

/** nats-server does not see damage of its own (docs/state-log.md). */
function hasHoles({ data }: ServerAnswer): boolean {
  const details = data?.account_details?.flatMap(({ stream_detail }) => stream_detail ?? []) ?? [];
  return details.some(({ name, state }) => {
    if (name !== logNames.stream || state === undefined) return false;
    const { messages, first_seq, last_seq, num_deleted = 0 } = state;
    return num_deleted !== 0 || (messages > 0 && messages !== last_seq - first_seq + 1);
  });
}
