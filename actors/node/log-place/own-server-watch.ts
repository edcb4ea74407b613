import type { LogGroup } from '../../../bus/ports.ts';
import { lacksCopy } from '../../../domain/members/plan.ts';
import { type Clock, pause } from '../../../supervisors/clock.ts';

/** How often the log's servers are asked for a copy that is being made, ms. */
const copyEveryMs = 300;

/** Resolves when the log has a copy on this manager's server that is up to date. Rejects when the scope ends.
 * @param told hears what it waits for, and '' in the end */
export async function untilCopied(
  group: Pick<LogGroup, 'survey'>,
  nodeId: string,
  clock: Clock,
  scope: AbortSignal,
  told: (why: string) => void = () => undefined,
): Promise<void> {
  for (;;) {
    const why = await group.survey().then(
      (survey) => lacksCopy(survey, nodeId),
      () => "the log's servers do not answer",
    );
    scope.throwIfAborted();
    told(why);
    if (why === '') return;
    await pause(clock, copyEveryMs, scope);
    scope.throwIfAborted();
  }
}

/** How often a manager looks whether its server is in the group, and how long it must not have been there, ms. A leader of the
 * servers that has lost the others, and so may not have heard of this one, gives up within half of that time. */
const forgottenMs = { look: 5_000, whole: 20_000 } as const;

/**
 * Resolves when the log's servers have gone on without this manager's for long, although it runs and hears them: they
 * took it out while it was away. Nobody tells it so, and by its name it is not let in again for minutes. Rejects when
 * the scope ends.
 */
export async function untilForgotten(
  group: Pick<LogGroup, 'isMember'>,
  clock: Clock,
  scope: AbortSignal,
): Promise<void> {
  let since: number | undefined;
  for (;;) {
    const isOut = await group.isMember().then(
      (isMember) => !isMember,
      () => false,
    );
    scope.throwIfAborted();
    since = isOut ? (since ?? clock.now()) : undefined;
    if (since !== undefined && clock.now() - since >= forgottenMs.whole) return;
    await pause(clock, forgottenMs.look, scope);
    scope.throwIfAborted();
  }
}
