import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { loser } from '../domain/fair-share.ts';

/**
 * Keeps at most `max` connections of a server. When one more comes, one goes that has not said all that it wants: of the
 * address that holds most of these, the one that has waited longest. Whoever holds connections open and says nothing, or
 * says it slowly, keeps nobody out, and costs those that are slow themselves nothing. When all are being answered, the
 * new one goes.
 * @returns ends every connection; Node's own function for that leaves out those whose TLS handshake is not done
 */
export function boundConnections(server: Server, max: number): () => void {
  /** Oldest first, by the peer's address and port: TLS and HTTP have other objects for the same connection. */
  const waiting = new Map<string, Waiting>();
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    const key = peerOf(socket);
    open.add(socket);
    const one = { address: socket.remoteAddress ?? '', key, socket };
    waiting.set(key, one);
    socket.once('close', () => {
      open.delete(socket);
      if (waiting.get(key)?.socket === socket) waiting.delete(key);
    });
    if (open.size <= max) return;
    const longest = loser(waiting.values()) ?? one;
    waiting.delete(longest.key);
    longest.socket.destroy();
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

interface Waiting {
  readonly address: string;
  readonly key: string;
  readonly socket: Socket;
}

const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
