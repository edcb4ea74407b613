import { assignmentChanges } from '../../domain/assign/assignments.ts';
import type { Applied } from '../../domain/store/changes.ts';
import { aborted } from '../../supervisors/clock.ts';
import { runs } from '../../supervisors/run.ts';
import type { ChildSpec } from '../../supervisors/supervisor.ts';
import { Dispatcher, type DispatcherPorts } from './dispatcher.ts';

/** The dispatcher as a part of the leader's tree. Each incarnation begins with the store, so that it misses nothing. */
export class DispatcherPart {
  readonly #options: DispatcherPorts;
  /** Undefined between two incarnations. */
  #current: Dispatcher | undefined;
  #serving = false;

  constructor(options: DispatcherPorts) {
    this.#options = options;
  }

  part(): ChildSpec {
    return {
      id: 'dispatcher',
      restart: 'permanent',
      waiting: () => this.#current?.waiting ?? 0,
      ...runs((scope) => this.#run(scope)),
    };
  }

  /** The lease was got or lost. */
  serve(serving: boolean): void {
    this.#serving = serving;
    this.#current?.serve(serving);
  }

  /** Nodes have lost their connections through no fault of theirs, all but `except`: they have longer to come back. */
  excuseNodes(except: string): void {
    this.#current?.excuseNodes(except);
  }

  /** Nodes that came or went get or lose their session; those with other tasks are told, and all of another heartbeat. */
  observe(applied: readonly Applied[]): void {
    for (const { kind, id, after } of applied)
      if (kind === 'cluster') this.#current?.pace();
      else if (kind === 'node')
        if (after === undefined) void this.#current?.stopNode(id);
        else this.#current?.startNode(id);
    for (const [nodeId, ids] of assignmentChanges(applied)) this.#current?.changed(nodeId, ids);
  }

  async #run(scope: AbortSignal): Promise<void> {
    const dispatcher = new Dispatcher(this.#options);
    this.#current = dispatcher;
    try {
      dispatcher.start(this.#serving);
      await aborted(scope);
    } finally {
      this.#current = undefined;
      await dispatcher.stop();
    }
  }
}
