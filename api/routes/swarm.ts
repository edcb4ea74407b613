import { daemonFault } from '../../domain/errors.ts';
import type { Cluster } from '../../domain/model/objects.ts';
import { decodeInitRequest } from '../../domain/spec/cluster.ts';
import { always, decode, list, struct, text } from '../../domain/spec/decode.ts';
import { readJson } from '../body.ts';
import { type Call, type Deps, ok, type Reply, type Route } from '../call.ts';
import { swarmView } from '../view/cluster.ts';

const joinType = struct('swarm.JoinRequest', {
  ListenAddr: always(text()),
  AdvertiseAddr: always(text()),
  DataPathAddr: always(text()),
  RemoteAddrs: always(list(text())),
  JoinToken: always(text()),
  Availability: always(text('swarm.NodeAvailability')),
});
const unlockType = struct('swarm.UnlockRequest', { UnlockKey: always(text()) });

/** /swarm… of Docker's API (swarm-compat §2.3). */
export function swarmRoutes(deps: Deps): readonly Route[] {
  const { swarm } = deps;
  return [
    {
      method: 'GET',
      path: '/swarm',
      handle: async () => ok(swarmView(await clusterOf(deps), deps.readTlsInfo)),
    },
    { method: 'POST', path: '/swarm/init', handle: (call) => init(deps, call) },
    { method: 'POST', path: '/swarm/join', handle: (call) => join(deps, call) },
    {
      method: 'POST',
      path: '/swarm/leave',
      async handle({ query }) {
        query.check();
        await swarm.leave(query.flag('force'));
        return ok();
      },
    },
    { method: 'POST', path: '/swarm/update', handle: (call) => update(deps, call) },
    {
      method: 'GET',
      path: '/swarm/unlockkey',
      handle: async () => ok({ UnlockKey: (await clusterOf(deps)).unlockKey ?? '' }),
    },
    { method: 'POST', path: '/swarm/unlock', handle: (call) => unlock(deps, call) },
  ];
}

async function clusterOf({ swarm }: Deps): Promise<Cluster> {
  const cluster = (await swarm.read()).cluster();
  if (cluster === undefined) throw daemonFault('Unavailable', 'This node is not part of a swarm');
  return cluster;
}

async function init({ swarm }: Deps, { req, version }: Call): Promise<Reply> {
  const body = decodeInitRequest(await readJson(req), version);
  return ok(
    await swarm.init({
      listenAddr: body.ListenAddr,
      advertiseAddr: body.AdvertiseAddr,
      dataPathAddr: body.DataPathAddr,
      dataPathPort: body.DataPathPort,
      forceNewCluster: body.ForceNewCluster,
      autoLockManagers: body.AutoLockManagers,
      availability: body.Availability,
      defaultAddrPool: body.DefaultAddrPool,
      subnetSize: body.SubnetSize,
      spec: body.Spec,
    }),
  );
}

async function join({ swarm }: Deps, { req }: Call): Promise<Reply> {
  const body = decode(joinType, await readJson(req));
  await swarm.join({
    listenAddr: body.ListenAddr,
    advertiseAddr: body.AdvertiseAddr,
    dataPathAddr: body.DataPathAddr,
    remoteAddrs: body.RemoteAddrs,
    joinToken: body.JoinToken,
    availability: body.Availability,
  });
  return ok();
}

async function update({ swarm }: Deps, { req, query }: Call): Promise<Reply> {
  const spec = await readJson(req);
  const version = query.version('swarm');
  await swarm.command('cluster.update', {
    version,
    spec,
    rotateWorkerToken: query.strictFlag('rotateWorkerToken', false),
    rotateManagerToken: query.strictFlag('rotateManagerToken', false),
    rotateManagerUnlockKey: query.strictFlag('rotateManagerUnlockKey', false),
  });
  return ok();
}

async function unlock({ swarm }: Deps, { req }: Call): Promise<Reply> {
  await swarm.unlock(decode(unlockType, await readJson(req)).UnlockKey);
  return ok();
}
