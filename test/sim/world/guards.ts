import type { Controller, Executor } from '../../../actors/agent/ports.ts';
import type { StateLog } from '../../../bus/ports.ts';
import type { SimProcess } from './process.ts';

/** The log as one incarnation of a manager sees it: what it asked for may happen after its death, unseen. */
export function guardLog(log: StateLog, process: SimProcess): StateLog {
  return {
    append: (expectedLast, data) => process.guard(log.append(expectedLast, data)),
    read: (from, max) => process.guard(log.read(from, max)),
    confirm: (seq) => process.guard(log.confirm(seq)),
    bounds: () => process.guard(log.bounds()),
    purge: (seq) => process.guard(log.purge(seq)),
    tail: (listener) => {
      const off = log.tail((record) => process.take(() => listener(record)));
      process.onDeath(off);
      return off;
    },
  };
}

/** The engine as one incarnation of a daemon sees it: the call that it is at when it dies goes on, unseen. */
export function guardExecutor(executor: Executor, process: SimProcess): Executor {
  return {
    describe: (scope) => process.guardWork(scope, (own) => executor.describe(own)),
    controller: (task) => guardController(executor.controller(task), process),
    taskIds: (nodeId, scope) => process.guardWork(scope, (own) => executor.taskIds(nodeId, own)),
    removeOrphan: (taskId, scope) =>
      process.guardWork(scope, (own) => executor.removeOrphan(taskId, own)),
    logs: (task, options, scope) => executor.logs(task, options, scope),
    check: (scope) => process.guardWork(scope, (own) => executor.check(own)),
    ready: (scope) => process.guardWork(scope, (own) => executor.ready(own)),
  };
}

const guardController = (controller: Controller, process: SimProcess): Controller => ({
  find: (scope) => process.guardWork(scope, (own) => controller.find(own)),
  prepare: (scope) => process.guardWork(scope, (own) => controller.prepare(own)),
  start: (scope) => process.guardWork(scope, (own) => controller.start(own)),
  wait: (scope) => process.guardWork(scope, (own) => controller.wait(own)),
  shutdown: (scope) => process.guardWork(scope, (own) => controller.shutdown(own)),
  remove: (scope) => process.guardWork(scope, (own) => controller.remove(own)),
});
