import type { Bus, BusMessage, Unsubscribe } from '../../bus/ports.ts';
import {
  abdicationFrom,
  preVoteFrom,
  excuseFrom,
  forwardedCommandFrom,
  leaderHeartbeatFrom,
  silenceFrom,
} from '../../bus/bodies.ts';
import type {
  Abdication,
  HeartbeatReply,
  PreVote,
  PreVoteReply,
  Excuse,
  ForwardReply,
  IndexReply,
  LeaderHeartbeat,
  NotLeading,
} from '../../bus/protocol.ts';
import { type ManagerVerb, subjects } from '../../bus/subjects.ts';
import type { Committed } from './committer.ts';
import { wireFault } from '../../bus/wire-fault.ts';
import { isNoLeader } from './faults.ts';
import { isMajority } from './quorum.ts';

/** A manager that is up answers such a question at once, ms. */
const preVoteTimeoutMs = 500;

export interface PeersPorts {
  readonly bus: Bus;
  readonly nodeId: string;
  readonly generation: number;
  /** How this manager answers another one. */
  readonly onHeartbeat: (heartbeat: LeaderHeartbeat) => HeartbeatReply;
  readonly onAbdication: (abdication: Abdication) => void;
  readonly onExcuse: (excuse: Excuse) => void;
  readonly hearsNobody: () => boolean;
  /** This manager as the leader; undefined while it may not speak for the cluster. */
  readonly leader: () => Serving | undefined;
}
/** A leader that may speak for the cluster. */
export interface Serving {
  readonly epoch: number;
  /** How far the state is: everything that was acknowledged to anybody is in it. */
  index(): number;
  /**
   * Rejects with a Fault.
   * @param id by which the log is to tell the command
   */
  command(name: string, body: unknown, id?: string): Promise<Committed<unknown>>;
}

const notLeading: NotLeading = { ok: false, leading: false };

/** What the managers of a cluster ask of each other; each has subjects of its own. */
export class Peers {
  readonly #ports: PeersPorts;
  readonly #off: Unsubscribe[] = [];

  constructor(ports: PeersPorts) {
    this.#ports = ports;
    this.#answer('beat', (body) => {
      const heartbeat = leaderHeartbeatFrom(body);
      return heartbeat === undefined ? undefined : ports.onHeartbeat(heartbeat);
    });
    this.#answer('canvass', (body): PreVoteReply | undefined =>
      preVoteFrom(body)?.generation === ports.generation
        ? { silent: ports.hearsNobody() }
        : undefined,
    );
    this.#answer('index', (): IndexReply => {
      const index = ports.leader()?.index();
      return index === undefined ? notLeading : { ok: true, index };
    });
    this.#hear('abdicate', ({ body }) => {
      const abdication = abdicationFrom(body);
      if (abdication !== undefined) ports.onAbdication(abdication);
    });
    this.#hear('excuse', ({ body }) => {
      const excuse = excuseFrom(body);
      if (excuse?.generation === ports.generation) ports.onExcuse(excuse);
    });
    this.#hear('command', (message) => this.#onCommand(message));
  }

  close(): void {
    for (const off of this.#off.splice(0)) off();
  }

  /** Whether a majority of the managers, this one among it, hears no leader. */
  async preVote(managers: readonly string[], epoch: number): Promise<boolean> {
    const { bus, nodeId, generation } = this.#ports;
    const body: PreVote = { generation, epoch, nodeId };
    const silent = new Set([nodeId]);
    await Promise.all(
      managers
        .filter((id) => id !== nodeId)
        .map(async (id) => {
          // one that does not answer has not said that it hears no leader
          const answer = await bus
            .request(subjects.manager(id, 'canvass'), body, preVoteTimeoutMs)
            .catch(() => undefined);
          if (silenceFrom(answer) === true) silent.add(id);
        }),
    );
    return isMajority(managers, silent);
  }

  #onCommand({ body, reply }: BusMessage): void {
    if (reply === undefined) return;
    const asked = forwardedCommandFrom(body);
    const { leader: leading, generation } = this.#ports;
    const leader = leading();
    const isFor = asked?.generation === generation && asked.epoch === leader?.epoch;
    if (asked === undefined || leader === undefined || !isFor) return reply(notLeading);
    void leader.command(asked.name, asked.body, asked.id).then(
      ({ result, index }) => reply({ ok: true, result, index } satisfies ForwardReply),
      (error: unknown) =>
        reply(
          (isNoLeader(error)
            ? notLeading
            : { ok: false, error: wireFault(error) }) satisfies ForwardReply,
        ),
    );
  }

  #answer(verb: ManagerVerb, answer: (body: unknown) => object | undefined): void {
    this.#hear(verb, ({ body, reply }) => {
      const answered = answer(body);
      if (answered !== undefined) reply?.(answered);
    });
  }

  #hear(verb: ManagerVerb, handler: (message: BusMessage) => void): void {
    const { bus, nodeId } = this.#ports;
    this.#off.push(bus.subscribe(subjects.manager(nodeId, verb), handler));
  }
}
