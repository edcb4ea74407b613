import { listenForJoins } from '../api/join-listener.ts';
import type { Manager } from '../actors/manager/manager.ts';
import { type Asker, LogJoinServer } from '../actors/node/log-place/log-join-server.ts';
import { daemonFault, Fault } from '../domain/errors.ts';
import { PkiError, rejoinChannel } from '../pki/mod.ts';
import { aborted, systemClock } from '../supervisors/clock.ts';
import { askerOf } from './asker.ts';
import { packCheckpoint } from './checkpoint-body.ts';
import { CertificateIssuer } from './certificate-issuer.ts';
import { JoinPace } from './join-pace.ts';
import { actorLog } from './log.ts';
import { StartDesk } from './start-desk.ts';
import { type CurrentManager, externalCas, hostOf, type ManagerWiring, tlsOf } from './wiring.ts';

export async function runJoinListener(
  wiring: ManagerWiring,
  current: CurrentManager,
  scope: AbortSignal,
): Promise<void> {
  const { files, identity, logger } = wiring;
  const report = actorLog(logger, { actor: 'join-listener', node: identity.nodeId });
  const pace = new JoinPace(systemClock, scope);
  const certificateIssuers = new WeakMap<Manager, CertificateIssuer>();
  const running = (): Manager => {
    if (current.manager === undefined)
      throw daemonFault('Unavailable', 'the manager is being prepared; try again');
    return current.manager;
  };
  const ownServer = {
    letIn({ nodeId, pin }: Asker): void {
      if (files.letPeerIn(nodeId, pin)) report('peer_key_let_in', { member: nodeId, pin });
    },
  };
  const logJoins = (): LogJoinServer => new LogJoinServer(running(), ownServer);
  const asker = (certificate: Buffer): Asker => askerOf(certificate, running().view(), Date.now());
  const certificateIssuer = (): CertificateIssuer => {
    const manager = running();
    const known =
      certificateIssuers.get(manager) ??
      new CertificateIssuer({
        manager,
        now: Date.now,
        clock: systemClock,
        turn: (perS) => pace.turn(perS),
        connect: externalCas(files),
        onCaFailure: (url, error) =>
          report('external_ca_failed', { url, error: String(error) }, 'warn'),
      });
    certificateIssuers.set(manager, known);
    return known;
  };
  const starts = new StartDesk(wiring, current, report);
  const listener = await listenForJoins({
    host: hostOf(identity.listenAddr),
    port: Number(identity.listenAddr.slice(identity.listenAddr.lastIndexOf(':') + 1)),
    tls: tlsOf(files),
    // a token names the present root; the file has those of a rotation too
    root: () => current.manager?.view().cluster()?.rootCa.certPem ?? files.certificate('root'),
    admit: (ask, peer) => certificateIssuer().admit(ask, peer),
    renew: (request, certificate) => certificateIssuer().renew(request, certificate),
    rejoin: (ask, socket) => certificateIssuer().rejoin(ask, channelOf(socket)),
    logJoins: {
      start: (certificate, told) => starts.hear(certificate, told),
      offer: (certificate) => logJoins().offer(asker(certificate)),
      enroll: (certificate, told) => logJoins().enroll(asker(certificate), told),
      checkpoint: (certificate, generation) =>
        packCheckpoint(logJoins().checkpoint(asker(certificate), generation)),
    },
    log: report,
  }).finally(() => current.listens());
  wiring.onUp('join-listener');
  const forget = files.onCertificates(() => listener.setCertificate(tlsOf(files)));
  await aborted(scope);
  forget();
  await listener.close();
}

/** Throws a `Fault` for a connection that cannot be told from others. */
function channelOf(socket: Parameters<typeof rejoinChannel>[0]): string {
  try {
    return rejoinChannel(socket);
  } catch (error) {
    throw error instanceof PkiError ? new Fault('InvalidArgument', error.message) : error;
  }
}
