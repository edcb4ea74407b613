import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { limits } from '../domain/limits.ts';
import type { Deps } from './call.ts';
import { EngineClient } from './engine.ts';
import { Recorder } from './events/recorder.ts';
import { FrontRequest, hijack } from './hijack.ts';
import { Identity } from './identity.ts';
import { listenUnix, type SocketOptions, socketPathOf } from './listen.ts';
import type { LogEvent } from './log.ts';
import type { Swarm } from './ports.ts';
import { Readers } from './readers.ts';
import { Router } from './router.ts';
import { containerRoutes } from './routes/container.ts';
import { unsupportedRoutes } from './routes/unsupported.ts';
import { logRoutes } from './routes/log.ts';
import { stateLogRoutes } from './routes/state-log.ts';
import { treeRoutes } from './routes/tree.ts';
import { networkRoutes } from './routes/network.ts';
import { nodeRoutes } from './routes/node.ts';
import { serviceRoutes } from './routes/service.ts';
import { swarmRoutes } from './routes/swarm.ts';
import { meetEngine, systemRoutes } from './routes/system.ts';
import { taskRoutes } from './routes/task.ts';
import { Turns } from './turns.ts';
import type { ReadTlsInfo } from './view/cluster.ts';

export interface ApiOptions {
  readonly swarm: Swarm;
  /** Path of the container engine's Unix socket. */
  readonly engineSocket: string;
  readonly log: LogEvent;
  readonly wallNow: () => number;
  /** Reads a root certificate (PEM) for TLSInfo. */
  readonly tlsInfo: ReadTlsInfo;
  /** Connections at the same time, on each socket. */
  readonly connectionsMax?: number;
}

/** The Docker Engine API: the swarm part answered here, the rest passed through to the engine. */
export interface Api {
  /** Listens on one more Unix socket, `unix:///path`. Rejects when it is taken. */
  listen(address: string, options?: SocketOptions): Promise<void>;
  /** Ends streams of ours and takes no more requests; what still runs after `graceMs` is cut. */
  close(graceMs: number): Promise<void>;
}

/** How long the head of a request may take to arrive, ms. */
const headMs = 60_000;
/** How long an idle connection is kept, ms: clients that find theirs closed cannot always try again. */
const idleMs = 600_000;

/** Reading a log takes more elsewhere, on its node and in that node's engine, than it takes here. */
const logRest = 9;

export function createApi(options: ApiOptions): Api {
  const closing = new AbortController();
  const deps: Deps = {
    swarm: options.swarm,
    engine: new EngineClient(options.engineSocket),
    identity: new Identity(),
    recorder: new Recorder(options.wallNow),
    readers: new Readers(options.log),
    turns: new Turns(),
    logTurns: new Turns(logRest),
    readTlsInfo: options.tlsInfo,
    wallNow: options.wallNow,
    log: options.log,
    closing: closing.signal,
  };
  const router = new Router(deps, [
    ...swarmRoutes(deps),
    ...nodeRoutes(deps),
    ...serviceRoutes(deps),
    ...taskRoutes(deps),
    ...logRoutes(deps),
    ...stateLogRoutes(deps),
    ...treeRoutes(deps),
    ...systemRoutes(deps),
    ...networkRoutes(deps),
    ...containerRoutes(deps),
    ...unsupportedRoutes(deps),
  ]);
  const unwatch = options.swarm.watch((changes) => deps.recorder.take(changes));
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const connectionsMax = options.connectionsMax ?? limits.apiConnectionsMax;

  return {
    async listen(address, socketOptions = {}) {
      const server = frontServer(deps, router, sockets, connectionsMax);
      await meetEngine(deps);
      await listenUnix(server, socketPathOf(address), socketOptions);
      servers.push(server);
    },
    async close(graceMs) {
      closing.abort();
      unwatch();
      const closed = servers.map((server) => closeServer(server));
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await Promise.all(closed);
      clearTimeout(cut);
      deps.engine.close();
    },
  };
}

function frontServer(
  deps: Deps,
  router: Router,
  sockets: Set<Socket>,
  connectionsMax: number,
): Server {
  const server = createServer({
    IncomingMessage: FrontRequest,
    maxHeaderSize: limits.requestHeaderBytesMax,
    highWaterMark: limits.streamBufferBytes,
    headersTimeout: headMs,
    keepAliveTimeout: idleMs,
    // whole requests may take hours (builds); the bodies that natswarm reads itself have a limit of their own
    requestTimeout: 0,
  });
  server.maxConnections = connectionsMax;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const unanswered = new WeakMap<Socket, number>();
  /** Node's server reads on while requests wait for their answers, and each of them takes memory. */
  const take = (req: IncomingMessage, res: ServerResponse, wantsContinue: boolean): void => {
    const { socket } = req;
    const count = (unanswered.get(socket) ?? 0) + 1;
    unanswered.set(socket, count);
    res.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
    if (count > limits.pipelinedRequestsMax) socket.destroy();
    if (!socket.destroyed) router.handle(req, res, wantsContinue);
  };
  server.on('request', (req, res) => take(req, res, false));
  server.on('checkContinue', (req, res) => take(req, res, true));
  server.on('upgrade', (req, socket, head) => {
    try {
      hijack(deps, req, socket as Socket, head);
    } catch (error) {
      deps.log(
        'request_failed',
        { method: req.method, path: req.url, message: String(error) },
        'warn',
      );
      socket.destroy();
    }
  });
  return server;
}

/** Resolves when the last connection is gone. Idle ones are closed at once. */
function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
