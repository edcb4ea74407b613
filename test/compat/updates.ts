// `service update`, flag by flag; updates that fail; scaling.

import { docker, type Row } from './row.ts';

// Without replicas an update is nothing but a new spec.
const edit = (flagged: string): Row => docker(`service update --detach ${flagged} edit`);
const spec = docker("service inspect --format '{{json .Spec}}' edit");
const flagByFlag: readonly Row[] = [
  docker('service create --detach --quiet --name edit --replicas 0 natswarm-sleep:1'),
  edit('--label-add l=1 --container-label-add cl=1'),
  edit('--env-add X=1 --args '.concat("'sh -c true'")),
  edit('--group-add 7 --user 1:1 --workdir /tmp --hostname h'),
  edit('--host-add one:10.1.1.1 --dns-add 1.1.1.1 --dns-option-add ndots:2 --dns-search-add x.org'),
  edit('--cap-add CHOWN --cap-drop net_admin --ulimit-add nofile=1:2 --sysctl-add a.b=c'),
  edit('--mount-add type=tmpfs,target=/t --publish-add mode=host,target=80,published=18080'),
  edit('--constraint-add node.role==manager --placement-pref-add spread=node.labels.x'),
  spec,
  edit('--label-rm l --container-label-rm cl --env-rm X --group-rm 7'),
  edit('--host-rm one:10.1.1.1 --dns-rm 1.1.1.1 --dns-option-rm ndots:2 --dns-search-rm x.org'),
  edit('--cap-add NET_ADMIN --cap-drop CHOWN --ulimit-rm nofile --sysctl-rm a.b'),
  edit('--mount-rm /t --publish-rm 80'),
  edit('--constraint-rm node.role==manager --placement-pref-rm spread=node.labels.x'),
  spec,
  edit('--init --tty --read-only --oom-score-adj 5 --stop-signal SIGINT --stop-grace-period 2s'),
  edit('--health-cmd true --health-interval 3s --health-retries 2'),
  edit('--limit-cpu 1 --limit-memory 64M --limit-pids 9 --reserve-cpu 1 --reserve-memory 32M'),
  edit('--restart-condition none --restart-delay 1s --restart-max-attempts 2 --restart-window 3s'),
  edit('--log-driver local --log-opt max-size=1m --replicas-max-per-node 2 --entrypoint /bin/sh'),
  edit('--update-parallelism 0 --update-order start-first --update-failure-action continue'),
  edit('--rollback-delay 1s --rollback-monitor 2s --rollback-max-failure-ratio 0.1'),
  edit('--endpoint-mode dnsrr --force'),
  spec,
  edit('--no-healthcheck --init=false --tty=false --read-only=false --endpoint-mode vip'),
  edit('--limit-cpu 0 --limit-memory 0 --limit-pids 0 --reserve-cpu 0 --reserve-memory 0'),
  spec,
  edit('--health-cmd true --no-healthcheck'),
  edit('--limit-memory 1k'),
  edit('--label-rm nothing --env-rm nothing --mount-rm /nothing --publish-rm 99'),
  edit(
    '--publish-add mode=host,target=80,published=18081 --publish-add mode=host,target=81,published=18081',
  ),
  edit("--constraint-add 'node.role=manager'"),
  edit('--mode global'),
  edit('--image UPPER'),
  edit('--rollback --force'),
  docker("service inspect --format '{{json .PreviousSpec}}' edit"),
  edit('--rollback'),
  spec,
  docker('service rollback --detach edit'),
  spec,
  docker("service inspect --format '{{json .UpdateStatus}}' edit", {
    until: /rollback_completed|null/,
  }),
  docker('service rm edit'),
];

const status = (name: string): string =>
  `service inspect --format '{{.UpdateStatus.State}} {{.UpdateStatus.Message}} {{.Spec.TaskTemplate.ContainerSpec.Image}}' ${name}`;
// Which slot comes first is anybody's choice.
const images = "--format '{{.Image}} {{.DesiredState}} {{.CurrentState}}'";
const make = (name: string, flagged: string): Row =>
  docker(
    `service create --detach --quiet --name ${name} --replicas 2 --stop-grace-period 1s --update-monitor 300ms --rollback-monitor 300ms ${flagged} natswarm-sleep:1`,
  );
const failing: readonly Row[] = [
  make('halts', '--restart-condition none'),
  make('returns', '--update-failure-action rollback --restart-condition none'),
  make(
    'goes-on',
    '--update-failure-action continue --update-parallelism 2 --restart-condition none',
  ),
  make('starts-first', '--update-order start-first --update-parallelism 2'),
  docker("service ls --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker('service rollback --detach halts'),
  docker('service update --detach --image natswarm-missing:1 halts'),
  docker('service update --detach --image natswarm-missing:1 returns'),
  docker('service update --detach --image natswarm-missing:1 goes-on'),
  docker('service update --quiet --env-add A=1 starts-first'),
  docker(status('halts'), { until: /^exit 0\npaused/ }),
  // what it replaces may still be within its grace period
  docker("service ls --filter name=halts --format '{{.Name}} {{.Replicas}} {{.Image}}'", {
    until: / 1\/2 /,
  }),
  docker(`service ps ${images} halts`, { unordered: true }),
  docker("service ps --no-trunc --filter desired-state=shutdown --format '{{.Error}}' halts", {
    differs: 'says why there is no such image (moby#31063)',
    natswarm: /"No such image: natswarm-missing:1: .*refused"/,
  }),
  docker("service ps --filter desired-state=shutdown --format '{{.Error}}' halts", {
    unordered: true,
  }),
  docker('service update --quiet --force halts'),
  docker(status('halts')),
  docker('service update --quiet --image natswarm-sleep:1 halts'),
  docker(status('halts'), { until: /^exit 0\ncompleted/ }),
  docker(status('returns'), { until: /rollback_completed/ }),
  docker(`service ps ${images} returns`, { unordered: true }),
  docker("service inspect --format '{{json .PreviousSpec}}' returns"),
  docker('service rollback returns'),
  docker(status('goes-on'), { until: /^exit 0\ncompleted/ }),
  docker(`service ps ${images} goes-on`, { unordered: true }),
  docker(status('starts-first')),
  docker(`service ps ${images} starts-first`, { unordered: true }),
  docker('service update --detach --force starts-first'),
  docker(status('starts-first'), { until: /^exit 0\ncompleted/ }),
  docker(
    "service inspect --format '{{.Spec.TaskTemplate.ForceUpdate}} {{.PreviousSpec.TaskTemplate.ForceUpdate}}' starts-first",
  ),
  docker('service inspect --pretty starts-first'),
  docker('service create --name never natswarm-missing:2', {
    killAfterMs: 2_500,
    unordered: true,
    differs: 'the bar says why there is no such image',
    natswarm: /1\/1: No such image: natswarm-missing:2: Get/,
  }),
  docker("service ls --filter name=never --format '{{.Name}} {{.Replicas}}'"),
  docker("service ps --format '{{.Image}} {{.Error}}' never", {
    until: /No such image: natswarm-missi…/,
    unordered: true,
  }),
  docker('service rm halts returns goes-on starts-first never'),
];

const scaling: readonly Row[] = [
  make('one', ''),
  make('two', ''),
  docker('service create --detach --quiet --name each --mode global natswarm-sleep:1'),
  docker('service scale --detach one=3 two=1'),
  docker("service ls --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker('service scale --detach one=2 nobody=3 each=2 two=x'),
  docker('service scale --detach one=1 nobody=3 two=2 each=1'),
  docker('service scale one=-1'),
  docker('service scale one=99999999999999999999'),
  docker('service scale one'),
  docker('service scale one=1 two'),
  docker('service scale'),
  docker("service ls --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker('service scale --detach one=0 two=0'),
  docker("service ls --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker('service ps one', { until: /PORTS\n---/ }),
  docker('service rm one two each nobody'),
];

// The new task waits for the host port that the old one has, until an update ends that one first.
const waits = docker("service ps --format '{{.DesiredState}} {{.Error}}' halfway", {
  until: /Running "no suitable node/,
  unordered: true,
});
const halfwayStatus = "service inspect --format '{{.UpdateStatus.State}}' halfway";
/** The slot's new task is there already: what becomes of it is natswarm's own. */
const stuck = (natswarm: RegExp) => ({
  differs:
    'Swarm sometimes stays halfway here for good, and does not count what fails once the update lets it run',
  natswarm,
  until: natswarm,
});
const waitsHere: Row = { ...waits, ...stuck(/Running "no suitable node/) };
const halfway: readonly Row[] = [
  make('halfway', '--replicas 1 --publish mode=host,target=80,published=18110'),
  docker('service update --quiet --update-order start-first halfway'),
  docker('service update --detach --env-add A=1 halfway'),
  waits,
  docker('service update --detach --update-order stop-first halfway'),
  docker(halfwayStatus, stuck(/completed/)),
  docker(`service ps ${images} halfway`, {
    ...stuck(/Running Running[^]*Shutdown Shutdown/),
    unordered: true,
  }),
  docker('service update --detach --env-add A=2 --update-order start-first halfway'),
  waitsHere,
  docker('service rollback --detach halfway'),
  docker(halfwayStatus, stuck(/rollback_completed/)),
  docker(
    'service update --detach --entrypoint false --restart-condition none --update-order start-first halfway',
  ),
  waitsHere,
  // a busy machine may take more than the monitor's five seconds from the start to the end
  docker('service update --detach --update-order stop-first --update-monitor 2m halfway'),
  docker(halfwayStatus, stuck(/paused/)),
  docker('service rm halfway'),
];

export const updates: readonly Row[] = [...flagByFlag, ...failing, ...halfway, ...scaling];
