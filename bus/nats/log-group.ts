import { connect } from 'node:net';
import type { LogSurvey } from '../../domain/members/plan.ts';
import { BusError, type LogGroup } from '../ports.ts';
import type { Link } from './link.ts';
import type { NatsLog } from './log.ts';
import {
  type ClusterHealth,
  clusterHealth,
  isSettled,
  peerIdOf,
  removeServer,
  stepDownStream,
} from './membership.ts';

export interface LogGroupOptions {
  readonly log: NatsLog;
  /** Of the account `log`, and of the system account. */
  readonly link: Link;
  readonly system: Link;
  /** How many servers are to be there. */
  readonly servers: () => number;
}

/** Some hundredths of a second of a busy log. */
const behindMax = 64;
const answersTimeoutMs = 1_000;

/** The servers of JetStream's group and of the log's stream. */
export class NatsLogGroup implements LogGroup {
  readonly #options: LogGroupOptions;

  constructor(options: LogGroupOptions) {
    this.#options = options;
  }

  async survey(): Promise<LogSurvey> {
    return surveyOf(await this.#health());
  }

  setReplicas(count: number): Promise<void> {
    return this.#options.log.setReplicas(count);
  }

  async forget(peer: string): Promise<void> {
    await removeServer(this.#options.system, peer);
  }

  async handLead(to?: string): Promise<void> {
    const { link } = this.#options;
    const { streamLeader, streamReplicas } = await this.#health();
    if (to !== undefined && nodeOf(streamLeader ?? '') === to) return;
    const next = streamReplicas.find(
      ({ name, current, offline }) =>
        current && !offline && (to === undefined || nodeOf(name) === to),
    );
    if (next !== undefined) await stepDownStream(link, next.name);
    else if (to !== undefined)
      throw new BusError('refused', `node ${to} has no copy of the log that is current`);
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

  #health(): Promise<ClusterHealth> {
    const { link, system, servers } = this.#options;
    return clusterHealth(link, system, servers());
  }
}

/** Throws `BusError` while the servers have no leader. */
function surveyOf(health: ClusterHealth): LogSurvey {
  if (health.metaLeader === undefined)
    throw new BusError('no-responder', 'the servers have no leader');
  const unsettled = isSettled(health, health.metaSize, behindMax);
  return {
    replicas: health.replicas,
    servers: [
      { peer: peerIdOf(health.metaLeader), nodeId: nodeOf(health.metaLeader), online: true },
      ...health.metaPeers.map(({ name, peerId }) => ({
        peer: peerId,
        nodeId: nodeOf(name),
        online: health.answered.includes(name),
      })),
    ],
    leader: nodeOf(health.streamLeader ?? ''),
    ...(unsettled !== undefined && { unsettled }),
  };
}

/** A server is named after its node and an incarnation; of one that was never heard the name is not known. */
const nodeOf = (server: string): string => /^([0-9a-z]+)-[0-9a-f]{8}$/.exec(server)?.[1] ?? '';
