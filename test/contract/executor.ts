import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import {
  EngineError,
  type Executor,
  type LogChunk,
  type LogOptions,
  NoContainer,
} from '../../actors/agent/ports.ts';
import type { Task } from '../../domain/model/objects.ts';
import type { ContainerSpec } from '../../domain/model/spec.ts';

/** What a container of the suite does; every harness has its own way to make one that does so. */
export type Behaviour =
  | { readonly kind: 'forever' }
  | { readonly kind: 'exits'; readonly afterMs: number; readonly code: number }
  /** Ends with `code` at SIGUSR1, its stop signal. */
  | { readonly kind: 'signalled'; readonly code: number }
  | { readonly kind: 'stubborn' }
  | { readonly kind: 'prints'; readonly lines: readonly string[]; readonly exits: boolean }
  /** The first line to stderr, the second to stdout. */
  | { readonly kind: 'prints to both'; readonly lines: readonly [string, string] }
  | { readonly kind: 'broken' }
  | { readonly kind: 'eats memory' }
  | { readonly kind: 'healthy' | 'unhealthy' | 'sick later' }
  /** Healthy to its end, which is its own. */
  | { readonly kind: 'healthy, exits'; readonly code: number };

export interface ExecutorHarness {
  /** A new executor on the same engine, as after a restart of the agent. */
  executor(): Executor;
  taskSpec(behaviour: Behaviour): { readonly container: ContainerSpec; readonly memory?: number };
  /**
   * The container's own program hears signals. The engine answers a start a moment before: a signal
   * then meets its runtime, runc, which ends with 2 at SIGTERM (Go's runtime, `dieFromSignal`).
   */
  hears(pid: number): Promise<void>;
  /** Somebody gives the task's container another name. */
  rename(taskId: string, name: string): Promise<void>;
  /** The engine dies and leaves its containers running. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** The engine stands still: it takes connections and does not answer. */
  hang(): Promise<void>;
  resume(): Promise<void>;
  /** Power failure and boot. */
  reboot(): Promise<void>;
  close(): Promise<void>;
}

const nodeId = 'n'.padEnd(25, '0');
const secondNs = 1e9;
/** These run until a signal ends them. */
const lasting: ReadonlySet<Behaviour['kind']> = new Set(['forever', 'signalled', 'stubborn']);
const all: LogOptions = {
  stdout: true,
  stderr: true,
  follow: false,
  timestamps: false,
  details: false,
  since: '',
  tail: 'all',
};

/** What `actors/agent/ports.ts` promises of an `Executor`, the same for the real and the simulated one. */
export function executorContract(name: string, start: () => Promise<ExecutorHarness>): void {
  describe(name, () => {
    let h: ExecutorHarness;
    let executor: Executor;
    let scopes: AbortController[] = [];
    let count = 0;

    const scope = (): AbortSignal => {
      const controller = new AbortController();
      scopes.push(controller);
      return controller.signal;
    };

    function task(behaviour: Behaviour, more: Partial<ContainerSpec> = {}): Task {
      count += 1;
      const { container, memory } = h.taskSpec(behaviour);
      const bounds = memory === undefined ? {} : { Resources: { Limits: { MemoryBytes: memory } } };
      return {
        id: String(count).padStart(25, '0'),
        meta: { version: 1, createdAt: 0, updatedAt: 0 },
        serviceId: 's'.padEnd(25, '0'),
        slot: count,
        nodeId,
        spec: { ContainerSpec: { ...container, ...more }, ForceUpdate: 0, ...bounds },
        specVersion: 1,
        serviceName: 'contract',
        serviceLabels: {},
        status: { state: 'assigned', at: 0, message: '' },
        desired: 'running',
      };
    }

    async function started(behaviour: Behaviour, more: Partial<ContainerSpec> = {}) {
      const made = task(behaviour, more);
      const controller = executor.controller(made);
      await controller.prepare(scope());
      const run = await controller.start(scope());
      if (lasting.has(behaviour.kind)) await h.hears(run.container.pid);
      return { made, controller, run };
    }

    beforeAll(async () => {
      h = await start();
      executor = h.executor();
    });
    afterEach(async () => {
      for (const controller of scopes) controller.abort();
      scopes = [];
      await executor.ready(scope());
      for (const id of await executor.taskIds(nodeId, scope()))
        await executor.removeOrphan(id, scope());
    });
    afterAll(() => h.close());

    test('a container goes its way from absent to absent', async () => {
      const made = task({ kind: 'exits', afterMs: 300, code: 3 });
      const controller = executor.controller(made);
      expect(await controller.find(scope())).toEqual({ kind: 'absent' });
      const container = await controller.prepare(scope());
      expect(container).toEqual({ id: expect.stringMatching(/^.+$/), pid: 0, exitCode: 0 });
      expect(await controller.find(scope())).toEqual({ kind: 'created', container });
      const run = await controller.start(scope());
      expect(run.container.pid).toBeGreaterThan(0);
      expect(run).toMatchObject({ container: { id: container.id, exitCode: 0 }, ports: [] });
      const exit = await controller.wait(scope());
      expect(exit).toEqual({ container: { id: run.container.id, pid: 0, exitCode: 3 } });
      expect(await controller.find(scope())).toEqual({ kind: 'exited', exit });
      await controller.remove(scope());
      expect(await controller.find(scope())).toEqual({ kind: 'absent' });
    });

    test('an end with code 0 has no reason, and one before wait is not missed', async () => {
      const { controller, run } = await started({ kind: 'exits', afterMs: 0, code: 0 });
      expect(await controller.wait(scope())).toEqual({
        container: { id: run.container.id, pid: 0, exitCode: 0 },
      });
    });

    test('prepare and start may be repeated', async () => {
      const { made, controller, run } = await started({ kind: 'forever' });
      await controller.prepare(scope());
      expect(await controller.start(scope())).toEqual(run);
      await executor.controller(made).prepare(scope());
      expect(await executor.controller(made).start(scope())).toEqual(run);
    });

    test('a container that has ended is never started again', async () => {
      const { made, controller } = await started({ kind: 'exits', afterMs: 0, code: 5 });
      const exit = await controller.wait(scope());
      const again = h.executor().controller(made);
      expect((await again.start(scope())).container).toEqual(exit.container);
      expect(await again.wait(scope())).toEqual(exit);
    });

    test('a restarted agent adopts what runs and what has been made', async () => {
      const { made, run } = await started({ kind: 'forever' });
      const created = task({ kind: 'forever' });
      await executor.controller(created).prepare(scope());

      const later = h.executor();
      expect(await later.controller(made).find(scope())).toEqual({ kind: 'running', run });
      const adopted = later.controller(made);
      const exit = adopted.wait(scope());
      expect((await later.controller(created).start(scope())).container.pid).toBeGreaterThan(0);
      expect(await later.controller(made).shutdown(scope())).toEqual(await exit);
    });

    test('many at once', async () => {
      const runs = await Promise.all(
        Array.from({ length: 10 }, () => started({ kind: 'exits', afterMs: 100, code: 4 })),
      );
      const exits = await Promise.all(runs.map(({ controller }) => controller.wait(scope())));
      expect(exits.map((e) => e.container.exitCode)).toEqual(runs.map(() => 4));
      expect(new Set(exits.map((e) => e.container.id)).size).toBe(10);
    });

    test('shutdown ends a container with its stop signal, and wait tells', async () => {
      const { controller, run } = await started({ kind: 'forever' });
      const waiting = controller.wait(scope());
      const exit = { container: { id: run.container.id, pid: 0, exitCode: 0 } };
      expect(await controller.shutdown(scope())).toEqual(exit);
      expect(await waiting).toEqual(exit);
      expect(await controller.shutdown(scope())).toEqual(exit);

      const other = await started({ kind: 'signalled', code: 7 }, { StopSignal: 'SIGUSR1' });
      expect(await other.controller.shutdown(scope())).toMatchObject({
        container: { exitCode: 7 },
      });
    });

    test('what ignores its stop signal is killed after the grace period', async () => {
      const { controller } = await started({ kind: 'stubborn' }, { StopGracePeriod: secondNs });
      expect(await controller.shutdown(scope())).toMatchObject({ container: { exitCode: 137 } });
    });

    test('shutdown of what never ran tells of no end', async () => {
      const controller = executor.controller(task({ kind: 'forever' }));
      expect(await controller.shutdown(scope())).toBeUndefined();
      await controller.prepare(scope());
      expect(await controller.shutdown(scope())).toBeUndefined();
      expect(await controller.find(scope())).toMatchObject({ kind: 'created' });
    });

    test('remove takes what runs and what is not there', async () => {
      const { controller } = await started({ kind: 'forever' });
      await controller.remove(scope());
      await controller.remove(scope());
      expect(await controller.find(scope())).toEqual({ kind: 'absent' });
    });

    test("a container that somebody renames is its task's still, and a restarted agent's", async () => {
      const { made, controller, run } = await started({ kind: 'forever' });
      const waiting = controller.wait(scope());
      await h.rename(made.id, `renamed${made.slot}`);
      expect(await controller.find(scope())).toEqual({ kind: 'running', run });
      const known: Task = { ...made, status: { ...made.status, state: 'running' } };
      const later = h.executor().controller(known);
      expect(await later.find(scope())).toEqual({ kind: 'running', run });
      const logged: Task = { ...known, status: { ...known.status, container: run.container } };
      expect(await textsOf(executor.logs(logged, all, scope()))).toEqual([]);
      const exit = await later.shutdown(scope());
      expect(exit?.container.id).toBe(run.container.id);
      expect(await waiting).toEqual(exit);
      await later.remove(scope());
      expect(await controller.find(scope())).toEqual({ kind: 'absent' });
    });

    test('a container that somebody removes ends its wait', async () => {
      const { made, controller } = await started({ kind: 'forever' });
      const waiting = controller.wait(scope());
      await executor.removeOrphan(made.id, scope());
      expect((await waiting).container.exitCode).toBe(137);
    });

    test("a missing image is the task's failure, in the engine's words", async () => {
      const controller = executor.controller(task({ kind: 'forever' }, { Image: 'no-such:7' }));
      const failure = await failureOf(controller.prepare(scope()));
      expect(failure.message).toMatch(/^No such image: no-such:7/);
      expect(failure.retryable).toBe(false);
      expect(await controller.find(scope())).toEqual({ kind: 'absent' });
    });

    test('a container that cannot be started says why', async () => {
      const controller = executor.controller(task({ kind: 'broken' }));
      await controller.prepare(scope());
      const failure = await failureOf(controller.start(scope()));
      expect(failure.message).toMatch(/^starting container failed: .+/);
      expect(failure.retryable).toBe(false);
      expect(await controller.shutdown(scope())).toBeUndefined();
    });

    test('start waits for health; one that falls ill later is stopped and told as such', async () => {
      const { controller, run } = await started({ kind: 'healthy' });
      expect(run.container.pid).toBeGreaterThan(0);
      expect(await controller.shutdown(scope())).toEqual({
        container: { id: run.container.id, pid: 0, exitCode: expect.any(Number) },
      });

      const later = await started({ kind: 'sick later' });
      expect(await later.controller.wait(scope())).toMatchObject({
        // its own signal handler had its say
        container: { exitCode: 0 },
        reason: 'unhealthy container',
      });
    });

    test('who ends in good health is not called unhealthy', async () => {
      const { controller, run } = await started({ kind: 'healthy, exits', code: 3 });
      const exit = { container: { id: run.container.id, pid: 0, exitCode: 3 } };
      expect(await controller.wait(scope())).toEqual(exit);
      expect(await controller.find(scope())).toEqual({ kind: 'exited', exit });
    });

    test('start fails when the container is unhealthy before it was healthy', async () => {
      const controller = executor.controller(task({ kind: 'unhealthy' }));
      await controller.prepare(scope());
      const failure = await failureOf(controller.start(scope()));
      expect(failure.message).toBe('task: exit (0): dockerexec: unhealthy container');
      expect(await controller.find(scope())).toMatchObject({
        kind: 'exited',
        exit: { reason: 'unhealthy container' },
      });
    });

    test('a container killed for its memory is told as such', async () => {
      const { controller } = await started({ kind: 'eats memory' });
      expect(await controller.wait(scope())).toMatchObject({
        container: { exitCode: 137 },
        reason: 'out of memory',
      });
    });

    test('logs: all, the tail, one stream', async () => {
      const lines = ['one', 'two', 'three'];
      const { made, controller } = await started({ kind: 'prints', lines, exits: true });
      await controller.wait(scope());
      const read = (options: Partial<LogOptions>) =>
        textsOf(executor.logs(made, { ...all, ...options }, scope()));
      expect(await read({})).toEqual(lines.map((line) => `stdout ${line}\n`));
      expect(await read({ tail: '2' })).toEqual(['stdout two\n', 'stdout three\n']);
      expect(await read({ tail: '0' })).toEqual([]);
      expect(await read({ stdout: false })).toEqual([]);

      const both = await started({ kind: 'prints to both', lines: ['oh', 'well'] });
      const follow = { ...all, follow: true };
      expect((await textsOf(executor.logs(both.made, follow, scope()))).toSorted()).toEqual([
        'stderr oh\n',
        'stdout well\n',
      ]);
    });

    test('logs follow until the container ends, or until abort', async () => {
      const { made, controller } = await started({
        kind: 'prints',
        lines: ['a', 'b'],
        exits: false,
      });
      const follow = { ...all, follow: true };
      const aborted = new AbortController();
      const first: string[] = [];
      for await (const chunk of executor.logs(made, follow, aborted.signal)) {
        first.push(textOf(chunk));
        if (first.length === 2) aborted.abort();
      }
      expect(first).toEqual(['stdout a\n', 'stdout b\n']);

      const rest = textsOf(executor.logs(made, { ...follow, tail: '1' }, scope()));
      await controller.shutdown(scope());
      expect(await rest).toEqual(['stdout b\n']);
    });

    test('logs of no container are an error', async () => {
      const nothing = executor.logs(task({ kind: 'forever' }), all, scope());
      expect(await failureOf(textsOf(nothing))).toBeInstanceOf(NoContainer);
    });

    test('tasks are told by node; orphans go', async () => {
      const { made } = await started({ kind: 'forever' });
      const created = task({ kind: 'forever' });
      await executor.controller(created).prepare(scope());
      const ids = await executor.taskIds(nodeId, scope());
      expect(ids.toSorted()).toEqual([made.id, created.id].toSorted());
      expect(await executor.taskIds('other'.padEnd(25, '0'), scope())).toEqual([]);
      for (const id of ids) await executor.removeOrphan(id, scope());
      await executor.removeOrphan(made.id, scope());
      expect(await executor.taskIds(nodeId, scope())).toEqual([]);
    });

    test('the node is described', async () => {
      const { hostname, platform, resources, engine } = await executor.describe(scope());
      expect(hostname).not.toBe('');
      expect(platform.os).toBe('linux');
      expect(resources.nanoCpus).toBeGreaterThanOrEqual(1e9);
      expect(resources.memoryBytes).toBeGreaterThan(0);
      expect(engine.version).toMatch(/^\d+\./);
    });

    test('an abort ends a wait and nothing else', async () => {
      const { controller } = await started({ kind: 'forever' });
      const aborted = new AbortController();
      const waiting = failureOf(controller.wait(aborted.signal));
      aborted.abort();
      expect((await waiting).retryable).toBe(true);
      expect((await failureOf(controller.find(aborted.signal))).retryable).toBe(true);
      expect(await controller.find(scope())).toMatchObject({ kind: 'running' });
    });

    test('who asks hears whether the engine answers, and why not', async () => {
      await executor.check(scope());
      await h.down();
      const failure = await failureOf(executor.check(scope()));
      expect(failure.message).toMatch(/^the engine is away/);
      expect(failure.retryable).toBe(true);
      await h.up();
      await executor.ready(scope());
      await executor.check(scope());
    });

    test('an engine that hangs takes questions, and answers them when it goes on', async () => {
      const { controller, run } = await started({ kind: 'forever' });
      await h.hang();
      let answers = 0;
      const asked = [executor.check(scope()), controller.find(scope())].map((question) =>
        question.finally(() => (answers += 1)),
      );
      const impatient = new AbortController();
      const cut = failureOf(executor.check(impatient.signal));
      impatient.abort();
      expect((await cut).retryable).toBe(true);
      expect(answers).toBe(0);
      await h.resume();
      expect(await Promise.all(asked)).toEqual([undefined, { kind: 'running', run }]);
      await executor.ready(scope());
    });

    test('while the engine is away calls are to be repeated, and waits go on', async () => {
      const { made, controller, run } = await started({ kind: 'forever' });
      const other = await started({ kind: 'signalled', code: 6 }, { StopSignal: 'SIGUSR1' });
      const waiting = controller.wait(scope());
      const ending = other.controller.wait(scope());
      await h.down();
      expect((await failureOf(controller.find(scope()))).retryable).toBe(true);
      expect((await failureOf(controller.shutdown(scope()))).retryable).toBe(true);
      const created = executor.controller(task({ kind: 'forever' }));
      expect((await failureOf(created.prepare(scope()))).retryable).toBe(true);
      const ready = executor.ready(scope());
      await h.up();
      await ready;
      expect(await executor.controller(made).find(scope())).toEqual({ kind: 'running', run });
      await other.controller.shutdown(scope());
      expect((await ending).container.exitCode).toBe(6);
      await created.prepare(scope());
      await created.start(scope());
      const exit = await controller.shutdown(scope());
      expect(exit).toEqual(await waiting);
    });

    test('after a reboot containers have ended and stay so', async () => {
      const { made, controller } = await started({ kind: 'forever' });
      const waiting = controller.wait(scope());
      await h.reboot();
      await executor.ready(scope());
      const exit = await waiting;
      expect(exit.container.exitCode).not.toBe(0);
      const again = h.executor().controller(made);
      expect(await again.find(scope())).toEqual({ kind: 'exited', exit });
      expect((await again.start(scope())).container.pid).toBe(0);
    });
  });
}

async function failureOf(work: Promise<unknown>): Promise<EngineError> {
  const outcome = await work.then(
    (value) => ({ value }),
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(EngineError);
  return outcome as EngineError;
}

const textOf = ({ stream, data }: LogChunk): string =>
  `${stream} ${new TextDecoder().decode(data)}`;

async function textsOf(chunks: AsyncIterable<LogChunk>): Promise<string[]> {
  const texts: string[] = [];
  for await (const chunk of chunks) texts.push(textOf(chunk));
  return texts;
}
