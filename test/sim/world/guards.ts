import type { Controller, Executor } from '../../../actors/agent/ports.ts';
import type { StateLog } from '../../../bus/ports.ts';
import type { SimProcess } from './process.ts';

/** The log as one incarnation of a manager sees it: what it asked for may happen after its death, unseen. */
export function guardLog(log: StateLog, process: SimProcess): StateLog {
  return {
    append: (expectedLast, data) => process.guard(log.append(expectedLast, data)),
    read: (from, max) => process.guard(log.read(from, max)),
    bounds: () => process.guard(log.bounds()),
    purge: (seq) => process.guard(log.purge(seq)),
    tail: (listener) => {
      const off = log.tail((record) => process.take(() => listener(record)));
      process.onDeath(off);
      return off;
    },
  };
}

/** The engine as one incarnation of a daemon sees it: what it asked for goes on after its death, unseen. */
export function guardExecutor(executor: Executor, process: SimProcess): Executor {
  return {
    describe: (scope) => process.guard(executor.describe(scope)),
    controller: (task) => guardController(executor.controller(task), process),
    taskIds: (nodeId, scope) => process.guard(executor.taskIds(nodeId, scope)),
    removeOrphan: (taskId, scope) => process.guard(executor.removeOrphan(taskId, scope)),
    logs: (task, options, scope) => executor.logs(task, options, scope),
    ready: (scope) => process.guard(executor.ready(scope)),
  };
}

const guardController = (controller: Controller, process: SimProcess): Controller => ({
  find: (scope) => process.guard(controller.find(scope)),
  prepare: (scope) => process.guard(controller.prepare(scope)),
  start: (scope) => process.guard(controller.start(scope)),
  wait: (scope) => process.guard(controller.wait(scope)),
  shutdown: (scope) => process.guard(controller.shutdown(scope)),
  remove: (scope) => process.guard(controller.remove(scope)),
});
