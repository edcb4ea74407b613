import { subjects } from '../../bus/subjects.ts';
import { pause } from '../../supervisors/clock.ts';
import { backoffMs } from './backoff.ts';
import { asStatusReply } from './bodies.ts';
import type { ReporterPorts } from './reporter.ts';
import { shortErrorText } from './task-status.ts';

/** How long the leader has for the commit before it is asked again, and for how long it is asked, ms. */
const patienceMs = { answer: 1_500, whole: 5_000 } as const;

/**
 * Tells the leader that the node leaves, again until it has written that down: nobody hears it between two leaders, and while a
 * dispatcher is started again. A node of which nobody has heard it is found out by its silence. Never rejects.
 */
export async function sayLeave({ bus, nodeId, clock, random, log }: ReporterPorts): Promise<void> {
  const until = clock.now() + patienceMs.whole;
  const unended = new AbortController().signal;
  for (let failures = 1; ; failures++) {
    let error: unknown;
    try {
      const answer = await bus.request(subjects.agent(nodeId, 'leave'), {}, patienceMs.answer);
      const reply = asStatusReply(answer);
      if (reply?.ok === true) return;
      error = reply === undefined ? 'unknown answer' : reply.error.message;
    } catch (thrown) {
      error = thrown;
    }
    const waitMs = backoffMs(failures, random());
    if (clock.now() + waitMs >= until)
      return log('leave_not_taken', { error: shortErrorText(error) }, 'warn');
    await pause(clock, waitMs, unended);
  }
}
