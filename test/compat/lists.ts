// Lists with every filter, objects as the API gives them, events, and what /info and /_ping say.

import { docker, get, type Row } from './row.ts';

const filtered = (list: string, ...filters: string[]): readonly Row[] =>
  filters.map((filter) => get(`${list}?filters=${filter}`));

const objects: readonly Row[] = [
  get('tasks', { until: /^200 \[\]$/ }),
  docker(
    'service create --detach --quiet --name item --label tier=front --stop-grace-period 1s natswarm-sleep:1',
  ),
  docker("service ls --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker("service inspect --format '{{.ID}}' item", { keep: 'item' }),
  docker('service ps --quiet --no-trunc item', { keep: 'itemTask' }),
  get('services'),
  get('services?status=true'),
  get('services/item?insertDefaults=true'),
  get('services/item?insertDefaults=perhaps'),
  get('services/{item}'),
  get('tasks'),
  get('tasks/{itemTask}'),
  get('tasks/item.1.{itemTask}'),
  get('nodes'),
  docker('service ls --format json'),
  docker('service ls --quiet'),
  docker('service ps --format json item'),
  docker('service ps --quiet item'),
  docker('service ps --filter nonsense=1 item'),
  docker('service ps --filter node=self --quiet item'),
  docker('service ps --filter node=nobody item'),
  docker('service ps item nobody'),
  docker('service inspect item nobody'),
];

const filters: readonly Row[] = [
  ...filtered(
    'services',
    '{"name":["it"]}',
    '{"name":["IT"]}',
    '{"name":["x","it"]}',
    '{"id":["nobody"]}',
    '{"id":[""]}',
    '{"id":["{item}"]}',
    '{"label":["tier"]}',
    '{"label":["tier=front"]}',
    '{"label":["tier=back"]}',
    '{"label":["tier","x"]}',
    '{"mode":["replicated"]}',
    '{"mode":["Replicated"]}',
    '{"mode":["global-job"]}',
    '{"runtime":["container"]}',
    '{"runtime":["plugin"]}',
    '{"nonsense":["x"]}',
    '{"name":{"it":true}}',
    '{"name":"it"}',
    '{}',
    'null',
    '[]',
    '""',
    '{"name":{}}',
    '{"name":[1]}',
  ),
  ...filtered(
    'tasks',
    '{"name":["item"]}',
    '{"name":["item.1"]}',
    '{"name":["item.2"]}',
    '{"label":["tier"]}',
    '{"label":["tier=back"]}',
    '{"service":["item"]}',
    '{"service":["item","nobody"]}',
    '{"service":["{item}"]}',
    '{"node":["nobody"]}',
    '{"desired-state":["running"]}',
    '{"desired-state":["Running","shutdown"]}',
    '{"desired-state":["shutdown"]}',
    '{"desired-state":["odd"]}',
    '{"runtime":["container"]}',
    '{"runtime":["plugin"]}',
    '{"_up-to-date":["true"]}',
    '{"id":["{itemTask}"]}',
    '{"id":["nobody"]}',
    '{"nonsense":["x"]}',
  ),
  ...filtered(
    'nodes',
    '{"role":["manager"]}',
    '{"role":["Worker"]}',
    '{"role":["king"]}',
    '{"name":["nobody"]}',
    '{"node.label":["disk=ssd"]}',
    '{"node.label":["disk=hdd"]}',
    '{"label":["x"]}',
    '{"id":["nobody"]}',
    '{"mode":["global"]}',
  ),
  ...filtered('secrets', '{"name":["x"]}', '{"names":["x"]}', '{"nonsense":["x"]}'),
  ...filtered('configs', '{"label":["x"]}', '{"names":["x"]}'),
  get('services?filters=%zz'),
];

const events: readonly Row[] = [
  docker("info --format '{{.SystemTime}}'", { keep: 'since' }),
  docker('service create --detach --quiet --name told --replicas 1 natswarm-sleep:1'),
  // scaled down before its task runs, it looks settled and runs for a moment
  docker("service ls --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker('service update --detach --label-add a=b told'),
  docker('service scale --detach told=0'),
  docker("service ls --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker('service update --detach --image natswarm-sleep:2 told'),
  docker('node update --availability pause self'),
  docker("info --format '{{.Name}}'", { keep: 'self' }),
  docker('node update --availability pause {self}'),
  docker('node update --availability active {self}'),
  docker('node update --label-add q=1 {self}'),
  docker('service rm told'),
  docker("info --format '{{.SystemTime}}'", { keep: 'until' }),
  docker('events --since {since} --until {until} --filter scope=swarm'),
  docker("events --since {since} --until {until} --filter scope=swarm --format '{{json .}}'"),
  docker('events --since {since} --until {until} --filter type=service --filter event=update'),
  docker('events --since {since} --until {until} --filter type=node'),
  docker('events --since {since} --until {until} --filter type=secret'),
  docker('events --since {since} --until {until} --filter service=told --filter scope=swarm'),
  docker('events --since {until} --until {since}'),
  docker('events --since soon --until {until}'),
  get('events?since=x&until=1'),
  get('events?since=1&until=2&filters=nonsense'),
];

const headers = 'api-version docker-experimental ostype builder-version swarm server'
  .concat(' cache-control pragma content-type content-length')
  .split(' ');
const system: readonly Row[] = [
  { api: ['GET', '/_ping'], answers: headers },
  { api: ['HEAD', '/_ping'], answers: headers },
  { api: ['GET', '/v1.51/_ping'], answers: headers },
  { api: ['POST', '/_ping'], answers: headers },
  { api: ['GET', '/v1.51/nodes/nobody'], answers: headers },
  { api: ['GET', '/nonsense'], answers: headers },
  docker("info --format '{{json .Swarm.Cluster.Spec}} {{json .Swarm.RemoteManagers}}'"),
  docker(
    "info --format '{{.Swarm.LocalNodeState}} {{.Swarm.NodeAddr}} {{.Swarm.ControlAvailable}} {{.Swarm.Error}} {{.Swarm.Nodes}} {{.Swarm.Managers}} {{json .Warnings}}'",
  ),
  docker(
    "info --format '{{.Swarm.Cluster.RootRotationInProgress}} {{.Swarm.Cluster.SubnetSize}} {{.Swarm.Cluster.DataPathPort}} {{json .Swarm.Cluster.TLSInfo}}'",
  ),
  docker("info --format '{{json .Swarm.Cluster.DefaultAddrPool}}'", {
    differs: 'shows the default that holds, as older engines did',
    natswarm: /\["10\.0\.0\.0\/8"\]/,
  }),
  docker('service rm item'),
];

export const lists: readonly Row[] = [...objects, ...filters, ...events, ...system];
