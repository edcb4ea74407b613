import type { Manager } from '../../../actors/manager/manager.ts';
import type { Bus, BusError } from '../../../bus/ports.ts';
import type { CommandReply } from '../../../bus/protocol.ts';
import { subjects } from '../../../bus/subjects.ts';
import { Fault } from '../../../domain/errors.ts';
import type { View } from '../../../domain/store/view.ts';
import type { Outcome } from '../check/acknowledged.ts';
import type { SimProcess } from '../world/process.ts';

/** A command as a client of this daemon's API sees it: a daemon that dies breaks the connection. */
export function command(
  manager: Manager,
  process: SimProcess,
  name: string,
  body: unknown,
): Promise<Outcome> {
  return new Promise((resolve) => {
    process.onDeath(() => resolve({ kind: 'unknown', message: 'the daemon died' }));
    process.guard(manager.command(name, body)).then(
      ({ index, result }) => resolve({ kind: 'acknowledged', index, result }),
      (error: unknown) => resolve(outcomeOf(error)),
    );
  });
}

const busPatienceMs = 8_000;

/** A command as another program on the bus sees it. */
export async function overBus(bus: Bus, name: string, body: object): Promise<Outcome> {
  try {
    const answer = await bus.request(subjects.command(name), body, busPatienceMs);
    const reply = answer as CommandReply;
    if (reply.ok) return { kind: 'acknowledged', index: reply.index, result: reply.result };
    const { message, reason } = reply.error;
    // Another leader may have taken it too: what one did not do says nothing.
    return { kind: reason === undefined ? 'refused' : 'unknown', message };
  } catch (error) {
    const { code, message } = error as BusError;
    return { kind: code === 'no-responder' ? 'refused' : 'unknown', message };
  }
}

/** The state as a question to this daemon's API shows it; undefined where it was not answered. */
export function read(manager: Manager, process: SimProcess): Promise<View | undefined> {
  return new Promise((resolve) => {
    process.onDeath(() => resolve(undefined));
    process.guard(manager.read()).then(resolve, () => resolve(undefined));
  });
}

function outcomeOf(error: unknown): Outcome {
  const message = error instanceof Error ? error.message : String(error);
  // of these nobody knows what became of the command; every other fault says that nothing was done
  const refused =
    error instanceof Fault &&
    error.reason !== 'lost-leadership' &&
    error.code !== 'DeadlineExceeded';
  return { kind: refused ? 'refused' : 'unknown', message };
}
