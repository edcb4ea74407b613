import { removeContainers } from '../actors/agent/agent.ts';
import { isNoLeader } from '../actors/manager/faults.ts';
import type { Manager } from '../actors/manager/manager.ts';
import type { LogStatus } from '../domain/members/log-status.ts';
import { treesOf } from '../actors/manager/trees.ts';
import type { LogReading, NodeAway, TaskLogs } from '../actors/manager/task-logs.ts';
import type { InitRequest, JoinRequest, LocalState, Swarm } from '../api/ports.ts';
import { daemonFault, errorText } from '../domain/errors.ts';
import type { LogChunk } from '../domain/logs/frames.ts';
import type { Applied } from '../domain/store/changes.ts';
import type { View } from '../domain/store/view.ts';
import { parseUnlockKey, readCertificate } from '../pki/mod.ts';
import { systemClock, timeoutSignal } from '../supervisors/clock.ts';
import { joinHostPort } from './addresses.ts';
import { packBackup } from './backup.ts';
import { comeBack } from './come-back.ts';
import { firstObjects, newIdentity, type NewCluster, placeOf } from './found-cluster.ts';
import { forcedChanges, forceGeneration } from './force-new-cluster.ts';
import { forgetStore, putAside } from './generation.ts';
import { type Joined, Joining } from './joining.ts';
import { actorLog } from './log.ts';
import { applyLock, runDirComplaint } from './key-lock.ts';
import { type Identity, isManager } from './node-files.ts';
import { allParts, managerParts, NodeParts, type NodePartsOptions } from './node-parts.ts';
import {
  type AddressesAsked,
  asksNothing,
  ownAddresses,
  type OwnAddresses,
} from './own-addresses.ts';
import { tlsInfo } from './run-agent.ts';
import { asInitFault } from './init-fault.ts';
import { rejectAfter } from './running.ts';
import { leaveWarning, text } from './swarm-texts.ts';
import { taskLogsOf } from './task-logs.ts';

export type SwarmNodeOptions = NodePartsOptions;

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
  readonly #parts: NodeParts;
  readonly #logs: TaskLogs;
  readonly #listeners = new Set<(changes: readonly Applied[]) => void>();
  #identity: Identity | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Nothing of this manager runs before it is unlocked. */
  #isLocked = false;
  /** Parts of the node are being stopped, to begin anew. */
  #isReplacing = false;
  /** A join that is under way. */
  #joining: Joining | undefined;

  constructor(options: SwarmNodeOptions) {
    this.#options = options;
    this.#parts = new NodeParts(options, {
      identity: () => this.#identity,
      // itself last: what the others know it may not have heard yet
      managers: () =>
        this.#managers()
          .map(({ addr }) => addr)
          .toReversed(),
      onIdentity: (identity) => {
        if (this.#identity !== undefined) this.#note(identity);
      },
      onElsewhere: (identity) => void this.#inTurn(() => this.#restartManager(identity, true)),
      onRestart: (identity) => void this.#inTurn(() => this.#restartManager(identity, false)),
      onMoved: (addresses) => void this.#inTurn(() => this.#move(addresses)),
      onRole: (role) => void this.#inTurn(() => this.#changeRole(role)),
      onChanges: (applied) => {
        for (const listener of this.#listeners) listener(applied);
      },
    });
    this.#logs = taskLogsOf(this.#parts, () => this.#identity?.nodeId);
    this.watch((applied) => this.#logs.heed(applied));
  }

  /** Takes up the place that the files tell of. What an init that was cut off left behind is removed. */
  start(): void {
    const { files, logger } = this.#options;
    files.recover();
    this.#identity = files.identity();
    this.#isLocked = this.#identity !== undefined && isManager(this.#identity) && files.isLocked();
    if (this.#identity === undefined) files.wipe();
    else if (this.#isLocked) logger.warn({}, 'locked');
    else this.#resume(this.#identity);
  }

  /** A crash may have come between a certificate of another role and the change to it. */
  #resume(identity: Identity): void {
    const { role } = readCertificate(this.#options.files.certificate('node'));
    if ((role !== 'manager' && role !== 'worker') || isManager(identity) === (role === 'manager'))
      return this.#parts.add(identity);
    void this.#inTurn(() => this.#changeRole(role));
  }

  local(): LocalState {
    const identity = this.#identity;
    // told with every ping: what has to be read from files is read where it is wanted
    const error = (): string =>
      this.#isLocked ? text.locked : (this.#joining?.error ?? this.#parts.complaint());
    const remoteManagers = (): LocalState['remoteManagers'] =>
      this.#joining?.request.remoteAddrs.map((addr) => ({ nodeId: '', addr })) ?? this.#managers();
    return {
      state: this.#state(),
      nodeId: identity?.nodeId ?? '',
      nodeAddr: (identity ?? this.#joining?.addresses)?.advertiseHost ?? '',
      manager: !this.#isLocked && identity !== undefined && isManager(identity),
      get error() {
        return error();
      },
      get remoteManagers() {
        return remoteManagers();
      },
    };
  }

  #state(): LocalState['state'] {
    if (this.#isLocked) return 'locked';
    if (this.#identity !== undefined) return this.#parts.isArriving ? 'pending' : 'active';
    return this.#joining === undefined ? 'inactive' : 'pending';
  }

  init(request: InitRequest): Promise<string> {
    return this.#inTurn(() => this.#init(request));
  }
  async join(request: JoinRequest): Promise<void> {
    const deadline = systemClock.now() + joinPatienceMs;
    await this.#inTurn(() => this.#join(request));
    if (this.#identity === undefined) return;
    const { running, session, place } = this.#parts;
    // who has joined is known to the leader, and a manager can be asked, and counts
    const parts = isManager(this.#identity) ? [session, running, place] : [session];
    const leftMs = deadline - systemClock.now();
    await Promise.all(parts.map((part) => part.up(() => leftMs))).catch(() => {
      throw daemonFault('Unavailable', text.joinTimeout);
    });
  }
  leave(force: boolean): Promise<void> {
    return this.#inTurn(() => this.#leave(force));
  }
  unlock(unlockKey: string): Promise<void> {
    return this.#inTurn(() => this.#unlock(unlockKey));
  }

  follow(): Promise<void> {
    return this.#inTurn(async () => this.#restartManager(await this.#parts.follow(), false));
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
        if (
          manager === this.#parts.running.current ||
          this.#identity === undefined ||
          !isNoLeader(error)
        )
          throw error;
      }
    }
  }
  leaderId(): string {
    return this.#parts.running.current?.leaderId() ?? '';
  }
  async logStatus(): Promise<LogStatus> {
    return (await this.#awaitManager()).logStatus();
  }
  backup(): Promise<Uint8Array> {
    return this.#ask(async (manager) => {
      const cluster = (await manager.read()).cluster();
      if (cluster === undefined) throw daemonFault('Unavailable', text.notInSwarm);
      const { generation } = manager;
      const taken = { version: 1, clusterId: cluster.id, generation, at: Date.now() } as const;
      return packBackup({ ...taken, ...manager.snapshot() });
    });
  }
  async leadLogFrom(nodeId: string): Promise<void> {
    await (await this.#awaitManager()).leadLogFrom(nodeId);
  }
  readonly tree = () => this.#parts.tree();
  readonly trees = async (ids: readonly string[]) => treesOf((await this.#awaitManager()).bus, ids);
  watch(listener: (changes: readonly Applied[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  taskLogs(reading: LogReading): AsyncIterable<LogChunk | NodeAway> {
    return this.#logs.read(reading);
  }

  /** Renews the certificate now, if this node is in a swarm. */
  renew(): void {
    this.#parts.renew();
  }

  /** init and leave never overlap. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run);
    // the caller has the error; the next in turn only waits for the end
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #init(request: InitRequest): Promise<string> {
    if (request.forceNewCluster && this.#identity !== undefined)
      return this.#forceNewCluster(this.#identity, request);
    this.#refuseMember();
    const { files, executor } = this.#options;
    const cluster = await this.#newCluster(request);
    if (cluster.unlockKey !== undefined) this.#refuseDisk();
    files.prepare();
    applyLock(files, { version: 1, ...cluster });
    files.writeKeys(cluster.keys);
    files.writeCertificates(cluster.certificates);
    try {
      const failed = new Promise<never>((_, reject) => {
        this.#parts.addManager(cluster.identity, reject);
      });
      const manager = await Promise.race([
        failed,
        this.#parts.running.up(() => managerPatienceMs.init),
      ]);
      const description = await executor.describe(timeoutSignal(10_000));
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
      await this.#parts.remove();
      files.wipe();
      throw asInitFault(error);
    }
    this.#note(cluster.identity);
    this.#parts.addAgent(cluster.identity);
    return cluster.identity.nodeId;
  }

  /** The other managers do not come back: this one goes on alone, with what it knows. */
  async #forceNewCluster(before: Identity, request: InitRequest): Promise<string> {
    if (!isManager(before)) throw daemonFault('Unavailable', text.notManager);
    if (this.#isLocked) throw daemonFault('Unavailable', text.locked);
    const { files, config, logger } = this.#options;
    // as they were, where the client gives none
    const addresses = asksNothing(request) ? {} : await this.#addresses(request);
    await this.#parts.remove();
    const next = await forceGeneration(files, { ...before, ...addresses }).catch(
      (error: unknown) => {
        this.#parts.add(before);
        throw error;
      },
    );
    this.#note(next);
    putAside(files, before.generation, Date.now());
    logger.warn({ from: before.generation, to: next.generation }, 'new_cluster_forced');
    this.#parts.add(next);
    const manager = await this.#parts.running.up(() => managerPatienceMs.init);
    await manager.propose((view) => ({
      changes: forcedChanges(view, next.nodeId, placeOf(next, config), request.spec),
      result: undefined,
    }));
    return next.nodeId;
  }

  #refuseDisk(): void {
    const complaint = runDirComplaint(this.#options.config.runDir);
    if (complaint !== '') throw daemonFault('FailedPrecondition', complaint);
  }

  #refuseMember(): void {
    if (this.#identity !== undefined || this.#joining !== undefined)
      throw daemonFault('Unavailable', text.inSwarm);
  }

  async #join(request: JoinRequest): Promise<void> {
    const identity = this.#identity;
    if (
      identity !== undefined &&
      !isManager(identity) &&
      this.#parts.agent?.isConnected() !== true
    ) {
      const signal = timeoutSignal(joinPatienceMs);
      await comeBack(this.#options.files, identity, request, text.inSwarm, signal);
      await this.#parts.remove();
      return this.#parts.addAgent(identity);
    }
    this.#refuseMember();
    const joining = new Joining({
      request,
      addresses: await this.#addresses(request),
      labels: this.#options.config.labels,
      clock: systemClock,
      patienceMs: joinPatienceMs,
    });
    this.#joining = joining;
    let isAwaited = true;
    const entered = joining.joined
      .then((joined) => {
        if (!joining.isAborted) this.#enter(joined, joining.addresses);
      })
      .catch((error: unknown) => {
        // the client hears it, if it still waits
        if (!isAwaited && !joining.isAborted) this.#parts.error = errorText(error);
        throw error;
      })
      .finally(() => {
        if (this.#joining === joining) this.#joining = undefined;
      });
    await Promise.race([entered, rejectAfter(joinPatienceMs, text.joinTimeout)]).finally(
      () => (isAwaited = false),
    );
  }

  /** Writes down what the manager granted, the identity last, and starts the agent. */
  #enter({ grant, key }: Joined, addresses: OwnAddresses): void {
    const { files } = this.#options;
    files.prepare();
    files.writeCertificates({ node: grant.certificate, key, root: grant.roots });
    files.writeManagers(grant.managers);
    this.#parts.error = '';
    this.#parts.isArriving = true;
    this.#begin({
      nodeId: grant.nodeId,
      clusterId: grant.clusterId,
      ...addresses,
      ...this.#placeFor(grant.role),
    });
  }

  /** A worker has no place in the log. A new manager gets its own by asking the others. */
  #placeFor(
    role: 'manager' | 'worker',
  ): Pick<Identity, 'role' | 'generation' | 'form' | 'joining'> {
    if (role === 'worker') return { role, generation: 0 };
    return { role, generation: 0, form: 'several', joining: true };
  }

  async #unlock(unlockKey: string): Promise<void> {
    const identity = this.#identity;
    if (identity === undefined || !this.#isLocked) {
      await this.#awaitManager();
      throw daemonFault('AlreadyExists', text.notLocked);
    }
    const parsed = parseUnlockKey(unlockKey);
    if (!parsed.ok) throw daemonFault('InvalidArgument', text.malformedKey);
    if (!this.#options.files.unlock(parsed.key))
      throw daemonFault('Unauthenticated', text.wrongKey);
    this.#isLocked = false;
    this.#resume(identity);
    await this.#parts.running.up(() => managerPatienceMs.init);
  }

  #note(identity: Identity): void {
    this.#options.files.writeIdentity(identity);
    this.#identity = identity;
  }

  /** Writes down what the node is and starts its parts. */
  #begin(identity: Identity): void {
    this.#note(identity);
    this.#parts.add(identity);
  }

  /** The certificate says another role than the one that the node has. */
  async #changeRole(role: 'manager' | 'worker'): Promise<void> {
    const before = this.#identity;
    if (before === undefined || isManager(before) === (role === 'manager')) return;
    const { founding: _, joining: __, form: ___, ...rest } = before;
    await this.#replaceParts(allParts, () => {
      if (role === 'worker') this.#options.files.wipeManager();
      this.#begin({ ...rest, ...this.#placeFor(role) });
    });
  }

  /** The machine has another address: the others are told with the next hello. */
  async #move(addresses: OwnAddresses): Promise<void> {
    const before = this.#identity;
    if (before === undefined || before.advertiseHost === addresses.advertiseHost) return;
    const { advertiseHost: to } = addresses;
    this.#options.logger.info({ from: before.advertiseHost, to }, 'address_changed');
    await this.#replaceParts(allParts, () => this.#begin({ ...before, ...addresses }));
  }

  /** The manager's parts begin anew: elsewhere in the log, or with what is on the disk. */
  async #restartManager(identity: Identity, isElsewhere: boolean): Promise<void> {
    const before = this.#identity;
    if (before?.nodeId !== identity.nodeId || !isManager(before)) return;
    await this.#replaceParts(managerParts, () => {
      // a server that the log's group goes on without never comes back under its name
      if (isElsewhere && before.generation === identity.generation && identity.joining === true)
        forgetStore(this.#options.files, identity.generation);
      this.#note(identity);
      this.#parts.addManager(identity);
    });
  }

  /** Clients wait for as long as a change takes, also while the parts of before are still being stopped. */
  async #replaceParts(ids: readonly string[], begin: () => void): Promise<void> {
    this.#isReplacing = true;
    try {
      await this.#parts.remove(ids);
      begin();
    } finally {
      this.#isReplacing = false;
    }
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

  #addresses(asked: AddressesAsked): Promise<OwnAddresses> {
    return ownAddresses(this.#options.config, this.#options.engineSubnets, asked);
  }

  async #leave(force: boolean): Promise<void> {
    const identity = this.#identity;
    if (this.#joining !== undefined) {
      this.#joining.abort();
      this.#joining = undefined;
      this.#parts.error = '';
      return;
    }
    if (identity === undefined) throw daemonFault('Unavailable', text.notInSwarm);
    if (this.#isLocked && !force) throw daemonFault('Unavailable', text.lockedLeave);
    if (isManager(identity) && !force)
      throw daemonFault('Unavailable', leaveWarning(this.#parts.running.current?.view()));
    if (this.#parts.agent === undefined) await removeContainers(this.#containersOf(identity));
    else await this.#parts.agent.removeAll();
    await this.#parts.remove();
    this.#options.files.wipe();
    this.#isLocked = false;
    this.#identity = undefined;
    this.#parts.error = '';
    this.#parts.isArriving = false;
  }

  #containersOf({ nodeId }: Identity) {
    const { executor, logger } = this.#options;
    return { nodeId, executor, clock: systemClock, log: actorLog(logger, { actor: 'agent' }) };
  }

  /** The manager as soon as it runs; Docker's 503 texts outside a swarm and when it does not come up. */
  #awaitManager(): Promise<Manager> {
    if (this.#identity === undefined)
      return Promise.reject(daemonFault('Unavailable', text.notManager));
    if (this.#isLocked) return Promise.reject(daemonFault('Unavailable', text.locked));
    if (!isManager(this.#identity)) return Promise.reject(daemonFault('Unavailable', text.worker));
    const held = this.#parts.held();
    if (held !== '') return Promise.reject(daemonFault('Unavailable', held));
    return this.#parts.running.up(
      () => managerPatienceMs[this.#isChanging() ? 'changing' : 'request'],
    );
  }

  /** The manager is between two places in the log, or its parts are just being replaced. */
  #isChanging(): boolean {
    const { founding, joining } = this.#identity ?? {};
    return this.#isReplacing || founding !== undefined || joining !== undefined;
  }
}

const managerAddr = (identity: Identity): string =>
  joinHostPort({ host: identity.advertiseHost, port: identity.advertisePort });
