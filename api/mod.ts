export type { LogEvent } from './log.ts';
export type { InitRequest, LocalState, Swarm } from './ports.ts';
export type { SocketOptions } from './listen.ts';
export { type Api, type ApiOptions, createApi } from './server.ts';
export type { ReadTlsInfo, TlsInfo } from './view/cluster.ts';
