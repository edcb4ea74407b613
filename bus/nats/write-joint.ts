import { nextTick } from 'node:process';
import type { Writable } from 'node:stream';

/**
 * Makes one write of all that one turn of the event loop writes to a socket. The client library writes after each microtask
 * that has published something, and each write is a TLS record, a system call, and a read at the server.
 */
export function joinWrites(socket: Pick<Writable, 'cork' | 'uncork' | 'write'>): void {
  const write = socket.write.bind(socket);
  let isCorked = false;
  const uncork = (): void => {
    isCorked = false;
    socket.uncork();
  };
  Object.assign(socket, {
    write: (...args: Parameters<typeof write>): boolean => {
      if (!isCorked) {
        isCorked = true;
        socket.cork();
        nextTick(uncork); // after all microtasks that are due
      }
      return write(...args);
    },
  });
}
