import type { Manager } from '../../../actors/manager/manager.ts';
import { Fault, noLeaderText } from '../../../domain/errors.ts';
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

/** Without a leader nobody knows what became of the command; every other fault says that nothing was done. */
function outcomeOf(error: unknown): Outcome {
  const message = error instanceof Error ? error.message : String(error);
  const refused = error instanceof Fault && error.message !== noLeaderText;
  return { kind: refused ? 'refused' : 'unknown', message };
}
