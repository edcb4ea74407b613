import { Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { joinWrites } from '../../../bus/nats/write-joint.ts';

/** A socket, and what each of its system calls would have taken. */
function recorded() {
  const writes: string[] = [];
  const socket = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      writes.push(chunk.toString());
      done();
    },
    writev: (chunks: { readonly chunk: Buffer }[], done) => {
      writes.push(chunks.map(({ chunk }) => chunk.toString()).join(''));
      done();
    },
  });
  joinWrites(socket);
  return { socket, writes };
}

test('what one turn of the event loop writes, whatever microtask, is one write', async () => {
  const { socket, writes } = recorded();
  socket.write('a');
  await Promise.resolve();
  socket.write('b');
  await Promise.resolve();
  socket.write('c');
  await turn();
  expect(writes).toEqual(['abc']);
  socket.write('d');
  await turn();
  socket.write('e');
  await turn();
  expect(writes).toEqual(['abc', 'd', 'e']);
});

test('nothing is lost when the socket is ended in the same turn', async () => {
  const { socket, writes } = recorded();
  const told: string[] = [];
  socket.write('a', () => told.push('a'));
  socket.write('b', () => told.push('b'));
  await new Promise<void>((resolve) => socket.end(resolve));
  await turn();
  expect(writes).toEqual(['ab']);
  expect(told).toEqual(['a', 'b']);
});
