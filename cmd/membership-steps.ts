import { removeContainers } from '../actors/agent/agent.ts';
import type { Manager } from '../actors/manager/manager.ts';
import { type Identity, isManager, type OwnAddresses } from '../actors/node/identity.ts';
import { Joining } from '../actors/node/join/joining.ts';
import { joinPatienceMs } from '../actors/node/membership.machine.ts';
import type { MembershipFacts, MembershipSteps } from '../actors/node/membership.ts';
import { leaveWarning, text } from '../actors/node/swarm-texts.ts';
import { daemonFault, errorText } from '../domain/errors.ts';
import type { InitRequest, JoinRequest } from '../domain/members/requests.ts';
import { parseUnlockKey, readCertificate } from '../pki/mod.ts';
import { systemClock, timeoutSignal } from '../supervisors/clock.ts';
import { rejoin } from './rejoin.ts';
import { forcedChanges, forceGeneration } from './force-new-cluster.ts';
import { firstObjects, newIdentity, placeOf } from './found-cluster.ts';
import { forgetStore, putAside } from './generation.ts';
import { asInitFault } from './init-fault.ts';
import { type Joined, KeyedJoin } from './join-attempt.ts';
import { applyLock, runDirComplaint } from './key-lock.ts';
import { actorLog } from './log.ts';
import { allParts, managerParts, type NodeParts, type NodePartsOptions } from './node-parts.ts';
import { type AddressesAsked, asksNothing, ownAddresses } from './own-addresses.ts';
import type { OwnPlace } from './own-place.ts';
import { tlsInfo } from './run-agent.ts';

/** How long a manager that is being started is waited for; at init the server's start counts in, ms. */
const startPatienceMs = 20_000;

export interface NodeStepsOptions extends NodePartsOptions {
  readonly place: OwnPlace;
  readonly parts: NodeParts;
  /** For a manager that may still be starting. */
  readonly awaitManager: () => Promise<Manager>;
  /** The certificate says this role, and the disk another one. */
  readonly onRole: (role: 'manager' | 'worker') => void;
}

/** What the changes of the node's place in a swarm do to its files and its parts. */
export class NodeSteps implements MembershipSteps, MembershipFacts {
  readonly #options: NodeStepsOptions;
  #joining: Joining<Joined> | undefined;

  constructor(options: NodeStepsOptions) {
    this.#options = options;
  }

  identity(): Identity | undefined {
    return this.#options.place.identity;
  }
  isLocked(): boolean {
    return this.#options.place.isLocked;
  }
  isConnected(): boolean {
    return this.#options.parts.agent?.isConnected() === true;
  }
  leaveWarning(): string {
    return leaveWarning(this.#options.parts.running.current?.view());
  }

  /** A join that is under way; undefined while none has asked a manager yet. */
  get joining(): Joining<Joined> | undefined {
    return this.#joining;
  }

  /** A crash may have come between a certificate of another role and the change to it. */
  resume(identity: Identity): void {
    const { files, parts, onRole } = this.#options;
    const { role } = readCertificate(files.certificate('node'));
    if ((role !== 'manager' && role !== 'worker') || isManager(identity) === (role === 'manager'))
      return parts.add(identity);
    onRole(role);
  }

  async init(request: InitRequest): Promise<string> {
    const { files, executor, config, parts, place } = this.#options;
    const cluster = await newIdentity(
      request,
      Date.now(),
      () => this.#addresses(request),
      config.labels,
    );
    if (cluster.unlockKey !== undefined) this.#refuseDisk();
    files.prepare();
    applyLock(files, { version: 1, ...cluster });
    files.writeKeys(cluster.keys);
    files.writeCertificates(cluster.certificates);
    try {
      const failed = new Promise<never>((_, reject) => {
        parts.addManager(cluster.identity, reject);
      });
      const manager = await Promise.race([failed, parts.running.up(() => startPatienceMs)]);
      const description = await executor.describe(timeoutSignal(10_000));
      const objects = firstObjects(
        cluster,
        { ...description, tls: tlsInfo(files) },
        placeOf(cluster.identity, config),
      );
      await Promise.race([
        failed,
        manager.propose(() => ({ changes: objects, result: undefined })),
      ]);
    } catch (error) {
      await parts.remove();
      files.wipe();
      throw asInitFault(error);
    }
    place.write(cluster.identity);
    parts.addAgent(cluster.identity);
    return cluster.identity.nodeId;
  }

  /** The other managers do not come back: this one goes on alone, with what it knows. */
  async forceNewCluster(request: InitRequest): Promise<string> {
    const { files, config, logger, parts, place } = this.#options;
    const before = this.#mustIdentity();
    // as they were, where the client gives none
    const addresses = asksNothing(request) ? {} : await this.#addresses(request);
    await parts.remove();
    const next = await forceGeneration(files, { ...before, ...addresses }).catch(
      (error: unknown) => {
        parts.add(before);
        throw error;
      },
    );
    place.write(next);
    putAside(files, before.generation, Date.now());
    logger.warn({ from: before.generation, to: next.generation }, 'new_cluster_forced');
    parts.add(next);
    const manager = await parts.running.up(() => startPatienceMs);
    await manager.propose((view) => ({
      changes: forcedChanges(view, next.nodeId, placeOf(next, config), request.spec),
      result: undefined,
    }));
    return next.nodeId;
  }

  async join(request: JoinRequest, scope: AbortSignal): Promise<void> {
    const addresses = await this.#addresses(request);
    const { labels } = this.#options.config;
    const joining = new Joining({
      request,
      addresses,
      attempt: new KeyedJoin(request, addresses.advertiseHost, labels),
      clock: systemClock,
      patienceMs: joinPatienceMs,
      scope,
    });
    this.#joining = joining;
    try {
      const joined = await joining.joined;
      if (!scope.aborted) this.#enter(joined, addresses);
    } finally {
      if (this.#joining === joining) this.#joining = undefined;
    }
  }
  noteJoinFailure(error: unknown): void {
    this.#options.parts.error = error === undefined ? '' : errorText(error);
  }

  /** Writes down what the manager granted, the identity last, and starts the agent. */
  #enter({ grant, key }: Joined, addresses: OwnAddresses): void {
    const { files, parts } = this.#options;
    files.prepare();
    files.writeCertificates({ node: grant.certificate, key, root: grant.roots });
    files.writeManagers(grant.managers);
    parts.error = '';
    parts.isArriving = true;
    this.#begin({
      nodeId: grant.nodeId,
      clusterId: grant.clusterId,
      ...addresses,
      ...placeFor(grant.role),
    });
  }

  async rejoin(request: JoinRequest): Promise<void> {
    const { files, parts } = this.#options;
    const identity = this.#mustIdentity();
    await rejoin(files, identity, request, text.inSwarm, timeoutSignal(joinPatienceMs));
    await parts.remove();
    parts.addAgent(identity);
  }

  async unlock(unlockKey: string): Promise<void> {
    const { place } = this.#options;
    const parsed = parseUnlockKey(unlockKey);
    if (!parsed.ok) throw daemonFault('InvalidArgument', text.malformedKey);
    if (!place.unlock(parsed.key)) throw daemonFault('Unauthenticated', text.wrongKey);
    this.resume(this.#mustIdentity());
  }
  async comeUp(): Promise<void> {
    await this.#options.parts.running.up(() => startPatienceMs);
  }
  async refuseUnlock(): Promise<void> {
    await this.#options.awaitManager();
    throw daemonFault('AlreadyExists', text.notLocked);
  }

  async leave(): Promise<void> {
    const { parts, place } = this.#options;
    if (parts.agent === undefined) await removeContainers(this.#ownContainers());
    else await parts.agent.removeAll();
    await parts.remove();
    place.wipe();
    parts.error = '';
    parts.isArriving = false;
  }

  async follow(): Promise<void> {
    await this.restart(await this.#options.parts.follow(), false);
  }

  /** The certificate says another role than the one that the node has. */
  async changeRole(role: 'manager' | 'worker'): Promise<void> {
    const { parts, files } = this.#options;
    const { founding: _, joining: __, form: ___, ...rest } = this.#mustIdentity();
    await parts.remove(allParts);
    if (role === 'worker') files.wipeManager();
    this.#begin({ ...rest, ...placeFor(role) });
  }

  /** The machine has another address: the others are told with the next hello. */
  async move(addresses: OwnAddresses): Promise<void> {
    const { parts, logger } = this.#options;
    const before = this.#mustIdentity();
    const { advertiseHost: to } = addresses;
    logger.info({ from: before.advertiseHost, to }, 'address_changed');
    await parts.remove(allParts);
    this.#begin({ ...before, ...addresses });
  }

  /** The manager's parts begin anew: elsewhere in the log, or with what is on the disk. */
  async restart(identity: Identity, isElsewhere: boolean): Promise<void> {
    const { parts, files, place } = this.#options;
    const before = this.#mustIdentity();
    await parts.remove(managerParts);
    // a server that the log's group goes on without never comes back under its name
    if (isElsewhere && before.generation === identity.generation && identity.joining === true)
      forgetStore(files, identity.generation);
    place.write(identity);
    parts.addManager(identity);
  }

  /** Writes down what the node is and starts its parts. */
  #begin(identity: Identity): void {
    this.#options.place.write(identity);
    this.#options.parts.add(identity);
  }

  #mustIdentity(): Identity {
    const { identity } = this.#options.place;
    if (identity === undefined) throw daemonFault('Unavailable', text.notInSwarm);
    return identity;
  }

  #refuseDisk(): void {
    const complaint = runDirComplaint(this.#options.config.runDir);
    if (complaint !== '') throw daemonFault('FailedPrecondition', complaint);
  }

  #addresses(asked: AddressesAsked): Promise<OwnAddresses> {
    return ownAddresses(this.#options.config, this.#options.engineSubnets, asked);
  }

  #ownContainers() {
    const { executor, logger } = this.#options;
    const { nodeId } = this.#mustIdentity();
    return { nodeId, executor, clock: systemClock, log: actorLog(logger, { actor: 'agent' }) };
  }
}

/** A worker has no place in the log. A new manager gets its own by asking the others. */
function placeFor(
  role: 'manager' | 'worker',
): Pick<Identity, 'role' | 'generation' | 'form' | 'joining'> {
  if (role === 'worker') return { role, generation: 0 };
  return { role, generation: 0, form: 'several', joining: true };
}
