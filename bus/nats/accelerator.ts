import { limits } from '../../domain/limits.ts';
import { type Clock, pause } from '../../supervisors/clock.ts';
import { askServers, leads } from './jsz.ts';
import type { Link } from './link.ts';
import {
  decodeVoteAnswer,
  encodeVoteRequest,
  nextStep,
  type Poke,
  type Sighting,
  type Step,
} from './raft-probe.ts';

export interface AcceleratorOptions {
  /** Of the system account. */
  readonly system: Link;
  /** The raft group: of the log (`findRaftGroup`), or `_meta_`. While it is unknown nothing is done. */
  readonly group: () => string | undefined;
  /** Since when nothing could be committed, ms; 0 while all is well or nobody wants to. */
  readonly stalledForMs: () => number;
  readonly clock: Clock;
  /** Told of each poke, and once per stall and reason of what speaks against one. */
  readonly report: (event: string, fields: object) => void;
}

/** Longer than a commit takes under load; what a poke by false alarm costs is 250 ms. */
const stalledMs = 600;
const watchMs = 50;
/** For the answers to one question; a server that is slower counts as gone. */
const windowMs = 80;
const againMs = 25;
/** Of one stall. What these did not bring about, JetStream's own election will. */
const pokesMax = 8;

/**
 * Shortens JetStream's election after the loss of a leader, from 4–8 s to about 1 s. Nothing's safety depends on it: it
 * only raises a raft group's term, as any candidate without a chance does. Where servers answer in another form than the
 * known one it does nothing.
 */
export class Accelerator {
  readonly #options: AcceleratorOptions;
  readonly #held = new Set<string>();
  #last: Poke | undefined;
  #pokes = 0;

  constructor(options: AcceleratorOptions) {
    this.#options = options;
  }

  /** Watches until the scope aborts. Never rejects. */
  async run(scope: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!scope.aborted) {
      if (this.#isStalled()) {
        await this.#help();
        await pause(clock, againMs, scope);
      } else {
        this.#held.clear();
        this.#pokes = 0;
        await pause(clock, watchMs, scope);
      }
    }
  }

  #isStalled(): boolean {
    return this.#options.stalledForMs() >= stalledMs;
  }

  async #help(): Promise<void> {
    const group = this.#options.group();
    if (group === undefined || this.#pokes >= pokesMax) return;
    const sighting = await this.#look(group);
    // Commits may go on by now.
    if (sighting !== undefined && this.#isStalled())
      this.#do(nextStep(sighting, this.#last), group);
  }

  /** Undefined without a connection. */
  async #look(group: string): Promise<Sighting | undefined> {
    const { system, clock } = this.#options;
    const most = limits.managersMax;
    try {
      const [answers, servers] = await Promise.all([
        system.requestMany(voteSubject(group), encodeVoteRequest(0n), most, windowMs),
        askServers(system, most, windowMs),
      ]);
      return {
        answers: answers.map(({ data }) => decodeVoteAnswer(data)),
        isLed: servers.some((server) => leads(server, group)),
        now: clock.now(),
      };
    } catch {
      // a group that cannot be asked is looked at again
      return undefined;
    }
  }

  #do(step: Step, group: string): void {
    const { system, clock, report } = this.#options;
    if (step.kind === 'wait') {
      this.#last = step.last;
      if (step.reason !== 'poked') this.#reportOnce(step.reason, group);
    } else if (system.isConnected()) {
      system.connection().publish(voteSubject(group), encodeVoteRequest(step.term));
      this.#last = { term: step.term, at: clock.now() };
      this.#pokes += 1;
      report('election_poked', { group, term: Number(step.term), poke: this.#pokes });
    }
  }

  #reportOnce(reason: string, group: string): void {
    if (this.#held.has(reason)) return;
    this.#held.add(reason);
    this.#options.report('election_not_poked', { group, reason });
  }
}

const voteSubject = (group: string): string => `$NRG.V.${group}`;

/**
 * The raft group of the log, as any server with a copy of it knows it, with a leader or without; undefined when nobody
 * has one. It may be another one after the number of replicas changed. Rejects with `BusError`.
 * @param system link of the system account
 */
export async function findRaftGroup(system: Link): Promise<string | undefined> {
  const servers = await askServers(system, limits.managersMax, windowMs);
  return servers.map(({ stream }) => stream?.stream_raft_group).find((name) => name !== undefined);
}
