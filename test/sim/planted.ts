import type { SimHooks } from './run.ts';

/** Bugs put in on purpose, to see that the checks find them. */
export const plantedBugs: Readonly<Record<string, SimHooks>> = {
  /** The manager takes a record for written as soon as it is sent. */
  'acknowledge-before-commit': {
    wrapLog: (log) => ({
      append: (expectedLast, data) => {
        void log.append(expectedLast, data);
        return Promise.resolve({ kind: 'committed', seq: expectedLast + 1 });
      },
      read: (from, max) => log.read(from, max),
      bounds: () => log.bounds(),
      tail: (listener) => log.tail(listener),
      purge: (seq) => log.purge(seq),
    }),
  },
  /** The agent runs a task's container a second time. */
  'start-twice': {
    wrapExecutor: (executor) => ({
      describe: (scope) => executor.describe(scope),
      taskIds: (nodeId, scope) => executor.taskIds(nodeId, scope),
      removeOrphan: (taskId, scope) => executor.removeOrphan(taskId, scope),
      logs: (task, options, scope) => executor.logs(task, options, scope),
      ready: (scope) => executor.ready(scope),
      controller: (task) => {
        const controller = executor.controller(task);
        return {
          find: (scope) => controller.find(scope),
          prepare: (scope) => controller.prepare(scope),
          start: async (scope) => {
            await controller.start(scope);
            await controller.remove(scope);
            await controller.prepare(scope);
            return controller.start(scope);
          },
          wait: (scope) => controller.wait(scope),
          shutdown: (scope) => controller.shutdown(scope),
          remove: (scope) => controller.remove(scope),
        };
      },
    }),
  },
};
