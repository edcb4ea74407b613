// How tasks end or cannot run at all, and what they wrote.

import { docker, type Row } from './row.ts';

const shell = (name: string, flagged: string, script: string): Row =>
  docker(
    `service create --detach --quiet --name ${name} --restart-condition none --stop-grace-period 1s ${flagged} natswarm-sleep:1 sh -c '${script}'`,
  );
const sleeper = (name: string, flagged: string): Row =>
  docker(`service create --detach --quiet --name ${name} ${flagged} natswarm-sleep:1`);
const ps = (name: string): string =>
  `service ps --no-trunc --format '{{.Name}} {{.DesiredState}} {{.CurrentState}} {{.Error}}' ${name}`;
/** The task has ended, and its orchestrator has seen it: the two are separate steps, and a row may fall between them. */
const over = / Shutdown (Failed|Complete|Rejected) /;

const ends: readonly Row[] = [
  shell('memory', '--limit-memory 6MB', 'sleep 0.3; x=a; while :; do x=$x$x; done'),
  shell(
    'sick',
    "--health-cmd '[ ! -e /tmp/x ]' --health-interval 300ms --health-retries 1",
    'sleep 1; touch /tmp/x; sleep 1000',
  ),
  shell(
    'never-well',
    "--health-cmd 'false' --health-interval 300ms --health-retries 1",
    'sleep 1000',
  ),
  shell('unwell-yet', '--health-cmd false --health-interval 1m', 'sleep 1000'),
  shell('well', '--health-cmd true --health-interval 300ms', 'sleep 1; exit 3'),
  shell('three', '', 'exit 3'),
  shell('zero', '', 'exit 0'),
  sleeper('no-program', '--restart-condition none --entrypoint /nothing'),
  sleeper('no-user', '--restart-condition none --user nobodyhere'),
  sleeper('no-bind', '--restart-condition none --mount type=bind,source=/nothing,target=/x'),
  sleeper('no-target', '--restart-condition none --mount type=volume,source=v,target=x'),
  sleeper('no-sysctl', '--restart-condition none --sysctl foo.bar=1'),
  sleeper('no-memory', '--reserve-memory 900G'),
  sleeper('no-cpu', '--reserve-cpu 9000'),
  sleeper('no-platform', '--constraint node.platform.os==plan9'),
  sleeper('no-plugin', '--log-driver nothing'),
  sleeper('no-more', '--replicas 2 --replicas-max-per-node 1'),
  sleeper('port', '--publish mode=host,target=80,published=18090'),
  docker(ps('port'), { until: /Running Running/ }),
  sleeper('same-port', '--publish mode=host,target=80,published=18090'),
  docker(
    'service create --detach --quiet --name tries --restart-delay 10ms --restart-max-attempts 2 natswarm-sleep:1 sh -c '.concat(
      "'exit 1'",
    ),
  ),
  docker(ps('memory'), {
    until: over,
    differs: 'says what the container was killed for',
    natswarm: /Failed .* "task: non-zero exit \(137\): out of memory"/,
  }),
  docker(ps('sick'), { until: over }),
  docker(ps('never-well'), { until: over }),
  docker('service ps --quiet --no-trunc unwell-yet', { keep: 'unwell' }),
  docker(
    "inspect --type task --format '{{.Status.State}} {{len .Status.ContainerStatus.ContainerID}} {{.Status.ContainerStatus.PID}} {{json .Status.PortStatus}}' {unwell}",
    { until: /starting 64/ },
  ),
  docker('service rm unwell-yet'),
  docker(ps('well'), { until: over }),
  docker(ps('three'), { until: over }),
  docker(ps('zero'), { until: over }),
  docker(ps('no-program'), { until: over }),
  docker(ps('no-user'), { until: over }),
  docker(ps('no-bind'), { until: over }),
  docker(ps('no-target'), { until: over }),
  docker(ps('no-sysctl'), { until: over }),
  docker(ps('no-memory'), { until: /no suitable/ }),
  docker(ps('no-cpu'), { until: /no suitable/ }),
  docker(ps('no-platform'), { until: /no suitable/ }),
  docker(ps('no-plugin'), { until: /no suitable/ }),
  docker("service ps --no-trunc --format '{{.CurrentState}} {{.Error}}' no-more", {
    until: /no suitable[\s\S]*Running/,
    unordered: true,
  }),
  docker(ps('same-port'), { until: /no suitable/ }),
  docker(ps('tries'), { until: /(Shutdown Failed[\s\S]*){3}/ }),
  docker("service ls --format '{{.Name}} {{.Mode}} {{.Replicas}}'"),
  docker(
    'service rm memory sick never-well well three zero no-program no-user no-bind no-target no-sysctl',
  ),
  docker('service rm no-memory no-cpu no-platform no-plugin no-more port same-port tries'),
];

const logs: readonly Row[] = [
  shell(
    'talks',
    '--env A=1 --container-label cl=1 --log-driver json-file --log-opt labels=cl --log-opt env=A',
    'echo one; echo two; echo three; exec sleep 1000',
  ),
  shell('screen', '--tty', 'echo one; exec sleep 1000'),
  shell('mute', '--log-driver none', 'echo one; exec sleep 1000'),
  docker("service ls --format '{{.Name}} {{.Replicas}}'", { settled: true }),
  docker('service logs talks', { until: /three/ }),
  docker('service logs --raw talks'),
  docker('service logs --tail 1 talks'),
  docker('service logs --tail 0 talks'),
  docker('service logs --timestamps talks'),
  docker('service logs --timestamps --raw talks'),
  docker('service logs --details talks'),
  docker('service logs --details --raw talks'),
  docker('service logs --no-task-ids talks'),
  docker('service logs --no-trunc talks'),
  docker('service logs --no-resolve talks'),
  docker('service logs --since 1h --raw talks'),
  docker('service logs --since 2020-01-01T00:00:00Z --raw talks'),
  docker('service logs --since soon talks'),
  docker('service logs --follow --raw --tail 1 talks', { killAfterMs: 1_000 }),
  docker('service ps --quiet --no-trunc talks', { keep: 'talker' }),
  docker('service logs {talker}'),
  docker('service logs --raw --details {talker}'),
  docker('service logs screen'),
  docker('service logs --raw screen', { until: /one/ }),
  docker('service logs mute', {
    differs: 'Swarm shows nothing and says nothing of why',
    natswarm: /exit 1\n[\s\S]*configured logging driver does not support reading/,
  }),
  docker('service logs talks screen'),
  docker('service logs --follow nobody'),
  docker('service rm talks screen mute'),
];

export const tasks: readonly Row[] = [...ends, ...logs];
