import type { Actor, AnyActorLogic, InputFrom } from 'xstate';
import { ActorChild, addressOf, type ChildPorts, type Closing } from './child.ts';
import type { ChildActor } from './registry.ts';
import type { Exit } from './restart-policy.ts';

export interface DynamicPorts extends ChildPorts {
  /** Hears of every child that ended by itself; it is no longer listed then, so its id may be started again. */
  readonly onExit?: (id: string, exit: Exit) => void;
}

/**
 * Any number of `temporary` children by id: none is ever restarted, and none sees another one fail. Every operation on
 * one child is O(1): each is a root actor of its own, because xstate copies a parent's map with every spawn.
 */
export class DynamicSupervisor {
  readonly #ports: DynamicPorts;
  readonly #children = new Map<string, ActorChild>();

  constructor(ports: DynamicPorts) {
    this.#ports = ports;
  }

  get size(): number {
    return this.#children.size;
  }

  /** Throws when `id` is running. */
  start<T extends AnyActorLogic>(
    id: string,
    logic: T,
    input: (scope: AbortSignal, closing: Closing) => InputFrom<T>,
  ): Actor<T> {
    if (this.#children.has(id)) throw new Error(`child '${id}' is running`);
    const child: ActorChild<T> = new ActorChild({ id, logic, input }, this.#ports, (exit) => {
      this.#children.delete(id);
      if (exit.kind === 'error')
        this.#ports.report('child_exit', { child: addressOf(this.#ports, id), exit });
      this.#ports.onExit?.(id, exit);
    });
    this.#children.set(id, child as unknown as ActorChild);
    child.start();
    return child.actor;
  }

  get(id: string): ChildActor | undefined {
    return this.#children.get(id)?.actor;
  }

  /** Running children, oldest first. */
  *list(): Iterable<readonly [id: string, actor: ChildActor]> {
    for (const [id, child] of this.#children) yield [id, child.actor];
  }

  /** Stops one child, if it runs; resolves when it has ended. */
  async stop(id: string): Promise<void> {
    const child = this.#children.get(id);
    this.#children.delete(id);
    await child?.stop();
  }

  async stopAll(): Promise<void> {
    const children = [...this.#children.values()];
    this.#children.clear();
    await Promise.all(children.map(async (child) => child.stop()));
  }
}
