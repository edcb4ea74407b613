import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Keeps at most `max` connections of a server. When one more comes, the one goes that has waited longest without having
 * said all that it wants: whoever holds connections open and says nothing, or says it slowly, keeps nobody out. When
 * all are being answered, the new one goes.
 * @returns ends every connection; Node's own function for that leaves out those whose TLS handshake is not done
 */
export function boundConnections(server: Server, max: number): () => void {
  /** Oldest first, by the peer's address and port: TLS and HTTP have other objects for the same connection. */
  const waiting = new Map<string, Socket>();
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    const key = peerOf(socket);
    open.add(socket);
    waiting.set(key, socket);
    socket.once('close', () => {
      open.delete(socket);
      if (waiting.get(key) === socket) waiting.delete(key);
    });
    if (open.size <= max) return;
    const [[oldest, longest] = [key, socket]] = waiting;
    waiting.delete(oldest);
    longest.destroy();
  });
  server.prependListener('request', (req: IncomingMessage) => {
    const isHeard = (): void => void waiting.delete(peerOf(req.socket));
    if (req.method === 'GET') isHeard();
    else req.once('end', isHeard);
  });
  return () => {
    for (const socket of open) socket.destroy();
  };
}

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
