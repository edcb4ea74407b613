import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { Agent } from '../actors/agent/agent.ts';
import type { Executor, LogChunk, LogOptions } from '../actors/agent/ports.ts';
import { isNoLeader } from '../actors/manager/faults.ts';
import type { LogStatus, Manager } from '../actors/manager/manager.ts';
import type { Issued } from '../api/join-listener.ts';
import type { InitRequest, JoinRequest, LocalState, Swarm } from '../api/ports.ts';
import { daemonFault } from '../domain/errors.ts';
import type { Task } from '../domain/model/objects.ts';
import type { Applied } from '../domain/store/changes.ts';
import type { View } from '../domain/store/view.ts';
import { createRequest, generateKeys, privateKeyToPem } from '../pki/mod.ts';
import { systemClock } from '../supervisors/clock.ts';
import type { Registry } from '../supervisors/registry.ts';
import { runs } from '../supervisors/run.ts';
import type { Supervisor } from '../supervisors/supervisor.ts';
import { grow, trees } from '../supervisors/trees.ts';
import { resolveAdvertise, resolveListen, joinHostPort } from './addresses.ts';
import { comeBack } from './come-back.ts';
import { cliListenAddr, type Config } from './config.ts';
import { firstObjects, newIdentity, type NewCluster, placeOf } from './found-cluster.ts';
import { firstOf, joinThrough, tokenFrom } from './join-cluster.ts';
import { actorLog, type Logger } from './log.ts';
import { type Identity, isManager, type NodeFiles } from './node-files.ts';
import { ownCertificate } from './own-certificate.ts';
import { NodeRenewal } from './renew-node.ts';
import { runAgent, tlsInfo } from './run-agent.ts';
import { leaveWarning, text } from './swarm-texts.ts';
import { managerChildren } from './wire-manager.ts';

export interface SwarmNodeOptions {
  readonly config: Config;
  readonly files: NodeFiles;
  readonly executor: Executor;
  readonly logger: Logger;
  readonly supervisor: Supervisor;
  readonly registry: Registry;
  /** Address ranges of the engine's own networks, in CIDR form. */
  readonly engineSubnets: () => Promise<readonly string[]>;
}

/** As long as Docker's daemon waits for a join, ms; it goes on afterwards. */
const joinPatienceMs = 20_000;
/** For a manager that is being started: at init the server's start counts in, ms. */
const managerPatienceMs = { request: 5_000, changing: 30_000, init: 20_000 } as const;

/**
 * This daemon's place in a swarm: none, or a manager with its agent. `init` and `leave` add and remove the children
 * of the daemon's supervisor; both are taken one at a time.
 */
export class SwarmNode implements Swarm {
  readonly #options: SwarmNodeOptions;
  readonly #listeners = new Set<(changes: readonly Applied[]) => void>();
  #identity: Identity | undefined;
  #manager: Manager | undefined;
  #agent: Agent | undefined;
  #waiting = new Set<() => void>();
  #turn: Promise<unknown> = Promise.resolve();
  #error = '';
  /** Ends the join that is under way. */
  #joining: AbortController | undefined;
  #renewal: NodeRenewal | undefined;

  constructor(options: SwarmNodeOptions) {
    this.#options = options;
  }

  /** Takes up the place that the files tell of. What an init that was cut off left behind is removed. */
  start(): void {
    const { files } = this.#options;
    files.recover();
    this.#identity = files.identity();
    if (this.#identity === undefined) files.wipe();
    else this.#addChildren(this.#identity);
  }

  local(): LocalState {
    const identity = this.#identity;
    return {
      state:
        identity !== undefined ? 'active' : this.#joining !== undefined ? 'pending' : 'inactive',
      nodeId: identity?.nodeId ?? '',
      nodeAddr: identity?.advertiseHost ?? '',
      manager: identity !== undefined && isManager(identity),
      error: this.#error || (this.#renewal?.complaint() ?? ''),
      remoteManagers: this.#managers(),
    };
  }

  init(request: InitRequest): Promise<string> {
    return this.#inTurn(() => this.#init(request));
  }
  async join(request: JoinRequest): Promise<void> {
    await this.#inTurn(() => this.#join(request));
    if (this.#identity === undefined || !isManager(this.#identity)) return;
    // a manager has joined when it can be asked
    await this.#awaitManagerUp(joinPatienceMs).catch(() => {
      throw daemonFault('Unavailable', text.joinTimeout);
    });
  }
  leave(force: boolean): Promise<void> {
    return this.#inTurn(() => this.#leave(force));
  }

  async command(name: string, body: unknown): Promise<unknown> {
    return (await this.#ask((manager) => manager.command(name, body))).result;
  }
  read(): Promise<View> {
    return this.#ask((manager) => manager.read());
  }

  /** Of the manager that runs. One that ends without having done anything is followed by another. */
  async #ask<T>(question: (manager: Manager) => Promise<T>): Promise<T> {
    for (;;) {
      const manager = await this.#awaitManager();
      try {
        return await question(manager);
      } catch (error) {
        if (manager === this.#manager || this.#identity === undefined || !isNoLeader(error))
          throw error;
      }
    }
  }
  leaderId(): string {
    return this.#manager?.leaderId() ?? '';
  }
  async logStatus(): Promise<LogStatus> {
    return (await this.#awaitManager()).logStatus();
  }
  async leadLogFrom(nodeId: string): Promise<void> {
    await (await this.#awaitManager()).leadLogFrom(nodeId);
  }
  watch(listener: (changes: readonly Applied[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  taskLogs(task: Task, options: LogOptions, scope: AbortSignal): AsyncIterable<LogChunk> {
    if (this.#agent === undefined || task.nodeId !== this.#identity?.nodeId)
      throw daemonFault('Unavailable', `node ${task.nodeId} is not available`);
    return this.#agent.logs(task, options, scope);
  }

  /** init and leave never overlap. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #init(request: InitRequest): Promise<string> {
    this.#refuseMember();
    const { files, executor } = this.#options;
    const cluster = await this.#newCluster(request);
    files.prepare();
    files.writeKeys(cluster.keys);
    files.writeCertificates(cluster.certificates);
    try {
      const failed = new Promise<never>((_, reject) => {
        this.#addManager(cluster.identity, true, reject);
      });
      const manager = await Promise.race([failed, this.#awaitManagerUp(managerPatienceMs.init)]);
      const description = await executor.describe(AbortSignal.timeout(10_000));
      const objects = firstObjects(
        cluster,
        { ...description, tls: tlsInfo(files) },
        placeOf(cluster.identity, this.#options.config),
      );
      await Promise.race([
        failed,
        manager.propose(() => ({ changes: objects, result: undefined })),
      ]);
    } catch (error) {
      await this.#removeChildren();
      files.wipe();
      throw asInitFault(error);
    }
    files.writeIdentity(cluster.identity);
    this.#identity = cluster.identity;
    this.#addAgent(cluster.identity);
    return cluster.identity.nodeId;
  }

  #refuseMember(): void {
    if (this.#identity !== undefined || this.#joining !== undefined)
      throw daemonFault('Unavailable', text.inSwarm);
  }

  async #join(request: JoinRequest): Promise<void> {
    const identity = this.#identity;
    if (identity !== undefined && !isManager(identity) && this.#agent?.isConnected() !== true) {
      const signal = AbortSignal.timeout(joinPatienceMs);
      await comeBack(this.#options.files, identity, request, text.inSwarm, signal);
      await this.#removeChildren();
      return this.#addAgent(identity);
    }
    this.#refuseMember();
    const token = tokenFrom(request.joinToken);
    if (request.remoteAddrs.length === 0)
      throw daemonFault('InvalidArgument', 'at least 1 RemoteAddr is required to join');
    const { listen, advertise } = await this.#addresses(request);
    const { privateKey } = generateKeys();
    const ask = {
      token: request.joinToken,
      request: createRequest(privateKey),
      availability: request.availability,
      labels: this.#options.config.labels,
      addr: advertise.host,
    };
    const end = new AbortController();
    this.#joining = end;
    const joining = firstOf(request.remoteAddrs, (addr) =>
      joinThrough(addr, token, ask, end.signal),
    )
      .then((joined) => {
        if (!end.signal.aborted)
          this.#enter(joined, privateKeyToPem(privateKey), joinHostPort(listen), advertise);
      })
      .catch((error: unknown) => {
        this.#error = error instanceof Error ? error.message : String(error);
        throw error;
      })
      .finally(() => {
        if (this.#joining === end) this.#joining = undefined;
      });
    await Promise.race([joining, rejectAfter(joinPatienceMs, text.joinTimeout)]);
  }

  /** Writes down what the manager granted, the identity last, and starts the agent. */
  #enter(
    grant: Issued,
    key: string,
    listenAddr: string,
    advertise: { readonly host: string; readonly port: string },
  ): void {
    const { files } = this.#options;
    files.prepare();
    files.writeCertificates({ node: grant.certificate, key, root: grant.roots });
    files.writeManagers(grant.managers);
    this.#error = '';
    this.#begin({
      nodeId: grant.nodeId,
      clusterId: grant.clusterId,
      listenAddr,
      advertiseHost: advertise.host,
      advertisePort: advertise.port,
      ...this.#placeFor(grant.role),
    });
  }

  /** A worker has no place in the log. A new manager gets its own by asking the others. */
  #placeFor(
    role: 'manager' | 'worker',
  ): Pick<Identity, 'role' | 'generation' | 'form' | 'joining'> {
    if (role === 'worker') return { role, generation: 0 };
    this.#options.files.writeKeys({
      dataKey: randomBytes(32).toString('hex'),
      busIssuerSeed: '',
    });
    return { role, generation: 0, form: 'several', joining: true };
  }

  /** Writes down what the node is and starts its parts. */
  #begin(identity: Identity): void {
    this.#options.files.writeIdentity(identity);
    this.#identity = identity;
    this.#addChildren(identity);
  }

  /** The certificate says another role than the one that the node has. */
  async #changeRole(role: 'manager' | 'worker'): Promise<void> {
    const before = this.#identity;
    if (before === undefined || isManager(before) === (role === 'manager')) return;
    await this.#removeChildren();
    const { nodeId, clusterId, listenAddr, advertiseHost, advertisePort } = before;
    if (role === 'worker') this.#options.files.wipeManager();
    const place = this.#placeFor(role);
    this.#begin({ nodeId, clusterId, listenAddr, advertiseHost, advertisePort, ...place });
  }

  /** This manager goes on elsewhere in the log: its parts begin anew. */
  async #reseat(identity: Identity): Promise<void> {
    if (this.#identity?.nodeId !== identity.nodeId || !isManager(this.#identity)) return;
    await this.#removeChildren(managerParts);
    this.#options.files.writeIdentity(identity);
    this.#identity = identity;
    this.#addManager(identity, false, () => undefined);
  }

  #managers(): readonly { readonly nodeId: string; readonly addr: string }[] {
    const identity = this.#identity;
    if (identity === undefined) return [];
    const { files } = this.#options;
    const known = isManager(identity) ? files.peers() : files.managers();
    const others = known.filter(({ nodeId }) => nodeId !== identity.nodeId);
    return [
      ...(isManager(identity) ? [{ nodeId: identity.nodeId, addr: managerAddr(identity) }] : []),
      ...others.map(({ nodeId, addr }) => ({ nodeId, addr })),
    ];
  }

  async #newCluster(request: InitRequest): Promise<NewCluster> {
    const { labels } = this.#options.config;
    return newIdentity(request, Date.now(), () => this.#addresses(request), labels);
  }

  async #addresses(request: { readonly listenAddr: string; readonly advertiseAddr: string }) {
    const { config, engineSubnets } = this.#options;
    const interfaces = networkInterfaces();
    const asked = request.listenAddr === cliListenAddr ? config.listenAddr : request.listenAddr;
    const listen = resolveListen(asked, interfaces);
    const advertise = resolveAdvertise(
      request.advertiseAddr === '' ? config.advertiseAddr : request.advertiseAddr,
      listen.port,
      interfaces,
      await engineSubnets(),
    );
    return { listen, advertise };
  }

  async #leave(force: boolean): Promise<void> {
    const identity = this.#identity;
    if (this.#joining !== undefined) {
      this.#joining.abort();
      this.#joining = undefined;
      this.#error = '';
      return;
    }
    if (identity === undefined) throw daemonFault('Unavailable', text.notInSwarm);
    if (isManager(identity) && !force)
      throw daemonFault('Unavailable', leaveWarning(this.#manager?.view()));
    await this.#agent?.removeAll();
    await this.#removeChildren();
    this.#options.files.wipe();
    this.#identity = undefined;
    this.#error = '';
  }

  #addChildren(identity: Identity): void {
    if (isManager(identity)) this.#addManager(identity, false, () => undefined);
    this.#addAgent(identity);
  }

  #addManager(first: Identity, create: boolean, onFailure: (error: unknown) => void): void {
    const { config, files, logger, supervisor, registry } = this.#options;
    let identity = first;
    const onIdentity = (next: Identity): void => {
      if (next.generation !== identity.generation || next.form !== identity.form)
        return void this.#inTurn(() => this.#reseat(next));
      identity = next;
      if (this.#identity === undefined) return;
      files.writeIdentity(next);
      this.#identity = next;
    };
    for (const child of managerChildren({
      config,
      files,
      get identity() {
        return identity;
      },
      logger,
      registry,
      create,
      onIdentity,
      onRefused: (addr) => this.#renewal?.now(addr),
      onManager: (manager) => this.#setManager(manager),
      onFailure: (error) => {
        this.#error = error instanceof Error ? error.message : String(error);
        onFailure(error);
      },
    }))
      supervisor.add(child);
  }

  #addAgent(identity: Identity): void {
    const parts = {
      'bus-server': undefined,
      'bus-auth': undefined,
      manager: undefined,
      'join-listener': undefined,
    };
    this.#renewal = this.#newRenewal(identity);
    const { config, files, executor, logger, registry } = this.#options;
    const wiring = {
      config,
      files,
      identity: () => this.#identity ?? identity,
      executor,
      logger,
      registry,
    };
    const agent = runs((scope) =>
      runAgent(
        {
          ...wiring,
          onAgent: (running) => (this.#agent = running),
          renew: () => this.renew(),
        },
        scope,
      ),
    );
    for (const child of grow(trees.daemon, { ...parts, renewal: this.#renewal.part(), agent }))
      this.#options.supervisor.add(child);
  }

  /** Renews the certificate now, if this node is in a swarm. */
  renew(): void {
    this.#renewal?.now();
  }

  #newRenewal(identity: Identity): NodeRenewal {
    const { files, logger } = this.#options;
    return new NodeRenewal({
      files,
      own: () =>
        this.#manager && ownCertificate(this.#manager.view(), identity, files.certificate('key')),
      // itself last: what the others know it may not have heard yet
      managers: () =>
        this.#managers()
          .map(({ addr }) => addr)
          .toReversed(),
      onIssued: ({ managers, role }) => {
        files.writeManagers(managers);
        void this.#inTurn(() => this.#changeRole(role));
      },
      report: actorLog(logger, { actor: 'renewal', node: identity.nodeId }),
    });
  }

  async #removeChildren(ids: readonly string[] = allParts): Promise<void> {
    for (const id of ids.toReversed()) await this.#options.supervisor.remove(id);
  }

  #setManager(manager: Manager | undefined): void {
    this.#manager = manager;
    if (manager === undefined) return;
    this.#error = '';
    manager.watch((applied) => {
      for (const listener of this.#listeners) listener(applied);
    });
    for (const wake of this.#waiting) wake();
  }

  /** The manager as soon as it runs; Docker's 503 texts outside a swarm and when it does not come up. */
  #awaitManager(): Promise<Manager> {
    if (this.#identity === undefined)
      return Promise.reject(daemonFault('Unavailable', text.notManager));
    if (!isManager(this.#identity)) return Promise.reject(daemonFault('Unavailable', text.worker));
    const { founding, joining } = this.#identity;
    const changing = founding !== undefined || joining !== undefined;
    return this.#awaitManagerUp(managerPatienceMs[changing ? 'changing' : 'request']);
  }

  #awaitManagerUp(patienceMs: number): Promise<Manager> {
    if (this.#manager !== undefined) return Promise.resolve(this.#manager);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#waiting.delete(wake);
        systemClock.clearTimeout(timer);
      };
      const wake = (): void => {
        end();
        if (this.#manager === undefined) reject(daemonFault('Unavailable', text.preparing));
        else resolve(this.#manager);
      };
      const timer = systemClock.setTimeout(wake, patienceMs);
      this.#waiting.add(wake);
    });
  }
}

const allParts: readonly string[] = trees.daemon.children.map(({ id }) => id);
const managerParts = ['bus-server', 'bus-auth', 'manager', 'join-listener'] as const;

function rejectAfter(ms: number, message: string): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(daemonFault('Unavailable', message)), ms).unref();
  });
}

const managerAddr = (identity: Identity): string =>
  joinHostPort({ host: identity.advertiseHost, port: identity.advertisePort });

/** A shell starts the server: its exit codes for a program that it cannot run, and for one that it cannot find. */
const notRunnable = /ended \(code 12[67]\): (?:sh: \d+: exec: )?(.*)/s;

function asInitFault(error: unknown): unknown {
  const { code, message } = error as { readonly code?: unknown; readonly message?: string };
  const reason = notRunnable.exec(message ?? '')?.[1];
  if (reason !== undefined)
    return daemonFault(
      'Unknown',
      `cannot run nats-server: ${reason}; tell the daemon where it is with --nats-server`,
    );
  return code === 'port-taken' ? daemonFault('Unknown', message ?? '') : error;
}
