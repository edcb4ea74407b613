import { subjects } from '../../../bus/subjects.ts';
import type { Bus } from '../../../bus/ports.ts';
import type { LeaderTerm, MembershipNotice } from '../../../bus/protocol.ts';
import { type Membership, membershipOf, sameMembership } from '../../../domain/ca/membership.ts';
import { planRotation } from '../../../domain/ca/plan-rotation.ts';
import type { Issuer, LocalCaTools } from '../../../domain/ca/ports.ts';
import { type CaAnswer, CaInquiry, type CaQuestion } from '../../../domain/ca/questions.ts';
import { wantedRootPem } from '../../../domain/ca/signing.ts';
import type { Command, CommandContext } from '../../../domain/commands/command.ts';
import { limits } from '../../../domain/limits.ts';
import type { Applied } from '../../../domain/store/changes.ts';
import {
  type ClusterReconciler,
  commitPlan,
  commonPace,
  type ReconcilerPorts,
} from './reconciler.ts';
import type { PlanOutcome } from './reconciler.machine.ts';

/** What a leader needs to renew the cluster's CA; given by the wiring. */
export interface CaPorts {
  readonly tools: LocalCaTools;
  /** Puts a question to external CAs. Never rejects. */
  readonly ask: (question: CaQuestion) => Promise<CaAnswer>;
}
export interface CaReconcilerPorts extends CaPorts, ReconcilerPorts {
  readonly bus: Bus;
  readonly newJoinToken: CommandContext['newJoinToken'];
  readonly epoch: () => LeaderTerm;
}

/** Nodes know the roots and the managers, and get certificates of the root that is wanted. */
export class CaReconciler implements ClusterReconciler {
  readonly name = 'ca';
  readonly pace = commonPace;
  readonly #ports: CaReconcilerPorts;
  #told: Membership | undefined;
  /** When nodes were told to renew, ms: plans come with every change, and a node needs a moment. */
  readonly #asked = new Map<string, number>();

  constructor(ports: CaReconcilerPorts) {
    this.#ports = ports;
    this.#told = membershipOf(ports.view);
  }

  /** Decides a command that may be about the CA: what it wants to know of external CAs is asked first. */
  async inquire(
    command: Command,
    body: unknown,
    ctx: Omit<CommandContext, 'ca'>,
  ): Promise<CommandContext['ca']> {
    const inquiry = new CaInquiry(this.#ports.tools);
    try {
      command.decide(this.#ports.view, { ...ctx, ca: inquiry.asking() }, body);
    } catch {
      // it will be refused in the same words when it is decided
    }
    for (const question of inquiry.questions)
      inquiry.answer(question, await this.#ports.ask(question));
    return inquiry.knowing();
  }

  /** One look at a rotation that runs: who is to renew now, or the end of it. */
  readonly plan = async (): Promise<PlanOutcome> => {
    const { tools, newJoinToken } = this.#ports;
    let renewals: readonly string[] = [];
    let at = 0;
    const outcome = await commitPlan(this.#ports, { part: this.name }, (view, { now }) => {
      const { renew, ...plan } = planRotation(view, { now, newJoinToken, ca: tools });
      renewals = renew;
      at = now;
      return plan;
    });
    for (const nodeId of renewals) this.#askToRenew(nodeId, at);
    return outcome;
  };

  #askToRenew(nodeId: string, now: number): void {
    const asked = this.#asked.get(nodeId);
    if (asked !== undefined && now < asked + limits.rotationRoundMs) return;
    this.#asked.set(nodeId, now);
    const cluster = this.#ports.view.cluster();
    if (cluster !== undefined)
      this.tell(nodeId, true, this.#ports.tools.issuerOf(wantedRootPem(cluster)));
  }

  /** Nodes hear of other roots and managers at once. */
  readonly observe = (applied: readonly Applied[]): boolean => {
    for (const change of applied)
      if (
        change.kind === 'node' &&
        change.before !== undefined &&
        change.after !== undefined &&
        change.before.role !== change.after.role
      )
        this.tell(change.id, false);
    const relevant = applied.some(
      (change) =>
        change.kind === 'cluster' ||
        (change.kind === 'node' &&
          (change.before?.description?.tls !== change.after?.description?.tls ||
            change.before?.manager !== change.after?.manager ||
            change.before?.status.state !== change.after?.status.state)),
    );
    if (!relevant) return false;
    const now = membershipOf(this.#ports.view);
    if (!sameMembership(now, this.#told)) {
      this.#told = now;
      this.#asked.clear();
      for (const { id, status } of this.#ports.view.list('node'))
        if (status.state === 'ready') this.tell(id, false);
    }
    return true;
  };

  /** A node has said hello: it may have missed what it was told, and that it is to renew. */
  greet(nodeId: string): void {
    const { view, tools } = this.#ports;
    const cluster = view.cluster();
    if (cluster?.rootRotation === undefined || !this.#asked.has(nodeId))
      return this.tell(nodeId, false);
    this.tell(nodeId, true, tools.issuerOf(wantedRootPem(cluster)));
  }

  /** Sends one node what it must know. One that misses it hears it with its next hello. */
  tell(nodeId: string, renew: boolean, issuer?: Issuer): void {
    const { bus, view, epoch } = this.#ports;
    const membership = membershipOf(view);
    const node = view.node(nodeId);
    if (membership !== undefined && node !== undefined)
      bus.publish(subjects.node(nodeId, 'membership'), {
        ...epoch(),
        ...membership,
        renew,
        ...(issuer !== undefined && { issuer }),
        role: node.role,
      } satisfies MembershipNotice);
  }
}
