import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

type Handle = (req: IncomingMessage, res: ServerResponse) => void;

/** Stands for the engine: records what reaches it, answers as `handle` says. */
export class FakeEngine {
  readonly seen: string[] = [];
  readonly sockets = new Set<Socket>();
  onConnection: (socket: Socket) => void = () => undefined;
  handle: Handle = (req, res) => {
    req.resume().on('end', () => res.end('ok'));
  };
  onUpgrade: ((req: IncomingMessage, socket: Socket, head: Buffer) => void) | undefined;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((req, res) => {
      this.seen.push(`${req.method} ${req.url}`);
      this.handle(req, res);
    });
    this.#server.on('connection', (socket) => {
      this.sockets.add(socket);
      this.onConnection(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.#server.on('checkContinue', (req, res) => {
      this.seen.push(`${req.method} ${req.url} expects`);
      this.handle(req, res);
    });
  }
  takeUpgrades(handle: (req: IncomingMessage, socket: Socket, head: Buffer) => void): void {
    this.#server.on('upgrade', (req, socket, head) => {
      this.seen.push(`${req.method} ${req.url} upgrade`);
      handle(req, socket as Socket, head);
    });
  }
  listen(path: string): Promise<void> {
    return new Promise((resolve) => this.#server.listen(path, resolve));
  }
  stop(): Promise<unknown> {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}
