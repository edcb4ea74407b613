import { daemonFault, Fault } from '../errors.ts';

/** A rule of the manager that the spec breaks (400, with the gRPC wrapper). */
export const invalid = (message: string): Fault => new Fault('InvalidArgument', message);

/** A rule of the daemon that the request breaks (400, bare text). */
export const badRequest = (message: string): Fault => daemonFault('InvalidArgument', message);

/** Docker can do it, this version of natswarm cannot yet (501). */
export const notYet = (what: string, hint = ''): Fault =>
  new Fault('Unimplemented', `${what} not supported by this version of natswarm yet${hint}`);
