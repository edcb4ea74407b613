import type { Agent } from '../actors/agent/agent.ts';
import type { Executor } from '../actors/agent/ports.ts';
import { treeOf } from '../actors/agent/tree-desk.ts';
import type { Manager } from '../actors/manager/manager.ts';
import type { NodeTree } from '../actors/manager/trees.ts';
import type { NodeRenewal } from '../actors/node/certificate/node-renewal.ts';
import { isElsewhere } from '../actors/node/log-place/log-place.ts';
import type { Issued } from '../api/join-listener.ts';
import type { Applied } from '../domain/store/changes.ts';
import { daemonFault, errorText } from '../domain/errors.ts';
import { text } from '../actors/node/swarm-texts.ts';
import { systemClock } from '../supervisors/clock.ts';
import type { Registry } from '../supervisors/registry.ts';
import { runs } from '../supervisors/run.ts';
import type { Supervisor } from '../supervisors/supervisor.ts';
import { grow, trees } from '../supervisors/trees.ts';
import { beingMadeAnew, contradicted, rolledBack } from './admission.ts';
import type { Config } from './config.ts';
import { runDirComplaint } from './key-lock.ts';
import { actorLog, type Logger } from './log.ts';
import { type Identity, isManager } from '../actors/node/identity.ts';
import type { NodeFiles } from './node-files.ts';
import { ownCertificate } from './own-certificate.ts';
import type { OwnAddresses } from '../actors/node/identity.ts';
import { newNodeRenewal } from './renew-node.ts';
import { runAgent } from './run-agent.ts';
import { Awaitable } from '../actors/node/awaitable.ts';
import { SeenDisks, StartFiles } from './start-files.ts';
import { managerChildren } from './wire-manager.ts';

export interface NodePartsOptions {
  readonly config: Config;
  readonly files: NodeFiles;
  readonly executor: Executor;
  readonly logger: Logger;
  readonly supervisor: Supervisor;
  readonly registry: Registry;
  /** Address ranges of the engine's own networks, in CIDR form. */
  readonly engineSubnets: () => Promise<readonly string[]>;
}

/** What the parts tell, and ask, the node whose parts they are. */
export interface NodeHooks {
  /** As it is now; undefined outside a swarm. */
  readonly identity: () => Identity | undefined;
  /** Join listeners of the managers that the node knows of, in the order in which they are to be asked. */
  readonly managers: () => readonly string[];
  /** Something about this manager has changed while it runs. */
  readonly onIdentity: (identity: Identity) => void;
  /** This manager is to begin anew elsewhere in the log. */
  readonly onElsewhere: (identity: Identity) => void;
  /** This manager is to be started again, with what is on its disk now. */
  readonly onRestart: (identity: Identity) => void;
  readonly onMoved: (addresses: OwnAddresses) => void;
  /** The certificate says this now. */
  readonly onRole: (role: 'manager' | 'worker') => void;
  readonly onChanges: (applied: readonly Applied[]) => void;
}

export const allParts: readonly string[] = trees.daemon.children.map(({ id }) => id);
export const managerParts = ['bus-server', 'bus-auth', 'manager', 'join-listener'] as const;

/** The children of the daemon's supervisor that make it a node of a swarm. */
export class NodeParts {
  readonly running = new Awaitable<Manager>();
  /** With the leader. */
  readonly session = new Awaitable<string>();
  /** Of a manager, when it counts as one. */
  readonly place = new Awaitable<number>();
  /** The node has its certificate, and is not all yet that it is to be. */
  isArriving = false;
  /** Why a join came to nothing of which nobody waited for the end. */
  error = '';
  /** Why parts do not run, by part: each until the part is up again. */
  readonly #failures = new Map<string, string>();
  agent: Agent | undefined;
  readonly starts: StartFiles;
  readonly #options: NodePartsOptions;
  readonly #hooks: NodeHooks;
  #renewal: NodeRenewal<Issued> | undefined;
  #engineComplaint = '';
  #progress = '';
  /** Why this natswarm cannot run the manager. */
  #standstill = '';

  constructor(options: NodePartsOptions, hooks: NodeHooks) {
    this.#options = options;
    this.starts = new StartFiles(options.files);
    this.#hooks = hooks;
  }

  add(identity: Identity): void {
    if (isManager(identity)) this.addManager(identity);
    this.addAgent(identity);
  }

  /** @param founding the log is to be made; it hears why a part cannot start */
  addManager(first: Identity, founding?: (error: unknown) => void): void {
    const { config, files, logger, supervisor, registry } = this.#options;
    this.starts.reread();
    this.#standstill = '';
    let identity = first;
    const onIdentity = (next: Identity): void => {
      if (isElsewhere(identity, next)) return this.#hooks.onElsewhere(next);
      identity = next;
      this.#hooks.onIdentity(next);
      this.#notePlace(next);
    };
    this.#notePlace(first);
    for (const child of managerChildren({
      config,
      files,
      get identity() {
        return identity;
      },
      logger,
      registry,
      create: founding !== undefined,
      onIdentity,
      onRefused: (addr) => this.renew(addr),
      onProgress: (why) => (this.#progress = why),
      // when locking begins, so does a renewal: the key of before was in the clear
      onLock: () => {
        if (files.pendingKey() !== undefined) this.renew();
      },
      onForgotten: () => {
        const { founding: _, ...rest } = identity;
        this.#hooks.onElsewhere({ ...rest, joining: true });
      },
      onRestart: (next) => this.#hooks.onRestart(next),
      starts: this.starts,
      seen: new SeenDisks(files),
      onManager: (manager) => this.#setManager(manager),
      onStandstill: (why) => (this.#standstill = why),
      onUp: (part) => this.#failures.delete(part),
      onFailure: (part, error) => {
        this.#fail(part, error);
        founding?.(error);
      },
    }))
      supervisor.add(child);
  }

  addAgent(identity: Identity): void {
    const managerOnes = {
      'bus-server': undefined,
      'bus-auth': undefined,
      manager: undefined,
      'join-listener': undefined,
    };
    const { config, files, executor, logger, registry } = this.#options;
    const wiring = {
      config,
      files,
      identity: () => this.#hooks.identity() ?? identity,
      executor,
      logger,
      registry,
      onAgent: (running: Agent | undefined) => {
        this.agent = running;
        if (running !== undefined) this.#failures.delete('agent');
      },
      onSession: (session: string | undefined) => {
        this.session.set(session);
        this.#lookWhetherThere();
      },
      engineSubnets: this.#options.engineSubnets,
      onMoved: this.#hooks.onMoved,
      onEngine: (complaint: string) => (this.#engineComplaint = complaint),
      renew: () => this.renew(),
    };
    const agent = runs((scope) =>
      runAgent(wiring, scope).catch((error: unknown) => {
        this.#fail('agent', error);
        throw error;
      }),
    );
    this.#renewal = this.#newRenewal(identity);
    const renewal = this.#renewal.part();
    for (const child of grow(trees.daemon, { ...managerOnes, renewal, agent }))
      this.#options.supervisor.add(child);
  }

  async remove(ids: readonly string[] = allParts): Promise<void> {
    this.#progress = '';
    this.place.set(undefined);
    for (const id of ids.toReversed()) {
      await this.#options.supervisor.remove(id);
      this.#failures.delete(id);
    }
  }

  /** A new certificate now, from the manager at `addr` first. */
  renew(addr?: string): void {
    this.#renewal?.now(addr);
  }

  /** What runs in this daemon. */
  tree(): NodeTree {
    const nodeId = this.#hooks.identity()?.nodeId ?? '';
    return { nodeId, ...treeOf(this.#options.registry, systemClock.now()) };
  }

  /** What the user must know; '' if nothing. */
  complaint(): string {
    const { files, config } = this.#options;
    const [failure = ''] = this.#failures.values();
    const own =
      this.held() ||
      this.error ||
      failure ||
      this.#renewal?.complaint() ||
      this.#arrivalComplaint();
    return own || !files.locks() ? own : runDirComplaint(config.runDir);
  }

  #fail(part: string, error: unknown): void {
    this.#failures.set(part, errorText(error));
  }

  /** Why this manager serves nothing and will not by itself; '' for nothing. */
  held(): string {
    const identity = this.#hooks.identity();
    if (identity === undefined || !isManager(identity)) return '';
    if (this.#standstill !== '') return this.#standstill;
    const { hold, aside } = this.starts;
    if (hold?.kind === 'contradiction') return contradicted(hold.why);
    return aside !== undefined && identity.joining === true
      ? `${rolledBack(aside)} ${beingMadeAnew}`
      : '';
  }

  /** What this manager knows is set aside: the state is got from the others. Answers the identity to begin anew with. */
  async follow(): Promise<Identity> {
    const identity = this.#hooks.identity();
    const { hold } = this.starts;
    if (identity === undefined || hold?.kind !== 'contradiction')
      throw daemonFault('FailedPrecondition', text.noContradiction);
    const why = `it contradicts the log of the others (${hold.why}), which it was told to follow`;
    await this.starts.setHold({ kind: 'older', why });
    return identity;
  }

  #notePlace({ generation, joining, founding }: Identity): void {
    const hasPlace = generation > 0 && joining === undefined && founding === undefined;
    this.#progress = hasPlace ? '' : 'it looks for its place in the log';
    this.place.set(hasPlace ? generation : undefined);
    this.#lookWhetherThere();
  }

  #lookWhetherThere(): void {
    const identity = this.#hooks.identity();
    const hasPlace = identity === undefined || !isManager(identity) || this.place.current;
    if (this.session.current !== undefined && hasPlace !== undefined) this.isArriving = false;
  }

  #arrivalComplaint(): string {
    if (this.#progress !== '') return `the manager is being prepared: ${this.#progress}`;
    if (!this.isArriving) return '';
    if (this.agent?.isConnected() === true) return this.#engineComplaint;
    const buses = this.#options.files.managers().map(({ bus }) => bus);
    return `no bus of a manager can be reached yet: ${buses.join(', ')}`;
  }

  #newRenewal(identity: Identity): NodeRenewal<Issued> {
    const { files, logger, registry } = this.#options;
    return newNodeRenewal({
      files,
      registry,
      own: () => {
        const manager = this.running.current;
        return manager && ownCertificate(manager.view(), identity, files.certificate('key'));
      },
      managers: this.#hooks.managers,
      onIssued: ({ managers, role }) => {
        files.writeManagers(managers);
        this.#hooks.onRole(role);
      },
      report: actorLog(logger, { actor: 'renewal', node: identity.nodeId }),
    });
  }

  #setManager(manager: Manager | undefined): void {
    this.running.set(manager);
    if (manager === undefined) return;
    this.error = '';
    manager.watch(this.#hooks.onChanges);
  }
}
