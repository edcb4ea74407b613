import { expect, test } from '@jest/globals';
import { chunksIn, frame, frameOf } from '../../../domain/logs/frames.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const joined = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts));

test('frames carry stream and length', () => {
  expect([...frame(2, bytes('ab\n'))]).toEqual([2, 0, 0, 0, 0, 0, 0, 3, 97, 98, 10]);
});

test('what was put into frames comes out of them', () => {
  const chunks = [
    { stream: 'stdout', data: bytes('one\n') },
    { stream: 'stderr', data: bytes('') },
    { stream: 'stdout', data: bytes('x'.repeat(70_000)) },
  ] as const;
  expect(chunksIn(joined(...chunks.map(frameOf)))).toEqual(chunks);
  expect(chunksIn(new Uint8Array())).toEqual([]);
});

test.each([
  ['half a head', joined(frame(1, bytes('a')), new Uint8Array(7))],
  ['half a line', frame(1, bytes('abc')).subarray(0, 10)],
  ['an error frame', frame(3, bytes('error'))],
  ['an unknown stream', new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0])],
  ['a length beyond everything', new Uint8Array([1, 0, 0, 0, 255, 255, 255, 255, 97])],
])('%s is no log', (_, frames) => {
  expect(chunksIn(frames)).toBeUndefined();
});
