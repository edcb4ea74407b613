import { X509Certificate } from 'node:crypto';
import type { Manager } from '../actors/manager/manager.ts';
import { hearStart } from '../actors/manager/start-check.ts';
import type { StartAnswer, StartTold } from '../bus/protocol.ts';
import { Fault } from '../domain/errors.ts';
import type { OwnDisk } from '../domain/members/starts.ts';
import { verifyNodeCertificate } from '../pki/mod.ts';
import { contradicted } from './admission.ts';
import type { LogEvent } from './log.ts';
import type { Hold } from './start-files.ts';
import type { CurrentManager, ManagerWiring } from './wiring.ts';

/** Hears of other managers' starts, whether this one has its log or not: of two that start at once each hears the other. */
export class StartDesk {
  readonly #wiring: ManagerWiring;
  readonly #current: CurrentManager;
  readonly #report: LogEvent;

  constructor(wiring: ManagerWiring, current: CurrentManager, report: LogEvent) {
    this.#wiring = wiring;
    this.#current = current;
    this.#report = report;
  }

  /** `certificate` (DER) is of the connection, and its key is proved. Rejects with a `Fault`. */
  async hear(certificate: Buffer, told: StartTold): Promise<StartAnswer> {
    const { starts, seen } = this.#wiring;
    const nodeId = this.#peerOf(certificate);
    const { manager } = this.#current;
    const answer = await hearStart(told, {
      // what a state in doubt goes with may be of no history
      seen: starts.hold === undefined ? seen.of(nodeId) : undefined,
      note: (mark) => {
        seen.note(nodeId, mark);
        return seen.flush();
      },
      own: this.#own(manager),
      managers: this.#wiring.files.peers().length,
      hasGoneOn: () => starts.hold !== undefined || manager?.hasGoneOn() === true,
      onOlder: (why, managers) => this.#end({ kind: 'older', why, managers }, nodeId),
      isOnLog: (kept, hash) =>
        manager?.generation === told.generation
          ? manager.isOnLog(kept, hash)
          : Promise.resolve(undefined),
    });
    if (typeof answer.log === 'string') this.#tellOf(nodeId, told, answer.log);
    return answer;
  }

  /** One that gets its state from others has none that could be older. */
  #own(manager: Manager | undefined): OwnDisk {
    const { joining, generation } = this.#wiring.identity;
    if (joining === true) return { generation, starts: [] };
    const { starts } = this.#wiring.starts;
    const kept = manager?.view().index ?? this.#current.kept;
    return kept === undefined ? { generation, starts } : { generation, starts, kept };
  }

  /** Only those that are to be managers as far as this one knows: who was let go must not end anybody's server. */
  #peerOf(certificate: Buffer): string {
    const { files, identity } = this.#wiring;
    const view = this.#current.manager?.view();
    const pem = new X509Certificate(certificate).toString();
    const root = files.certificate('root');
    const verified = verifyNodeCertificate(pem, root, identity.clusterId, Date.now());
    if (!verified.ok)
      throw new Fault('Unauthenticated', `the certificate is refused: ${verified.reason}`);
    const { nodeId, role } = verified;
    const isKnown =
      view === undefined
        ? files.peers().some((peer) => peer.nodeId === nodeId)
        : view.node(nodeId)?.role === 'manager';
    if (role !== 'manager' || !isKnown)
      throw new Fault('PermissionDenied', `node ${nodeId} is no manager`);
    return nodeId;
  }

  #end(hold: Hold, by: string): void {
    const { starts, identity, onRestart } = this.#wiring;
    this.#report('disk_rolled_back', { why: hold.why, by }, 'warn');
    void starts.setHold(hold).then(() => onRestart(identity));
  }

  /** People see it at the node. */
  #tellOf(nodeId: string, { starts }: StartTold, why: string): void {
    const start = starts.at(-1);
    const body = { nodeId, ...start, notice: contradicted(why) };
    this.#current.manager
      ?.command('manager.started', body)
      .catch((error: unknown) => this.#report('notice_not_taken', { error: String(error) }));
  }
}
