import type { LogStatus } from '../../domain/members/log-status.ts';
import { type Deps, ok, type Route } from '../call.ts';
import { getNode } from '../resolve.ts';

/** The replicated log, for who looks after the cluster (docs/operations.md); natswarm's own, not Docker's. */
export function stateLogRoutes({ swarm, identity }: Deps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/natswarm/backup',
      async handle({ res }) {
        const bytes = await swarm.backup();
        const type = { 'Content-Type': 'application/octet-stream', 'Content-Length': bytes.length };
        res.writeHead(200, { ...identity.headers, ...type });
        res.end(bytes);
        return undefined;
      },
    },
    {
      method: 'GET',
      path: '/natswarm/log',
      handle: async () => ok(statusView(await swarm.logStatus())),
    },
    {
      method: 'POST',
      path: '/natswarm/log/follow',
      async handle() {
        await swarm.follow();
        return ok();
      },
    },
    {
      method: 'POST',
      path: '/natswarm/log/leader/{id}',
      async handle({ id }) {
        await swarm.leadLogFrom(getNode(await swarm.read(), id).id);
        return ok();
      },
    },
  ];
}

const statusView = ({ generation, form, index, featureLevel, survey }: LogStatus): object => ({
  Generation: generation,
  Form: form,
  Index: index,
  FeatureLevel: featureLevel,
  ...(survey !== undefined && {
    Leader: survey.leader,
    Copies: survey.replicas,
    Servers: survey.servers.map(({ peer, nodeId, online }) => ({
      ID: peer,
      NodeID: nodeId,
      Online: online,
    })),
    ...(survey.unsettled !== undefined && { Unsettled: survey.unsettled }),
  }),
});
