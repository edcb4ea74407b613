import { expect, test } from '@jest/globals';
import { framesOf, rawLinesOf, readLogs } from '../../../../actors/agent/adapters/docker-logs.ts';
import { type LogChunk, type LogOptions, EngineError } from '../../../../actors/agent/ports.ts';
import { limits } from '../../../../domain/limits.ts';
import { bytes, ScriptedClient } from './builders.ts';

function frame(kind: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = kind;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}
async function collect(chunks: AsyncIterable<LogChunk>): Promise<string[]> {
  const texts: string[] = [];
  for await (const { stream, data } of chunks)
    texts.push(`${stream}:${Buffer.from(data).toString()}`);
  return texts;
}

test('frames come whole however they were cut', async () => {
  const all = Buffer.concat([frame(1, 'a\n'), frame(2, 'bb\n'), frame(1, ''), frame(1, 'ccc\n')]);
  for (const size of [1, 3, 8, 11, all.length]) {
    const parts = Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
      all.subarray(i * size, (i + 1) * size),
    );
    expect(await collect(framesOf(bytes(...parts)))).toEqual([
      'stdout:a\n',
      'stderr:bb\n',
      'stdout:',
      'stdout:ccc\n',
    ]);
  }
});

test("the engine's own error ends the log", async () => {
  const broken = framesOf(bytes(frame(1, 'a\n'), frame(3, 'Error grabbing logs: x\n')));
  await expect(collect(broken)).rejects.toThrow(new EngineError('Error grabbing logs: x', false));
});

test('a frame beyond the limit is refused before it is held', async () => {
  const header = Buffer.from([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
  await expect(collect(framesOf(bytes(header)))).rejects.toThrow(/too large/);
});

test("a terminal's output is cut into lines; the last may have no newline", async () => {
  expect(await collect(rawLinesOf(bytes('a\nb', 'c\n\nd')))).toEqual([
    'stdout:a\n',
    'stdout:bc\n',
    'stdout:\n',
    'stdout:d',
  ]);
  const long = 'x'.repeat(limits.logFrameBytesMax);
  expect((await collect(rawLinesOf(bytes(long, 'y')))).map((t) => t.length)).toEqual([
    long.length + 7,
    8,
  ]);
});

test('options go to the engine as they are; the answer tells what it is', async () => {
  const options: LogOptions = {
    stdout: true,
    stderr: false,
    follow: false,
    timestamps: true,
    details: true,
    since: '12.5',
    tail: '3',
  };
  const client = new ScriptedClient().on('GET logs', {
    headers: {},
    [Symbol.asyncIterator]: () => bytes('raw\n'),
  });
  const { signal } = new AbortController();
  expect(await collect(readLogs(client, '/containers/c', options, signal))).toEqual([
    'stdout:raw\n',
  ]);
  expect(client.seen[0]).toMatchObject({ path: '/containers/c/logs', query: options });
});
