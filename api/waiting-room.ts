import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Keeps at most `max` connections of a server. When one more comes, the one goes that has waited longest without having
 * said all that it wants: whoever holds connections open and says nothing, or says it slowly, keeps nobody out. When
 * all are being answered, the new one goes.
 */
export function boundConnections(server: Server, max: number): void {
  /** Oldest first, by the peer's address and port: TLS and HTTP have other objects for the same connection. */
  const waiting = new Map<string, Socket>();
  let count = 0;
  server.on('connection', (socket: Socket) => {
    const key = peerOf(socket);
    count += 1;
    waiting.set(key, socket);
    socket.once('close', () => {
      count -= 1;
      if (waiting.get(key) === socket) waiting.delete(key);
    });
    if (count <= max) return;
    const [[oldest, longest] = [key, socket]] = waiting;
    waiting.delete(oldest);
    longest.destroy();
  });
  server.prependListener('request', (req: IncomingMessage) => {
    const isHeard = (): void => void waiting.delete(peerOf(req.socket));
    if (req.method === 'GET') isHeard();
    else req.once('end', isHeard);
  });
}

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
