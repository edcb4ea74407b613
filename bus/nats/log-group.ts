import { connect } from 'node:net';
import type { LogServer, LogSurvey } from '../../domain/members/plan.ts';
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

  async isMember(): Promise<boolean> {
    const { metaLeader, metaPeers } = await this.#health();
    const own = this.#options.system.connection().info?.server_name;
    if (metaLeader === undefined || own === undefined)
      throw new BusError('no-responder', 'the servers have no leader');
    const peer = peerIdOf(own);
    return metaLeader === own || metaPeers.some(({ peerId }) => peerId === peer);
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
  const up = withoutAway(health);
  const unsettledUp = isSettled(up, up.metaSize, behindMax);
  const server = (name: string, peer: string, online: boolean): LogServer => ({
    peer,
    nodeId: nodeOf(name),
    online,
    copy: copyOn(health, name, peer),
  });
  return {
    replicas: health.replicas,
    servers: [
      server(health.metaLeader, peerIdOf(health.metaLeader), true),
      ...health.metaPeers.map(({ name, peerId }) =>
        server(name, peerId, health.answered.includes(name)),
      ),
    ],
    leader: nodeOf(health.streamLeader ?? ''),
    ...(unsettled !== undefined && { unsettled }),
    ...(unsettledUp !== undefined && { unsettledUp }),
  };
}

function copyOn(health: ClusterHealth, name: string, peer: string): LogServer['copy'] {
  const own = health.copies.find(({ server }) => server === name);
  const leading = health.copies.find(({ server }) => server === health.streamLeader);
  if (name === health.streamLeader) return 'current';
  const replica = health.streamReplicas.find(({ peerId }) => peerId === peer);
  if (replica === undefined) return 'none';
  const has = replica.current && !replica.offline && replica.lag <= behindMax;
  const hasAll = own !== undefined && leading !== undefined && leading.last - own.last <= behindMax;
  return has && hasAll ? 'current' : 'behind';
}

/** As if those that do not answer were not there: a copy of theirs is one fewer that is to be there. */
function withoutAway(health: ClusterHealth): ClusterHealth {
  const isUp = ({ name }: { readonly name: string }): boolean => health.answered.includes(name);
  const streamReplicas = health.streamReplicas.filter(isUp);
  const metaPeers = health.metaPeers.filter(isUp);
  return {
    ...health,
    metaPeers,
    metaSize: health.metaLeader === undefined ? 0 : metaPeers.length + 1,
    streamReplicas,
    replicas: health.replicas - (health.streamReplicas.length - streamReplicas.length),
  };
}

/** A server is named after its node and an incarnation; of one that was never heard the name is not known. */
const nodeOf = (server: string): string => /^([0-9a-z]+)-[0-9a-f]{8}$/.exec(server)?.[1] ?? '';
