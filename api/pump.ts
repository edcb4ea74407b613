import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { limits } from '../domain/limits.ts';

/** Writes, and calls `sent` when the last of it has gone to the system. */
export type Write = (data: Buffer, sent: () => void) => void;

/**
 * What is read goes to `to` in one buffer that is used again and again; where `to` is behind, `from` waits. Sockets that
 * make a new buffer for each read keep the garbage collector busy, the more the larger the state of the swarm is.
 */
export function pump(
  from: () => Socket,
  to: () => Socket,
  write: Write = (data, sent) => void to().write(data, sent),
): OnReadOpts & { readonly send: (data: Buffer) => boolean } {
  const buffer = Buffer.allocUnsafeSlow(limits.pumpBufferBytes);
  const resume = (): void => void from().resume();
  const send = (data: Buffer): boolean => {
    write(data, resume);
    // the buffer is free again when all of it has gone to the system
    return to().destroyed || to().writableLength === 0;
  };
  return { buffer, callback: (size) => send(buffer.subarray(0, size)), send };
}

/** The connection itself, which Node's types do not tell of. */
interface Holder {
  _handle: object | null;
}

/**
 * The same connection, read with `onread`: Node takes that for connections that it makes, but not for those of a server.
 * The socket of before stands for it towards its server: each ends with the other. Nothing may be in its buffer.
 */
export function reread(socket: Socket, onread: OnReadOpts): Socket {
  const holder = socket as unknown as Holder;
  const handle = holder._handle;
  holder._handle = null;
  const options = { handle, onread, allowHalfOpen: true, highWaterMark: limits.streamBufferBytes };
  const bare = new Socket(options as SocketConstructorOpts);
  bare.on('close', () => socket.destroy());
  socket.on('close', () => bare.destroy());
  return bare;
}
