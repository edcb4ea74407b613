import type { LogOptions } from '../../actors/agent/ports.ts';
import { errorText } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { HttpError } from '../errors.ts';
import { parseTimestamp, type Query } from '../query.ts';

/** Throws when no stream is asked for; Docker checks this before anything else. */
export function checkStreams(query: Query): void {
  if (!query.flag('stdout') && !query.flag('stderr'))
    throw new HttpError(500, 'Bad parameters: you must choose at least one stream');
}

/** Throws `HttpError`s with Docker's texts. */
export const logOptionsOf = (query: Query): LogOptions => ({
  stdout: query.flag('stdout'),
  stderr: query.flag('stderr'),
  follow: query.flag('follow'),
  timestamps: query.flag('timestamps'),
  details: query.flag('details'),
  tail: tailOf(query.get('tail')),
  since: sinceOf(query.get('since')),
});

function tailOf(text: string): string {
  if (text === '' || text === 'all') return 'all';
  if (!/^[+-]?[0-9]+$/.test(text))
    throw new HttpError(500, 'tail value must be a positive integer or "all"');
  const lines = Number(text);
  if (lines < 0) throw new HttpError(500, 'negative tail values not supported');
  return String(Math.min(lines, limits.logTailLinesMax));
}

function sinceOf(text: string): string {
  try {
    parseTimestamp(text);
  } catch (error) {
    throw new HttpError(500, `could not parse since timestamp: ${errorText(error)}`);
  }
  return text;
}
