import { TaskLogs } from '../actors/manager/task-logs.ts';
import type { LogAsk } from '../bus/log-bodies.ts';
import { BusError } from '../bus/ports.ts';
import { subjects } from '../bus/subjects.ts';
import { systemClock } from '../supervisors/clock.ts';
import type { NodeParts } from './node-parts.ts';
import { newId } from './wiring.ts';

/** The logs of all tasks: this node's from its own agent, the others' over the bus of the manager that runs just now. */
export function taskLogsOf(
  parts: Pick<NodeParts, 'agent' | 'running'>,
  ownNodeId: () => string | undefined,
): TaskLogs {
  const ask = async (nodeId: string, body: LogAsk, timeoutMs: number): Promise<unknown> => {
    const { agent, running } = parts;
    if (nodeId === ownNodeId() && agent !== undefined) return agent.askLogs(body);
    if (running.current === undefined) throw new BusError('disconnected', 'no manager runs');
    return running.current.bus.request(subjects.node(nodeId, 'logs'), body, timeoutMs);
  };
  return new TaskLogs({
    ask,
    tell: (nodeId, body) => {
      if (nodeId === ownNodeId()) void parts.agent?.askLogs(body);
      else parts.running.current?.bus.publish(subjects.node(nodeId, 'logs'), body);
    },
    view: () => parts.running.current?.view(),
    clock: systemClock,
    random: Math.random,
    newId,
  });
}
