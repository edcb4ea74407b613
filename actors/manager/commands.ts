import type { Bus, BusMessage, Unsubscribe } from '../../bus/ports.ts';
import { wireFault } from '../../bus/wire-fault.ts';
import type { CommandReply } from '../../bus/protocol.ts';
import { subjects } from '../../bus/subjects.ts';
import type { CommandContext } from '../../domain/commands/command.ts';
import { commands } from '../../domain/commands/mod.ts';
import { refusedFor, type Room } from '../../domain/disk-room.ts';
import { Fault } from '../../domain/errors.ts';
import type { Committed, Committer } from './committer.ts';
import type { Report } from '../../supervisors/report.ts';
import type { CaReconciler } from './reconcile/ca.ts';

export interface LeaderCommandsOptions {
  readonly bus: Bus;
  readonly committer: Committer;
  /** What there is room for on the managers' disks. */
  readonly room: () => Room;
  /** Runs a command as soon as this manager's leader may serve; rejects with a Fault. */
  readonly command: (name: string, body: unknown) => Promise<Committed<unknown>>;
  readonly newJoinToken: CommandContext['newJoinToken'];
  readonly newUnlockKey: CommandContext['newUnlockKey'];
  readonly random: () => number;
  readonly log: Report;
}

/** Commands that may be about the CA. */
const caCommands: ReadonlySet<string> = new Set(['cluster.update']);

/** The commands of `domain/commands`, carried out by the leader. */
export class LeaderCommands {
  readonly #options: LeaderCommandsOptions;
  readonly #ca: Pick<CaReconciler, 'inquire'> | undefined;

  constructor(options: LeaderCommandsOptions, ca: Pick<CaReconciler, 'inquire'> | undefined) {
    this.#options = options;
    this.#ca = ca;
  }

  /** Answers those that come over the bus. */
  subscribe(): Unsubscribe {
    return this.#options.bus.subscribe(subjects.commands, (message) => this.#onMessage(message));
  }

  /**
   * Runs one; rejects with its Fault.
   * @param id by which the log is to tell it
   */
  async run(name: string, body: unknown, id?: string): Promise<Committed<unknown>> {
    const command = commands[name];
    if (command === undefined)
      throw new Fault('Unimplemented', `unknown command ${name.slice(0, 100)}`);
    const { committer, log, newJoinToken, newUnlockKey, random, room } = this.#options;
    const refused = refusedFor(name, room());
    if (refused !== undefined) throw refused;
    const given = { newJoinToken, newUnlockKey, random };
    const context = { ...given, now: committer.now(), newId: () => '' };
    const ca = caCommands.has(name) ? await this.#ca?.inquire(command, body, context) : undefined;
    const done = await committer.propose(
      (view, ctx) =>
        command.decide(view, { ...ctx, ...given, ...(ca !== undefined && { ca }) }, body),
      id,
    );
    log('command', { command: name, id: idOf(body) ?? idOf(done.result), index: done.index });
    return done;
  }

  #onMessage({ subject, body, reply }: BusMessage): void {
    if (reply === undefined) return;
    void this.#options.command(subjects.commandName(subject), body).then(
      ({ result, index }) => reply({ ok: true, result, index } satisfies CommandReply),
      (error: unknown) => reply({ ok: false, error: wireFault(error) } satisfies CommandReply),
    );
  }
}

/** Of the object that a command was about. */
const idOf = (value: unknown): unknown => (value as { readonly id?: unknown } | undefined)?.id;
