import type { SubscribeOptions } from '../../bus/ports.ts';
import { type AgentVerb, subjects } from '../../bus/subjects.ts';
import { Budget } from '../../domain/assign/budget.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../supervisors/clock.ts';

export interface FrontPorts {
  readonly clock: Clock;
  readonly isKnown: (nodeId: string) => boolean;
  /** A node sends more than it may, and goes on with it. Told again after `againMs` while that is so. */
  readonly onFlood: (nodeId: string) => void;
}

interface Sender {
  readonly budget: Budget;
  toldAt: number;
}

/** What was told of a node may not have come about, ms. */
const againMs = 5_000;
/** All that send and are not of the cluster any more share one budget. */
const strangers = '';

/** What agents say costs something of their node's budget before anything of it is read. */
export class Front {
  readonly #ports: FrontPorts;
  /** Of nodes of the cluster, and one for all strangers. */
  readonly #senders = new Map<string, Sender>();

  constructor(ports: FrontPorts) {
    this.#ports = ports;
  }

  /** How messages of one kind are to be subscribed to. */
  intake(verb: AgentVerb): SubscribeOptions {
    const isLong = verb === 'hello' || verb === 'status';
    const cost = verb === 'hello' || verb === 'leave' ? limits.nodeHelloMessages : 1;
    return {
      admits: (subject, bytes) => this.#admits(subjects.agentOf(subject), cost, bytes),
      bytesMax: isLong ? limits.agentBodyBytesMax : limits.agentNoteBytesMax,
    };
  }

  forget(nodeId: string): void {
    this.#senders.delete(nodeId);
  }

  #admits(nodeId: string, cost: number, bytes: number): boolean {
    const { clock, isKnown, onFlood } = this.#ports;
    const now = clock.now();
    const name = isKnown(nodeId) ? nodeId : strangers;
    let sender = this.#senders.get(name);
    if (sender === undefined) {
      sender = { budget: new Budget(now), toldAt: Number.NEGATIVE_INFINITY };
      this.#senders.set(name, sender);
    }
    const verdict = sender.budget.spend(cost, bytes, now);
    if (verdict === 'cut' && name !== strangers && now >= sender.toldAt + againMs) {
      sender.toldAt = now;
      onFlood(nodeId);
    }
    return verdict === 'read';
  }
}
