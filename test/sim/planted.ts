import { TermGate } from '../../actors/agent/term-gate.ts';
import type { Controller, Executor } from '../../actors/agent/ports.ts';
import {
  Committer,
  type Committed,
  type Decide,
  type Decision,
} from '../../actors/manager/committer.ts';
import type { StateLog } from '../../bus/ports.ts';
import type { Command } from '../../domain/commands/command.ts';
import { commands } from '../../domain/commands/mod.ts';
import { patchNode } from '../../domain/store/changes.ts';
import type { View } from '../../domain/store/view.ts';
import type { SimHooks } from './run.ts';

const withAppend = (log: StateLog, append: StateLog['append']): StateLog => ({
  append,
  read: (from, max) => log.read(from, max),
  confirm: (seq) => log.confirm(seq),
  bounds: () => log.bounds(),
  tail: (listener) => log.tail(listener),
  purge: (seq) => log.purge(seq),
});

const withController = (
  executor: Executor,
  change: (controller: Controller) => Partial<Controller>,
): Executor => ({
  describe: (scope) => executor.describe(scope),
  taskIds: (nodeId, scope) => executor.taskIds(nodeId, scope),
  removeOrphan: (taskId, scope) => executor.removeOrphan(taskId, scope),
  logs: (task, options, scope) => executor.logs(task, options, scope),
  check: (scope) => executor.check(scope),
  ready: (scope) => executor.ready(scope),
  controller: (task) => {
    const controller = executor.controller(task);
    return {
      find: (scope) => controller.find(scope),
      prepare: (scope) => controller.prepare(scope),
      start: (scope) => controller.start(scope),
      wait: (scope) => controller.wait(scope),
      shutdown: (scope) => controller.shutdown(scope),
      remove: (scope) => controller.remove(scope),
      ...change(controller),
    };
  },
});

/** Answers how to undo it. */
function replaceMethods<T extends object>(prototype: T, methods: Partial<T>): () => void {
  const before = Object.getOwnPropertyDescriptors(prototype);
  Object.assign(prototype, methods);
  return () => void Object.defineProperties(prototype, before);
}

/** A bug of another world (`handover/`): a generation's journal is not synced before a manager goes over to it. */
export const unsyncedSwitch = 'unsynced-switch';

/** Bugs put in on purpose, to see that the checks find them. */
export const plantedBugs: Readonly<Record<string, SimHooks>> = {
  /** The manager takes a record for written as soon as it is sent. */
  'acknowledge-before-commit': {
    wrapLog: (log) =>
      withAppend(log, (expectedLast, data) => {
        void log.append(expectedLast, data);
        return Promise.resolve({ kind: 'committed', seq: expectedLast + 1 });
      }),
  },
  /** The manager writes behind whatever is the log's end, as if nobody else could have written. */
  'no-cas': {
    wrapLog: (log) =>
      withAppend(log, async (expectedLast, data) => {
        const { last } = await log.bounds().catch(() => ({ last: expectedLast }));
        return log.append(last, data);
      }),
  },
  /** The agent obeys whoever speaks to it. */
  'no-epoch-check': {
    plant: () => replaceMethods(TermGate.prototype, { isStale: () => false, isNew: () => true }),
  },
  /** The agent runs a task's container a second time. */
  'start-twice': {
    wrapExecutor: (executor) =>
      withController(executor, (controller) => ({
        start: async (scope) => {
          await controller.start(scope);
          await controller.remove(scope);
          await controller.prepare(scope);
          return controller.start(scope);
        },
      })),
  },
  /** The agent takes its engine for well whatever it says. */
  'engine-unnoticed': {
    wrapExecutor: (executor) => ({
      ...withController(executor, () => ({})),
      check: () => Promise.resolve(),
    }),
  },
  /** With whatever the leader decides it lets a task run again that has ended. */
  'resurrected-task': { plant: () => meddle(resurrectOne) },
  /** A manager that asks for a certificate has the key pinned that it asks for, and no other. */
  'dropped-pin': {
    plant: () =>
      replaceMethods(commands as Record<string, Command>, {
        'node.pin': {
          decide: (_view, _ctx, body) => {
            const { nodeId, pin } = body as { nodeId: string; pin: string };
            const change = {
              op: 'patch',
              kind: 'node',
              id: nodeId,
              fields: { pins: [pin] },
            } as const;
            return { changes: [change], result: {} };
          },
        },
      }),
  },
  /** A node that asks for a certificate is known by the key that it asks for, and no more by the one that it uses. */
  'dropped-key': {
    plant: () =>
      replaceMethods(commands as Record<string, Command>, {
        'node.pin': {
          decide: (_view, _ctx, body) => {
            const { nodeId, key } = body as { nodeId: string; key: string };
            return { changes: [patchNode(nodeId, { keys: [{ key, seenAt: 0 }] })], result: {} };
          },
        },
      }),
  },
  /** Whatever is changed of a node, one of the tasks that run there is replaced. */
  'needless-replacement': { plant: () => meddle(replaceOne) },
};

/** Changes what the leader decides. */
function meddle(change: <T>(view: View, decision: Decision<T>) => Decision<T>): () => void {
  const propose = Object.getOwnPropertyDescriptor(Committer.prototype, 'propose')
    ?.value as Committer['propose'];
  return replaceMethods(Committer.prototype, {
    propose<T>(this: Committer, decide: Decide<T>, id?: string) {
      const meddled: Decide<T> = (view, ctx) => change(view, decide(view, ctx));
      return propose.call(this, meddled, id) as Promise<Committed<T>>;
    },
  });
}

function replaceOne<T>(view: View, decision: Decision<T>): Decision<T> {
  const { changes } = decision;
  const changed = changes.find((c) => c.op === 'patch' && c.kind === 'node' && 'spec' in c.fields);
  if (changed?.op !== 'patch') return decision;
  const task = [...view.tasksOfNode(changed.id)].find(
    ({ status, desired }) => status.state === 'running' && desired === 'running',
  );
  if (task === undefined) return decision;
  const fields = { desired: 'shutdown' } as const;
  return { ...decision, changes: [...changes, { op: 'patch', kind: 'task', id: task.id, fields }] };
}

function resurrectOne<T>(view: View, decision: Decision<T>): Decision<T> {
  const touched = new Set(decision.changes.map((change) => ('id' in change ? change.id : '')));
  const ended = [...view.list('task')].find(
    ({ id, status }) => status.state === 'complete' && !touched.has(id),
  );
  if (ended === undefined || decision.changes.length === 0) return decision;
  const status = { ...ended.status, state: 'running' } as const;
  return {
    ...decision,
    changes: [...decision.changes, { op: 'patch', kind: 'task', id: ended.id, fields: { status } }],
  };
}
