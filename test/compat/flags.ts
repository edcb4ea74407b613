// `service create` with most of its flags: the spec, the task, its container.

import { create, docker, get, type Row } from './row.ts';

const flagged = [
  "--hostname 'h-{{.Task.Slot}}-{{.Service.Name}}' --user 0:0 --workdir /tmp --group 7",
  "--env 'NODE={{.Node.Hostname}}' --env 'SLOT={{.Task.Slot}}' --env EMPTY= --label a=b --container-label c=d",
  '--publish mode=host,target=8080,published=18080 --publish mode=host,target=53,published=1053,protocol=udp',
  "--mount 'type=volume,source=vol-{{.Task.Slot}},target=/v,volume-label=k=v' --mount type=volume,target=/anonymous",
  '--mount type=tmpfs,target=/t,tmpfs-size=1000000,tmpfs-mode=1770 --mount type=bind,source=/tmp,target=/b,readonly',
  '--health-cmd true --health-interval 1s --health-timeout 2s --health-retries 3 --health-start-period 1s',
  '--health-start-interval 500ms --limit-cpu 0.5 --limit-memory 64M --limit-pids 50 --reserve-cpu 0.1 --reserve-memory 16M',
  '--restart-condition on-failure --restart-delay 1s --restart-max-attempts 3 --restart-window 1m',
  '--update-parallelism 2 --update-delay 1s --update-monitor 1s --update-failure-action rollback',
  '--update-max-failure-ratio 0.25 --update-order start-first --rollback-parallelism 3 --rollback-delay 2s',
  '--rollback-monitor 3s --rollback-failure-action continue --rollback-max-failure-ratio 0.5 --rollback-order start-first',
  '--dns 1.1.1.1 --dns-option ndots:2 --dns-search example.com --host one:10.1.1.1 --host two:10.1.1.2',
  '--cap-add net_admin --cap-drop CHOWN --ulimit nofile=100:200 --sysctl net.core.somaxconn=512 --init --read-only',
  '--oom-score-adj 100 --stop-signal SIGINT --stop-grace-period 3s --log-driver json-file --log-opt max-size=1m',
  "--constraint node.role==manager --constraint 'node.labels.disk == ssd' --placement-pref spread=node.labels.disk",
  '--replicas-max-per-node 4 --endpoint-mode vip',
].join(' ');

const parts = (object: string, names: string): string =>
  `'${names
    .split(' ')
    .map((name) => `${name} {{json .${object}${name}}}`)
    .join('\n')}'`;
const hostConfig = parts(
  'HostConfig.',
  [
    'NetworkMode PortBindings RestartPolicy AutoRemove CapAdd CapDrop Dns DnsOptions',
    'DnsSearch ExtraHosts GroupAdd OomScoreAdj ReadonlyRootfs Sysctls Memory NanoCpus',
    'PidsLimit Ulimits Init LogConfig IpcMode Privileged PidMode ShmSize Isolation',
    'MemoryReservation RestartPolicy',
  ].join(' '),
);
const config = parts(
  'Config.',
  [
    'Image Hostname Domainname User Env Cmd Entrypoint WorkingDir Tty OpenStdin Labels',
    'StopSignal Healthcheck ExposedPorts AttachStdout',
  ].join(' '),
);
const mounts =
  "'{{range .Mounts}}{{.Type}} {{.Destination}} {{.Mode}} {{.RW}} {{.Propagation}}\n{{end}}'";
const containerOf = (name: string, keep: string): Row =>
  docker(
    `ps --quiet --no-trunc --filter label=com.docker.swarm.service.name=${name} --filter status=running`,
    { keep },
  );

const all: readonly Row[] = [
  docker(`service create --detach --quiet --name full ${flagged} natswarm-sleep:1`),
  docker('service inspect full', { settled: true }),
  docker('service inspect --pretty full'),
  docker(
    "service ps --no-trunc --format '{{.Name}} {{.Image}} {{.Node}} {{.CurrentState}} {{.Error}}' full",
  ),
  docker("service ps --format '{{.Ports}}' full", {
    differs: 'a port is bound for IPv4 and IPv6, and Swarm shows it twice; once is enough',
    natswarm: /^exit 0\n\*:1053->53\/udp,\*:18080->8080\/tcp\n--- stderr\n$/,
  }),
  docker("service ls --filter name=full --format '{{.Name}} {{.Replicas}} {{.Ports}}'"),
  containerOf('full', 'full'),
  docker(`inspect --format ${config} {full}`),
  docker(`inspect --format ${hostConfig} {full}`),
  docker(`inspect --format ${mounts} {full}`, { unordered: true }),
  docker("inspect --format '{{.Name}} {{.Path}} {{json .Args}} {{.State.Status}}' {full}"),
  docker("inspect --format '{{json .NetworkSettings.Ports}}' {full}"),
  docker("inspect --format '{{json .Config.StopTimeout}}' {full}", {
    differs:
      'whoever stops the container, the engine too, gives it the grace period of its service',
    natswarm: /^exit 0\n3\n/,
  }),
  docker("volume inspect --format '{{json .Labels}} {{.Driver}}' vol-1"),
  docker("ps --filter is-task=true --format '{{.Image}} {{.Names}}'"),
  docker('ps --filter is-task=false --quiet'),
  docker('ps --filter is-task=maybe'),
  docker("inspect --format '{{.Spec.Name}}' full"),
  docker("inspect --type service --format '{{.Spec.Name}}' full"),
  docker("inspect --type node --format '{{.Spec.Role}}' self"),
  docker('inspect --type task full'),
  docker('inspect --type service nobody'),
  docker('inspect --type node nobody'),
  docker('inspect --type secret nobody'),
  docker('inspect --type config nobody'),
  docker('inspect nobody'),
  docker('service rm full'),
];

const onNetwork = (Target: string, i: number): Row =>
  create({ Name: `by-id-${i}` }, {}, { Networks: [{ Target }] });

const networks: readonly Row[] = [
  docker('service create --detach --quiet --name on-host --network host natswarm-sleep:1'),
  docker('service create --detach --quiet --name on-bridge --network bridge natswarm-sleep:1'),
  docker("service ls --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker('service inspect --pretty on-host'),
  docker("service inspect --format '{{json .Endpoint}}' on-bridge", {
    differs: 'Swarm has objects of its own for the networks of the engine; here their names do',
    natswarm: /{"Spec":{"Mode":"vip"},"VirtualIPs":\[{"NetworkID":"bridge"}\]}/,
  }),
  containerOf('on-host', 'onHost'),
  docker(
    "inspect --format '{{.HostConfig.NetworkMode}} {{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' {onHost}",
  ),
  docker('service update --detach --network-rm host on-host'),
  docker("service inspect --format '{{len .Spec.TaskTemplate.Networks}}' on-host"),
  docker('service update --detach --network-rm nobody on-host'),
  docker('service update --detach --network-add nobody on-host'),
  docker('service create --detach --name nowhere --network nobody natswarm-sleep:1'),
  docker("network inspect --format '{{.Scope}} {{.Driver}}' host"),
  docker('service create --detach --quiet --name alone --network none natswarm-sleep:1'),
  docker("network inspect --format '{{.Id}}' bridge", { keep: 'bridgeId' }),
  docker("network inspect --format '{{.Id}}' none", { keep: 'noneId' }),
  docker('network ls --quiet --filter name=^bridge$', { keep: 'bridgeShortId' }),
  docker('network create own', { keep: 'ownId' }),
  docker('service create --detach --quiet --name by-id --network {bridgeId} natswarm-sleep:1'),
  get('networks/{bridgeId}?scope=swarm'),
  get('networks/none?scope=swarm'),
  ...['{bridgeId}', '{bridgeShortId}', 'bridge', '{noneId}', 'none', 'own', '{ownId}'].map(
    onNetwork,
  ),
  ...['nobody', '../x', ''].map((Target) => ({
    ...onNetwork(Target, 9),
    differs:
      'a network that is not there is the mistake of the client, which Swarm answers with 500',
    natswarm: /^404 {"message":"network .* not found"}/,
  })),
  create({ Name: 'by-id-old', Networks: [{ Target: '{bridgeId}' }] }),
  docker("service ls --filter name=by-id --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker('service rm by-id-0 by-id-1 by-id-2 by-id-old'),
  docker('network rm own'),
  docker('service create --detach --name both --network host --network bridge natswarm-sleep:1', {
    differs: 'its tasks can only fail at start; told at once',
    natswarm: /exit 1\n[\s\S]*a service can use only one of the networks host and bridge/,
  }),
  docker('service rm on-host on-bridge'),
  docker('service rm both', { differs: 'see above', natswarm: /^exit 1/ }),
];

export const flags: readonly Row[] = [...all, ...networks];
