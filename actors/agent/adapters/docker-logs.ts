import { limits } from '../../../domain/limits.ts';
import { EngineError, type LogChunk, type LogOptions, NoContainer } from '../ports.ts';
import type { Client, Stream } from './docker-client.ts';
import { engineError, hasStatus } from './docker-errors.ts';

const headerBytes = 8;
const newline = 10;
const multiplexed = 'application/vnd.docker.multiplexed-stream';

/**
 * A container's log. Ends when the log ends or, without an error, at abort; an engine that dies ends it with a
 * retryable `EngineError`.
 */
export async function* readLogs(
  client: Client,
  path: string,
  options: LogOptions,
  scope: AbortSignal,
): AsyncGenerator<LogChunk> {
  const { stdout, stderr, follow, timestamps, details, since, tail } = options;
  const query = { stdout, stderr, follow, timestamps, details, since, tail };
  try {
    const stream = await client.open({ path: `${path}/logs`, query, scope });
    yield* chunksOf(stream);
  } catch (error) {
    if (scope.aborted) return;
    throw hasStatus(error, 404) ? new NoContainer(path) : engineError(error);
  }
}

/** Without a terminal the engine sends frames of both streams, with one it sends the bare output. */
const chunksOf = (stream: Stream): AsyncGenerator<LogChunk> =>
  stream.headers['content-type'] === multiplexed ? framesOf(stream) : rawLinesOf(stream);

/** Frames of `[stream, 0, 0, 0, size as 4 bytes big-endian]` and that many bytes: a line, or part of a long one. */
export async function* framesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<LogChunk> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const bytes of stream) {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    while (rest.length >= headerBytes) {
      const end = headerBytes + rest.readUInt32BE(4);
      if (end > limits.logFrameBytesMax)
        throw new EngineError('the engine sent a log frame that is too large', false);
      if (rest.length < end) break;
      yield chunkOf(rest[0] ?? 0, rest.subarray(headerBytes, end));
      rest = rest.subarray(end);
    }
  }
}

function chunkOf(kind: number, data: Buffer): LogChunk {
  // 3: the engine's own error, sent when the answer's status has long gone out
  if (kind === 3) throw new EngineError(data.toString().trim(), false);
  return { stream: kind === 2 ? 'stderr' : 'stdout', data };
}

/** A terminal's output line by line; a longer piece than `logFrameBytesMax` is handed on as it is. */
export async function* rawLinesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<LogChunk> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const bytes of stream) {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    for (let end = rest.indexOf(newline); end >= 0; end = rest.indexOf(newline)) {
      yield { stream: 'stdout', data: rest.subarray(0, end + 1) };
      rest = rest.subarray(end + 1);
    }
    if (rest.length < limits.logFrameBytesMax) continue;
    yield { stream: 'stdout', data: rest };
    rest = Buffer.alloc(0);
  }
  if (rest.length > 0) yield { stream: 'stdout', data: rest };
}
