import type { ContainerInspectInfo } from 'dockerode';
import type { ContainerStatus, Task } from '../../../domain/model/objects.ts';
import { taskStateRank } from '../../../domain/task-state.ts';
import {
  type Controller,
  EngineError,
  type Exit,
  type Found,
  NoContainer,
  type Run,
} from '../ports.ts';
import { exitError } from '../task-status.ts';
import { type Client, segment } from './docker-client.ts';
import { containersWith } from './docker-list.ts';
import {
  containerName,
  createBody,
  hasTemplates,
  labels,
  stopGraceSeconds,
  type TemplateNode,
} from './docker-config.ts';
import { EngineReply, hasStatus, isMissingImage } from './docker-errors.ts';
import type { EngineEvents } from './docker-events.ts';
import {
  createdOf,
  exitOf,
  type Facts,
  factsOf,
  foundOf,
  hasEnded,
  runOf,
} from './docker-facts.ts';
import type { Images } from './docker-images.ts';
import type { Gate } from '../gate.ts';

/** What all controllers of one executor share. */
export interface Shared {
  readonly client: Client;
  readonly events: Pick<EngineEvents, 'now' | 'isUnchanged' | 'changed' | 'open'>;
  readonly images: Pick<Images, 'refresh' | 'fetch'>;
  /** Bounds creates and starts: the engine's expensive calls. */
  readonly gate: Gate;
  readonly templateNode: (scope: AbortSignal) => Promise<TemplateNode>;
}

/** SIGKILL: what the end of a container that was removed by force looks like. */
const killedExitCode = 137;

/**
 * One container, in as few calls as can be: create, start, and one look at it. After that it is looked at only when
 * the event stream says that something may have changed.
 */
export class DockerController implements Controller {
  readonly #task: Task;
  readonly #shared: Shared;
  /** Of the container, once it is known: from then on it is found under whatever name. */
  #id: string | undefined;
  /** Known to exist and never started: start needs no look first. */
  #isNew = false;
  /** The last look, and the event count when it was taken. */
  #seen: { readonly facts: Facts; readonly at: number } | undefined;
  /** A create or start that the engine may still be at although its caller has gone. */
  #pending: Promise<unknown> = Promise.resolve();
  /** Seen unhealthy while it ran. After its end the engine says that of every container that had a health check. */
  #isSick = false;

  constructor(task: Task, shared: Shared) {
    this.#task = task;
    this.#shared = shared;
  }

  async find(scope: AbortSignal): Promise<Found> {
    const found = foundOf(await this.#look(scope));
    return found.kind === 'exited' ? { ...found, exit: this.#explained(found.exit) } : found;
  }

  async prepare(scope: AbortSignal): Promise<ContainerStatus> {
    const task = this.#task;
    const node = hasTemplates(task) ? await this.#shared.templateNode(scope) : undefined;
    const body = createBody(task, node);
    const auth = task.spec.ContainerSpec.PullOptions?.RegistryAuth;
    const { events, images } = this.#shared;
    events.open();
    await images.refresh(body.Image, auth, scope);
    try {
      return createdOf(await this.#create(body, scope));
    } catch (error) {
      if (!isMissingImage(error)) throw error;
      const reason = await images.fetch(body.Image, auth, scope);
      // Swarm shows the first half only, and its users look for an image that is there (moby#31063)
      if (reason !== undefined)
        throw reason === '' ? error : new EngineError(`${error.message}: ${reason}`, false);
      return createdOf(await this.#create(body, scope));
    }
  }

  async start(scope: AbortSignal): Promise<Run> {
    if (!this.#isNew && (await this.#look(scope)) === undefined) throw this.#absent();
    if (this.#isNew) {
      this.#isNew = false;
      this.#seen = undefined;
      await this.#exclusive(() => this.#post('/start'), scope).catch(describeStart);
    }
    return this.#watch(scope, (facts) => this.#started(facts));
  }

  wait(scope: AbortSignal): Promise<Exit> {
    return this.#watch(scope, (facts) => {
      if (facts !== undefined) return hasEnded(facts) ? this.#explained(exitOf(facts)) : undefined;
      const container = { id: this.#seen?.facts.id ?? '', pid: 0, exitCode: killedExitCode };
      return { container, reason: 'container destroyed' };
    });
  }

  async shutdown(scope: AbortSignal): Promise<Exit | undefined> {
    await this.#pending;
    if ((await this.#find(scope)) === undefined) return undefined;
    await this.#stop(scope);
    const facts = await this.#look(scope);
    if (facts === undefined || !facts.isStarted) return undefined;
    return hasEnded(facts) ? this.#explained(exitOf(facts)) : this.wait(scope);
  }

  async remove(scope: AbortSignal): Promise<void> {
    await this.#pending;
    if ((await this.#find(scope)) === undefined) return;
    await removeContainer(this.#shared.client, this.#path(), scope);
    this.#isNew = false;
  }

  /** Gives the container's ID. */
  async #create(body: object, scope: AbortSignal): Promise<string> {
    const query = { name: containerName(this.#task) };
    const call = { method: 'POST', path: '/containers/create', query, body } as const;
    try {
      const made = this.#exclusive(async () => {
        const { Id } = (await this.#shared.client.request(call)) as { readonly Id: string };
        this.#id = Id;
        return Id;
      }, scope);
      const id = await made;
      this.#isNew = true;
      return id;
    } catch (error) {
      // made by an earlier attempt whose answer was lost
      const facts = hasStatus(error, 409) ? await this.#look(scope) : undefined;
      if (facts === undefined) throw error;
      return facts.id;
    }
  }

  /** What the state means for a start: undefined while it has to be waited for. */
  #started(facts: Facts | undefined): Run | undefined {
    if (facts === undefined) throw this.#absent();
    if (facts.isRunning)
      return facts.health === undefined || facts.health === 'healthy' ? runOf(facts) : undefined;
    if (!facts.isStarted) throw new EngineError('the container did not start', false);
    // with a health check it must never have counted as running; without one, or at code 0, `wait` tells
    const failure =
      facts.health === undefined ? undefined : exitError(this.#explained(exitOf(facts)));
    if (failure !== undefined) throw new EngineError(failure, false);
    return runOf(facts);
  }

  /** Looks now unless the last look still holds, then after each change, until `decide` has an answer. */
  async #watch<T>(
    scope: AbortSignal,
    decide: (facts: Facts | undefined) => T | undefined,
  ): Promise<T> {
    const { events } = this.#shared;
    for (;;) {
      const seen = this.#seen;
      const isValid = seen !== undefined && events.isUnchanged(seen.facts.id, seen.at);
      const facts = isValid ? seen.facts : await this.#look(scope);
      const answer = decide(facts);
      if (answer !== undefined) return answer;
      if (facts?.isRunning === true && facts.health === 'unhealthy') {
        this.#isSick = true;
        await this.#stop(scope);
      }
      const { facts: last, at } = this.#seen ?? { facts: { id: '' }, at: 0 };
      await events.changed(last.id, at, scope);
    }
  }

  /** Asks the engine. Gives undefined where there is no container of this very task. */
  async #look(scope: AbortSignal): Promise<Facts | undefined> {
    const at = this.#shared.events.now();
    const info = await this.#inspectOwn(scope);
    this.#id = info?.Id;
    if (info === undefined) return undefined;
    const facts = factsOf(info, this.#task);
    this.#seen = { facts, at };
    this.#isNew = !facts.isStarted;
    return facts;
  }

  /** By its ID, or by its name, or, where it was made and has lost its name, by its label, which nobody can change. */
  async #inspectOwn(scope: AbortSignal): Promise<ContainerInspectInfo | undefined> {
    if (this.#id !== undefined) return this.#inspect(this.#id, scope);
    const named = await this.#inspect(containerName(this.#task), scope);
    if (named?.Config.Labels[labels.taskId] === this.#task.id) return named;
    if (taskStateRank[this.#task.status.state] <= taskStateRank.assigned) return undefined;
    const { client } = this.#shared;
    const [own] = await containersWith(client, `${labels.taskId}=${this.#task.id}`, scope);
    return own && this.#inspect(own.Id, scope);
  }

  async #inspect(name: string, scope: AbortSignal): Promise<ContainerInspectInfo | undefined> {
    try {
      const path = `/containers/${segment(name)}/json`;
      return (await this.#shared.client.request({ path, scope })) as ContainerInspectInfo;
    } catch (error) {
      if (hasStatus(error, 404)) return undefined;
      throw error;
    }
  }

  /** The container's ID; asks the engine only where it is not known. */
  async #find(scope: AbortSignal): Promise<string | undefined> {
    return this.#id ?? (await this.#look(scope))?.id;
  }

  #path(): string {
    return `/containers/${segment(this.#id ?? containerName(this.#task))}`;
  }

  /** With the task's signal and grace period. Gone already is as good. */
  async #stop(scope: AbortSignal): Promise<void> {
    const query = { t: stopGraceSeconds(this.#task.spec.ContainerSpec) };
    const path = `${this.#path()}/stop`;
    try {
      await this.#shared.client.request({ method: 'POST', path, query, patient: true, scope });
    } catch (error) {
      if (!hasStatus(error, 404)) throw error;
    }
  }

  /** An unhealthy container's end is a failure, however well it took the stop. */
  #explained(exit: Exit): Exit {
    return this.#isSick && exit.reason === undefined
      ? { ...exit, reason: 'unhealthy container' }
      : exit;
  }

  #post(action: string): Promise<unknown> {
    return this.#shared.client.request({ method: 'POST', path: `${this.#path()}${action}` });
  }

  /**
   * Runs a call that changes the container. Aborting leaves the caller's wait, not the call: a create cut off
   * half-way may still make a container, and then nobody would remove it.
   */
  #exclusive<T>(call: () => Promise<T>, scope: AbortSignal): Promise<T> {
    const work = this.#shared.gate.run(call, scope);
    // the caller has the error; whoever comes next only waits for the end
    this.#pending = work.catch(() => undefined);
    return work;
  }

  #absent(): EngineError {
    return new NoContainer(containerName(this.#task));
  }
}

/** Removes a container and its anonymous volumes, running or not. Gone already, or being removed, is as good. */
export async function removeContainer(
  client: Client,
  path: string,
  scope: AbortSignal,
): Promise<void> {
  try {
    await client.request({ method: 'DELETE', path, query: { force: true, v: true }, scope });
  } catch (error) {
    if (!hasStatus(error, 404) && !hasStatus(error, 409)) throw error;
  }
}

/** Swarm's words for a start that the engine refuses. */
function describeStart(error: unknown): never {
  if (error instanceof EngineReply && !error.retryable)
    throw new EngineError(`starting container failed: ${error.message}`, false);
  throw error;
}
