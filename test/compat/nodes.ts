// The node, and what its availability means for tasks.

import { hostname } from 'node:os';
import { docker, get, type Row } from './row.ts';

const host = hostname();
const states = "--no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}'";

const specs: readonly Row[] = [
  docker("node ls --filter membership=accepted --format '{{.Hostname}}'"),
  docker('node ls --filter membership=pending --quiet'),
  docker('node ls --filter membership=odd'),
  docker(`node ls --filter name=${host.slice(0, 1)} --format '{{.Hostname}} {{.EngineVersion}}'`),
  docker('node ls --filter id=nobody'),
  docker('node ls --filter label=disk'),
  docker(`node update --label-add disk=ssd --label-add zone= ${host}`),
  docker("node ls --filter node.label=disk=ssd --format '{{.Hostname}}'"),
  docker('node ls --filter node.label=disk=hdd --quiet'),
  docker("node ls --filter node.label=zone --filter role=manager --format '{{.Hostname}}'"),
  docker(`node update --label-rm nothing ${host}`),
  docker(`node update --label-rm zone ${host}`),
  docker(`node update ${host}`),
  docker(`node inspect ${host}`),
  docker(`node inspect --pretty ${host}`),
  docker(`node update --availability asleep ${host}`),
  docker(`node update --role king ${host}`),
  docker(`node update --role worker ${host}`),
  docker(`node demote ${host}`),
  docker(`node promote ${host}`),
  docker(`node promote nobody ${host}`),
  docker(`node rm ${host}`),
  docker(`node rm --force ${host}`),
  docker('node rm nobody'),
  docker("node inspect --format '{{.Version.Index}}' self", { keep: 'nodeVersion' }),
  { api: ['POST', `/v1.51/nodes/${host}/update?version={nodeVersion}`, {}] },
  { api: ['POST', `/v1.51/nodes/${host}/update?version={nodeVersion}`, { Role: 'manager' }] },
  { api: ['POST', `/v1.51/nodes/${host}/update`, { Role: 'manager', Availability: 'active' }] },
  {
    api: [
      'POST',
      `/v1.51/nodes/${host}/update?version=1`,
      { Role: 'manager', Availability: 'active' },
    ],
  },
  get('nodes?filters={"membership":["pending"]}', {
    differs: 'Swarm forgets that a node was accepted when it is updated; no user can mean that',
    natswarm: /^200 \[\]$/,
  }),
];

const availability: readonly Row[] = [
  docker(
    'service create --detach --quiet --name spread --replicas 2 --stop-grace-period 1s natswarm-sleep:1',
  ),
  docker('service create --detach --quiet --name each --mode global natswarm-sleep:1'),
  docker("service ls --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker(`node update --availability pause ${host}`),
  docker("node ls --format '{{.Status}} {{.Availability}}'"),
  docker('service scale --detach spread=3'),
  docker(`service ps ${states} spread`, { until: /spread\.3 .*no suitable node/ }),
  docker(`service ps ${states} each`),
  docker(`node update --availability drain ${host}`),
  docker(`service ps ${states} spread`, {
    until:
      /spread\.1 Running[\s\S]*spread\.1 Shutdown Shutdown[\s\S]*spread\.2 Running[\s\S]*spread\.2 Shutdown Shutdown/,
    unordered: true,
  }),
  docker(`service ps ${states} each`, { until: /each\.\S+ Shutdown Shutdown/ }),
  docker(`node ps ${states} ${host}`, { unordered: true }),
  docker("service ls --format '{{.Name}} {{.Replicas}}'"),
  docker(`node inspect --format '{{.Spec.Availability}} {{.Status.State}}' ${host}`),
  docker(`node update --availability active ${host}`),
  docker("service ls --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker(`service ps ${states} spread`, { unordered: true }),
  docker(`service ps ${states} each`, { unordered: true }),
  docker(`node ps --filter desired-state=running ${states} ${host}`, { unordered: true }),
  docker(`node ps --filter name=spread.1 ${states}`, { unordered: true }),
  docker('node ps --filter service=nobody'),
  docker('node ps nobody'),
  docker('service rm spread each'),
];

export const nodes: readonly Row[] = [...specs, ...availability];
