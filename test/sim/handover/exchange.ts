import type { Direction } from '../world/mishaps.ts';
import type { HandoverWorld } from './world.ts';

/**
 * A question between two machines that goes over no bus, and its answer: each may be lost, or late past the limit.
 * Rejects when no answer has come within it. A request that must not come late is lost instead.
 */
export function exchange<T>(
  { mishaps, clock }: Pick<HandoverWorld, 'mishaps' | 'clock'>,
  operation: string,
  limitMs: number,
  act: () => Promise<T>,
  { isRequestLate = true }: { readonly isRequestLate?: boolean } = {},
): Promise<T> {
  if (mishaps.rate === 0) return act();
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => reject(new Error(`${operation}: no answer`)), limitMs);
    const pass = (direction: Direction, go: () => void): void => {
      const fate = mishaps.draw(operation, direction);
      const isLate = fate === 'late' && (isRequestLate || direction === 'answer');
      if (isLate) clock.setTimeout(go, mishaps.lateMs(limitMs));
      else if (fate === undefined) go();
    };
    const answer = (end: () => void): void =>
      pass('answer', () => {
        clock.clearTimeout(timer);
        end();
      });
    pass('request', () => {
      act().then(
        (value) => answer(() => resolve(value)),
        (error: unknown) => answer(() => reject(error as Error)),
      );
    });
  });
}
