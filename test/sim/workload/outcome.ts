import type { Manager } from '../../../actors/manager/manager.ts';
import { lostLeadership, noAnswer } from '../../../actors/manager/faults.ts';
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

/** The state as a question to this daemon's API shows it; undefined where it was not answered. */
export function read(manager: Manager, process: SimProcess): Promise<View | undefined> {
  return new Promise((resolve) => {
    process.onDeath(() => resolve(undefined));
    process.guard(manager.read()).then(resolve, () => resolve(undefined));
  });
}

/** With these texts nobody knows what became of the command; every other fault says that nothing was done. */
const unknownTexts: readonly string[] = [lostLeadership().message, noAnswer().message];

function outcomeOf(error: unknown): Outcome {
  const message = error instanceof Error ? error.message : String(error);
  const refused = error instanceof Fault && !unknownTexts.includes(error.message);
  return { kind: refused ? 'refused' : 'unknown', message };
}
