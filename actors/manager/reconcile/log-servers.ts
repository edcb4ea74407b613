import type { LogGroup } from '../../../bus/ports.ts';
import { formOf, isVoter, placedManagers, releaseOf } from '../../../domain/members/form.ts';
import { type LogSurvey, type MemberStep, planMembers } from '../../../domain/members/plan.ts';
import type { LogForm, Node } from '../../../domain/model/objects.ts';
import { type Applied, type Change, patchNode } from '../../../domain/store/changes.ts';
import type { View } from '../../../domain/store/view.ts';
import type { Clock } from '../../../supervisors/clock.ts';
import { termMs } from '../quorum.ts';
import { type ClusterReconciler, commonPace, type ReconcilerPorts } from './reconciler.ts';
import type { PlanOutcome } from './reconciler.machine.ts';

export interface LogServersPorts extends ReconcilerPorts {
  readonly nodeId: string;
  /** Without it the log's servers are left as they are. */
  readonly group: LogGroup | undefined;
  readonly clock: Clock;
  /** The log's time, ms. */
  readonly now: () => number;
  /** When the last heartbeat was sent that a manager has acknowledged, on the clock; undefined for none. */
  readonly heardAt: (manager: string) => number | undefined;
  /** Nobody answers for the manager on the bus: it has ended, or its connection has. */
  readonly isAbsent: (manager: string) => boolean;
  /** Ends this leadership in favour of another manager. */
  readonly abdicate: () => void;
  /** The log's servers are away for good, and this is the only manager that counts: it goes on alone. */
  readonly retreat: () => void;
}

/** How often the group is looked at: while something is to be done, and otherwise, ms. */
const lookMs = { busy: 300, idle: 2_000 } as const;
/** A joiner whose server is away for so long has come to nothing, ms: the log goes on without it. */
const strandedMs = 8_000;

/** Which managers are reachable, and the log on the right servers, one step at a time. */
export class LogServersReconciler implements ClusterReconciler {
  readonly name = 'log-servers';
  readonly pace = commonPace;
  readonly #ports: LogServersPorts;
  /** Since when each manager counts here: one that has just come has not been asked yet. */
  #votersSince: ReadonlyMap<string, number> = new Map();
  /** Since when the log's servers neither answer nor take a record, on the clock. */
  #strandedSince: number | undefined;
  /** How far the log was then. */
  #strandedAt = 0;
  #lookStrandedFrom = 0;

  constructor(ports: LogServersPorts) {
    this.#ports = ports;
  }

  /** Rejects when a step failed: it is tried again. */
  readonly plan = async (): Promise<PlanOutcome> => {
    try {
      return await this.#plan();
    } catch (error) {
      this.#ports.log('managers_step_failed', { error: String(error) }, 'warn');
      throw error;
    }
  };

  async #plan(): Promise<PlanOutcome> {
    const { view, nodeId, group, now } = this.#ports;
    await this.#noteReachability();
    const alone = formOf(view).form === 'alone';
    // without an answer the plan is to wait, and says so
    const survey = alone ? undefined : await group?.survey().catch(() => undefined);
    const step = group === undefined ? none : planMembers(view, nodeId, survey);
    await this.#take(step, survey);
    const idle = step.step === 'none';
    return {
      wakeAt: alone && idle ? undefined : now() + (idle ? lookMs.idle : lookMs.busy),
      gone: false,
      idle,
      ...(step.step === 'wait' && { reasons: [step.why] }),
    };
  }

  readonly observe = (applied: readonly Applied[]): boolean =>
    applied.some(
      (change) =>
        change.kind === 'node' &&
        (change.before?.manager !== change.after?.manager ||
          change.before?.spec.Role !== change.after?.spec.Role),
    );

  async #take(step: MemberStep, survey: LogSurvey | undefined): Promise<void> {
    const { group, abdicate, log } = this.#ports;
    switch (step.step) {
      case 'none':
      case 'wait':
        return;
      case 'close':
        return this.#close(step.form, survey);
      case 'mark-leaving':
        log('manager_leaving', { member: step.nodeId });
        return this.#commit(survey, step, (view) => {
          const manager = view.node(step.nodeId)?.manager;
          return manager === undefined
            ? []
            : [patchNode(step.nodeId, { manager: { ...manager, leaving: true } })];
        });
      case 'release':
        log('manager_released', { member: step.nodeId });
        return this.#commit(survey, step, (view) => {
          const node = view.node(step.nodeId);
          return node === undefined ? [] : [releaseOf(node)];
        });
      case 'forget':
        log('log_server_forgotten', { server: step.server });
        return group?.forget(step.server);
      case 'replicas':
        log('log_copies', { copies: step.count });
        return group?.setReplicas(step.count);
      case 'lead-elsewhere':
        return group?.handLead();
      case 'yield':
        return abdicate();
    }
  }

  /** The point of no return: from this record on the next generation counts, which begins at this manager. */
  async #close(form: LogForm['form'], survey: LogSurvey | undefined): Promise<void> {
    const { nodeId, view, log } = this.#ports;
    if (form === 'several' && !(await this.#joinerAnswers())) return;
    log('generation_closing', { form });
    await this.#commit(survey, { step: 'close', form }, (current) => {
      const cluster = current.cluster();
      if (cluster === undefined) return [];
      const { generation, form: before } = formOf(current);
      const next = { generation: generation + 1, form, founder: nodeId };
      return [
        {
          op: 'patch',
          kind: 'cluster',
          id: cluster.id,
          fields: { log: { generation, form: before, next } },
        },
      ];
    });
    log('generation_closed', { index: view.index });
  }

  /** A group needs two servers; with a manager that is not there the cluster would stand still. */
  async #joinerAnswers(): Promise<boolean> {
    const { group, view, nodeId } = this.#ports;
    const asked = placedManagers(view)
      .filter(({ id, spec }) => id !== nodeId && spec.Role === 'manager')
      .map(({ manager }) => group?.answers(manager.route) ?? Promise.resolve(false));
    return (await Promise.all(asked)).some(Boolean);
  }

  /** Commits the step, if it is still the one to take. */
  async #commit(
    survey: LogSurvey | undefined,
    step: MemberStep,
    changes: (view: View) => readonly Change[],
  ): Promise<void> {
    const { propose, nodeId } = this.#ports;
    const wanted = JSON.stringify(step);
    await propose((view) => ({
      changes: JSON.stringify(planMembers(view, nodeId, survey)) === wanted ? changes(view) : [],
      result: undefined,
    }));
  }

  /** Called with each heartbeat: whether a plan is due, for a manager is not as reachable as the state says. */
  isPlanDue(): boolean {
    void this.#lookWhetherStranded();
    return placedManagers(this.#ports.view).some((node) => this.#differs(node));
  }

  #differs(node: Node): boolean {
    return isVoter(node) && node.manager?.reachability !== this.#seen(node.id);
  }

  #seen(id: string): 'reachable' | 'unreachable' {
    const { nodeId, clock, heardAt, isAbsent } = this.#ports;
    if (id === nodeId) return 'reachable';
    const now = clock.now();
    const lastMs = Math.max(heardAt(id) ?? 0, this.#votersSince.get(id) ?? now);
    return isAbsent(id) || now - lastMs >= termMs.unreachable ? 'unreachable' : 'reachable';
  }

  /**
   * While no other manager counts nobody else can have written to this generation's log: what this one knows is all that was
   * acknowledged. Not part of a plan, whose step may wait for a log that stands still.
   */
  async #lookWhetherStranded(): Promise<void> {
    const { view, nodeId, group, clock, retreat, log } = this.#ports;
    const now = clock.now();
    if (group === undefined || now < this.#lookStrandedFrom || formOf(view).form === 'alone')
      return;
    if (placedManagers(view).some((node) => isVoter(node) && node.id !== nodeId)) return;
    this.#lookStrandedFrom = Number.POSITIVE_INFINITY;
    const isThere = await group.survey().then(
      () => true,
      () => false,
    );
    this.#lookStrandedFrom = clock.now() + lookMs.busy;
    // servers of which none answers may take records all the same: what is written here would be lost
    const hasGoneOn = view.index > this.#strandedAt;
    this.#strandedAt = view.index;
    this.#strandedSince = isThere || hasGoneOn ? undefined : (this.#strandedSince ?? now);
    if (this.#strandedSince === undefined || clock.now() - this.#strandedSince < strandedMs) return;
    log('generation_given_up', { why: "the joiner's server is away" });
    retreat();
  }

  /** Managers that acknowledge no heartbeats are shown as unreachable. */
  async #noteReachability(): Promise<void> {
    const { view, clock, propose } = this.#ports;
    const now = clock.now();
    const voters = placedManagers(view).filter(isVoter);
    this.#votersSince = new Map(voters.map(({ id }) => [id, this.#votersSince.get(id) ?? now]));
    if (!voters.some((node) => this.#differs(node))) return;
    await propose((current) => ({
      changes: placedManagers(current)
        .filter((node) => this.#differs(node))
        .map(({ id, manager }) =>
          patchNode(id, { manager: { ...manager, reachability: this.#seen(id) } }),
        ),
      result: undefined,
    }));
  }
}

const none: MemberStep = { step: 'none' };
