import type { Applied } from '../../../domain/store/changes.ts';
import { type DynamicPorts, DynamicSupervisor } from '../../../supervisors/dynamic.ts';
import type { ChildSpec } from '../../../supervisors/supervisor.ts';
import {
  type ClusterReconciler,
  commitPlan,
  type ObjectReconciler,
  type ReconcilerPorts,
} from './reconciler.ts';
import { type ReconcilerInput, reconcilerMachine } from './reconciler.machine.ts';

export interface ReconcilersOptions extends ReconcilerPorts {
  readonly objects: readonly ObjectReconciler[];
  readonly cluster: readonly ClusterReconciler[];
  /** The log's time, ms. */
  readonly now: () => number;
  /** How the actors of one row are supervised. */
  readonly supervision: (name: string) => DynamicPorts;
  /** The running actor of a row of the cluster; undefined between two incarnations. */
  readonly actor: (name: string) => { send(event: { readonly type: 'dirty' }): void } | undefined;
}

interface Row {
  readonly reconciler: ObjectReconciler;
  readonly actors: DynamicSupervisor;
}

/** Drives a table of reconcilers: an actor for each object of each row, and one for each row of the cluster. */
export class Reconcilers {
  readonly #options: ReconcilersOptions;
  readonly #rows: readonly Row[];

  constructor(options: ReconcilersOptions) {
    this.#options = options;
    this.#rows = options.objects.map((reconciler) => ({
      reconciler,
      actors: new DynamicSupervisor(options.supervision(reconciler.name)),
    }));
  }

  /** The rows of the cluster, for the leader's tree. */
  children(): readonly ChildSpec[] {
    return this.#options.cluster.map(({ name, pace, plan }) => {
      const input = { ...pace, plan, ...this.#common({ part: name }) };
      return { id: name, restart: 'permanent', logic: reconcilerMachine, input: () => input };
    });
  }

  /** Whatever the last leader missed is found by the first plans. */
  start(): void {
    for (const row of this.#rows)
      for (const key of new Set(row.reconciler.all(this.#options.view))) this.#wake(row, key);
  }

  /** Wakes the plans that what was committed concerns. */
  observe(applied: readonly Applied[]): void {
    const { view, cluster } = this.#options;
    for (const row of this.#rows)
      for (const key of new Set(row.reconciler.keys(applied, view))) this.#wake(row, key);
    for (const { name, observe } of cluster) if (observe(applied)) this.wake(name);
  }

  /** Wakes a row of the cluster. One that is being restarted begins with a look of its own. */
  wake(name: string): void {
    this.#options.actor(name)?.send({ type: 'dirty' });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#rows.map(({ actors }) => actors.stopAll()));
  }

  #wake({ reconciler, actors }: Row, key: string): void {
    if (actors.has(key)) return void actors.send(key, { type: 'dirty' });
    const { view } = this.#options;
    const { needsActor, plan, phase, isGone, field, pace } = reconciler;
    if (needsActor?.(view, key) === false) return;
    const about = { [field]: key };
    const decide: Parameters<typeof commitPlan>[2] = (state, ctx) => plan(state, key, ctx);
    let isSettled = false;
    const input: ReconcilerInput = {
      ...pace,
      plan: async () => {
        const outcome = await commitPlan(this.#options, about, decide, (state) =>
          isGone(state, key),
        );
        isSettled = outcome.idle && (outcome.reasons ?? []).length === 0;
        return outcome;
      },
      ...this.#common(about),
    };
    const shown = phase && { phase: () => phase(view, key, isSettled) };
    actors.start(key, reconcilerMachine, () => input, shown);
  }

  #common(about: object): Pick<ReconcilerInput, 'now' | 'onReasons'> {
    const { now, log } = this.#options;
    return { now, onReasons: (reasons) => log('plan_waits', { ...about, reasons }) };
  }
}
