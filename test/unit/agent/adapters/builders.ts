import type { Call, Client, Stream } from '../../../../actors/agent/adapters/docker-client.ts';
import { EngineReply } from '../../../../actors/agent/adapters/docker-errors.ts';
import type { Task } from '../../../../domain/model/objects.ts';
import type { ContainerSpec } from '../../../../domain/model/spec.ts';

export const taskOf = (spec: Partial<ContainerSpec> = {}, more: Partial<Task> = {}): Task => ({
  id: 't'.padEnd(25, '1'),
  meta: { version: 1, createdAt: 0, updatedAt: 0 },
  serviceId: 'svc',
  slot: 2,
  nodeId: 'node1',
  spec: { ContainerSpec: { Image: 'web:1', ...spec }, ForceUpdate: 0 },
  specVersion: 1,
  serviceName: 'web',
  serviceLabels: { tier: 'front' },
  status: { state: 'assigned', at: 0, message: '' },
  desired: 'running',
  ...more,
});

/** What the engine says of a container; only what is read of it. */
export const inspected = (
  state: Readonly<Record<string, unknown>> = {},
  ports: unknown = {},
  taskId = taskOf().id,
) => ({
  Id: 'c1',
  Config: { Labels: { 'com.docker.swarm.task.id': taskId } },
  State: {
    Pid: 0,
    ExitCode: 0,
    Running: false,
    OOMKilled: false,
    StartedAt: '0001-01-01T00:00:00Z',
    ...state,
  },
  NetworkSettings: { Ports: ports },
});
export const running = { Running: true, Pid: 7, StartedAt: '2025-01-01T00:00:00Z' };
export const exited = (ExitCode: number) => ({
  Running: false,
  Pid: 0,
  ExitCode,
  StartedAt: running.StartedAt,
});

export const reply = (status: number, message: string): EngineReply =>
  new EngineReply(status, message);

export async function* bytes(...parts: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield Buffer.from(part);
}

/** A stream that the test writes to and ends. */
export class TestStream implements Stream {
  readonly headers = {};
  readonly #parts: (Buffer | Error | undefined)[] = [];
  #wake: () => void = () => undefined;

  push(part: object): void {
    this.#add(Buffer.from(`${JSON.stringify(part)}\n`));
  }

  /** Without an error: the regular end. */
  end(error?: Error): void {
    this.#add(error);
  }

  #add(part: Buffer | Error | undefined): void {
    this.#parts.push(part);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      while (this.#parts.length === 0) await new Promise<void>((wake) => (this.#wake = wake));
      const part = this.#parts.shift();
      if (part === undefined) return;
      if (part instanceof Error) throw part;
      yield part;
    }
  }
}

/** Answers each call with what the test says, in order: a value, an error, or a promise of either. */
export class ScriptedClient implements Client {
  readonly calls: string[] = [];
  readonly seen: Call[] = [];
  readonly #answers: { readonly call: string; readonly answer: unknown }[] = [];

  /** `call` is method and last part of the path: `POST create`, `GET json`, `GET events`. */
  on(call: string, ...answers: readonly unknown[]): this {
    this.#answers.push(...answers.map((answer) => ({ call, answer })));
    return this;
  }

  async request(call: Call): Promise<unknown> {
    const name = `${call.method ?? 'GET'} ${call.path.split('/').at(-1)}`;
    this.calls.push(name);
    this.seen.push(call);
    const at = this.#answers.findIndex((entry) => entry.call === name);
    if (at < 0) throw new Error(`unexpected ${name}`);
    const answer = await this.#answers.splice(at, 1)[0]?.answer;
    if (answer instanceof Error) throw answer;
    return answer;
  }

  async open(call: Call): Promise<Stream> {
    return (await this.request(call)) as Stream;
  }
}
