import { limits } from '../../../domain/limits.ts';
import type { NodeDescription, Task } from '../../../domain/model/objects.ts';
import { pause, systemClock, timeoutSignal } from '../../../supervisors/clock.ts';
import type { Report } from '../../../supervisors/report.ts';
import {
  abortedError,
  type Controller,
  type Executor,
  type LogChunk,
  type LogOptions,
  type LogSubject,
  NoContainer,
} from '../ports.ts';
import { EngineClient, segment } from './docker-client.ts';
import { labels, type TemplateNode } from './docker-config.ts';
import { DockerController, removeContainer, type Shared } from './docker-controller.ts';
import { EngineEvents } from './docker-events.ts';
import { descriptionOf, type EngineInfo } from './docker-facts.ts';
import { Images } from './docker-images.ts';
import { containersWith } from './docker-list.ts';
import { readLogs } from './docker-logs.ts';
import { Gate } from '../gate.ts';

const readyMinMs = 50;
const readyMaxMs = 1_000;
const pingMs = 2_000;

export interface DockerExecutorOptions {
  /** Path of the engine's Unix socket. */
  readonly socketPath: string;
  /** Ends the event stream and all connections. */
  readonly scope: AbortSignal;
  /** Never pull: DOCKER_SERVICE_PREFER_OFFLINE_IMAGE=1 of Docker's daemon. */
  readonly isOffline?: boolean;
  /** How long a registry that did not answer is not asked for what is here; 0, the default, for no time at all. */
  readonly registryRetryMs?: number;
  /** Creates and starts at the same time; `limits.engineOperationsMax` when absent. */
  readonly operationsMax?: number;
  /** For the log: what the port cannot tell. Never holds credentials. */
  readonly report?: Report;
}

/** The Docker Engine behind a socket. Nothing is asked of it before the first call. */
export const createDockerExecutor = (options: DockerExecutorOptions): Executor =>
  new DockerExecutor(options);

class DockerExecutor implements Executor {
  readonly #client: EngineClient;
  readonly #shared: Shared;
  #templateNode: TemplateNode | undefined;

  constructor(options: DockerExecutorOptions) {
    this.#client = new EngineClient(options.socketPath, options.scope);
    this.#shared = {
      client: this.#client,
      events: new EngineEvents(this.#client, systemClock, options.scope),
      images: new Images(this.#client, {
        isOffline: options.isOffline ?? false,
        registryRetryMs: options.registryRetryMs ?? 0,
        report: options.report ?? (() => undefined),
        clock: systemClock,
      }),
      gate: new Gate(options.operationsMax ?? limits.engineOperationsMax),
      templateNode: (scope) => this.#nodeForTemplates(scope),
    };
  }

  async describe(scope: AbortSignal): Promise<NodeDescription> {
    const info = (await this.#client.request({ path: '/info', scope })) as EngineInfo;
    const description = descriptionOf(info);
    const { architecture, os } = description.platform;
    this.#templateNode = {
      Hostname: description.hostname,
      Platform: { Architecture: architecture, OS: os },
    };
    return description;
  }

  controller(task: Task): Controller {
    return new DockerController(task, this.#shared);
  }

  async taskIds(nodeId: string, scope: AbortSignal): Promise<readonly string[]> {
    const containers = await containersWith(this.#client, `${labels.nodeId}=${nodeId}`, scope);
    return [...new Set(containers.flatMap(({ Labels }) => Labels[labels.taskId] ?? []))];
  }

  async removeOrphan(taskId: string, scope: AbortSignal): Promise<void> {
    for (const { Id } of await containersWith(this.#client, `${labels.taskId}=${taskId}`, scope))
      await removeContainer(this.#client, `/containers/${segment(Id)}`, scope);
  }

  async *logs(
    { id, nodeId }: LogSubject,
    options: LogOptions,
    scope: AbortSignal,
  ): AsyncIterable<LogChunk> {
    const found = await containersWith(this.#client, `${labels.taskId}=${id}`, scope).catch(
      (error: unknown) => {
        if (!scope.aborted) throw error;
      },
    );
    if (found === undefined) return;
    const own = found.find(({ Labels }) => Labels[labels.nodeId] === nodeId);
    if (own === undefined) throw new NoContainer(`of task ${id}`);
    yield* readLogs(this.#client, `/containers/${segment(own.Id)}`, options, scope);
  }

  async check(scope: AbortSignal): Promise<void> {
    await this.#client.request({ path: '/_ping', scope });
  }

  async ready(scope: AbortSignal): Promise<void> {
    for (let delayMs = readyMinMs; ; delayMs = Math.min(delayMs * 2, readyMaxMs)) {
      if (scope.aborted) throw abortedError();
      try {
        return await this.check(AbortSignal.any([scope, timeoutSignal(pingMs)]));
      } catch {
        // not there yet: that is what is waited for
        await pause(systemClock, delayMs, scope);
      }
    }
  }

  async #nodeForTemplates(scope: AbortSignal): Promise<TemplateNode> {
    if (this.#templateNode === undefined) await this.describe(scope);
    return this.#templateNode as TemplateNode;
  }
}
