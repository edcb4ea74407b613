// Commands and bad inputs that are run, in this order, against dockerd's own swarm mode and against natswarm. Exit code,
// output and message must be the same after normalisation (normalise.ts), except where a row says why they differ.

export interface CliRow {
  readonly cli: readonly string[];
}
export interface ApiRow {
  /** Method, path (`{name}` stands for the id of a service, node, … kept by `keep`), body. */
  readonly api: readonly [method: string, path: string, body?: unknown];
  readonly headers?: Readonly<Record<string, string>>;
}
export type Row = (CliRow | ApiRow) & {
  /** Keeps the command's output (or the answer's `ID`, `Version.Index`) for later rows, as `{name}`. */
  readonly keep?: string;
  /** Why natswarm answers otherwise on purpose; then `natswarm` must match instead. */
  readonly differs?: string;
  /** Pattern for natswarm's output where it differs. */
  readonly natswarm?: RegExp;
  /** Wait until every service runs what it should before this row. */
  readonly settled?: boolean;
  /** Wait so long before this row, ms: for what no state tells the end of. */
  readonly afterMs?: number;
};

const service = (fields: object, container: object = {}, task: object = {}): object => ({
  Name: 'bad',
  TaskTemplate: { ContainerSpec: { Image: 'natswarm-sleep:1', ...container }, ...task },
  Mode: { Replicated: { Replicas: 1 } },
  ...fields,
});
const create = (fields: object, container: object = {}, task: object = {}): Row => ({
  api: ['POST', '/v1.51/services/create', service(fields, container, task)],
});
const later = 'comes with a later version of natswarm; refused clearly until then';

const outside: readonly Row[] = [
  { cli: ['node', 'ls'] },
  { cli: ['service', 'ls'] },
  { cli: ['service', 'create', '-d', 'natswarm-sleep:1'] },
  { cli: ['swarm', 'leave'] },
  { cli: ['swarm', 'leave', '--force'] },
  { cli: ['swarm', 'update', '--task-history-limit', '3'] },
  { cli: ['swarm', 'unlock-key'] },
  { cli: ['swarm', 'join-token', 'worker'] },
  { cli: ['swarm', 'join-token', 'nobody'] },
  { cli: ['info', '--format', '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}'] },
  { api: ['GET', '/v1.51/swarm'] },
  { api: ['GET', '/v1.51/nodes'] },
  { api: ['GET', '/v1.51/tasks?filters={"nonsense":["x"]}'] },
  { api: ['GET', '/v1.99/services'] },
  { api: ['GET', '/v1.10/services'] },
  { api: ['PUT', '/v1.51/services'] },
  { api: ['POST', '/v1.51/swarm/init', { ListenAddr: '' }] },
  { api: ['POST', '/v1.51/swarm/init', { ListenAddr: 'nowhere' }] },
  { api: ['POST', '/v1.51/swarm/init', { ListenAddr: '0.0.0.0:2377', AdvertiseAddr: '0.0.0.0' }] },
  {
    api: ['POST', '/v1.51/swarm/init', { ListenAddr: '0.0.0.0:2377', AdvertiseAddr: 'no-such-if' }],
  },
  { api: ['POST', '/v1.51/swarm/init', '{"ListenAddr": '] },
  { api: ['POST', '/v1.51/swarm/init', '[]'] },
  {
    api: [
      'POST',
      '/v1.51/swarm/init',
      { ListenAddr: '0.0.0.0:2377', AdvertiseAddr: '127.0.0.1', Spec: { Name: 'other' } },
    ],
  },
  {
    api: [
      'POST',
      '/v1.51/swarm/init',
      { ListenAddr: '0.0.0.0:2377', AdvertiseAddr: '127.0.0.1', DataPathPort: 80 },
    ],
  },
  {
    api: [
      'POST',
      '/v1.51/swarm/init',
      {
        ListenAddr: '0.0.0.0:2377',
        AdvertiseAddr: '127.0.0.1',
        DefaultAddrPool: ['10.0.0.0/8'],
        SubnetSize: 40,
      },
    ],
  },
  {
    api: [
      'POST',
      '/v1.51/swarm/init',
      { ListenAddr: '0.0.0.0:2377', AdvertiseAddr: '127.0.0.1', DefaultAddrPool: ['10.0.0.0/28'] },
    ],
  },
  {
    api: [
      'POST',
      '/v1.51/swarm/init',
      { ListenAddr: '0.0.0.0:2377', AdvertiseAddr: '127.0.0.1', DefaultAddrPool: ['nonsense'] },
    ],
  },
  { api: ['POST', '/v1.51/swarm/init', { ListenAddr: 'a:b:c' }] },
];

const started: readonly Row[] = [
  { cli: ['swarm', 'init', '--advertise-addr', '127.0.0.1'] },
  { cli: ['swarm', 'init', '--advertise-addr', '127.0.0.1'] },
  { cli: ['swarm', 'leave'] },
  {
    cli: [
      'info',
      '--format',
      '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Managers}} {{.Swarm.Nodes}}',
    ],
  },
  { cli: ['info', '--format', '{{json .Swarm.Cluster.Spec}}'] },
  { cli: ['node', 'ls'] },
  {
    cli: [
      'node',
      'ls',
      '--filter',
      'role=manager',
      '--format',
      '{{.Status}} {{.Availability}} {{.ManagerStatus}} {{.TLSStatus}}',
    ],
  },
  { cli: ['node', 'ls', '--filter', 'role=king'] },
  { cli: ['node', 'inspect', 'self'] },
  { cli: ['node', 'inspect', '--pretty', 'self'] },
  { cli: ['node', 'inspect', 'nobody'] },
  { cli: ['node', 'ps'] },
  { cli: ['node', 'update', '--label-add', 'disk=ssd', 'nobody'] },
  { cli: ['node', 'demote', 'nobody'] },
  { cli: ['swarm', 'update'] },
  { cli: ['swarm', 'update', '--task-history-limit', '3'] },
  { cli: ['swarm', 'update', '--cert-expiry', '1m'] },
  { cli: ['swarm', 'unlock-key'] },
  { cli: ['swarm', 'unlock'] },
  { cli: ['swarm', 'join-token', '-q', 'worker'] },
  { cli: ['swarm', 'join-token', '--rotate', '-q', 'manager'] },
  { cli: ['swarm', 'ca', '--cert-expiry', '1h'] },
  { cli: ['secret', 'ls'] },
  { cli: ['config', 'ls'] },
  { cli: ['stack', 'ls'] },
];

const services: readonly Row[] = [
  { cli: ['service', 'ls'] },
  {
    cli: [
      'service',
      'create',
      '--quiet',
      '--name',
      'web',
      '--replicas',
      '2',
      '--label',
      'tier=front',
      '--env',
      'A=1',
      'natswarm-sleep:1',
    ],
  },
  { cli: ['service', 'ls'], settled: true },
  {
    cli: [
      'service',
      'ls',
      '--filter',
      'name=we',
      '--format',
      '{{.Name}} {{.Replicas}} {{.Mode}} {{.Image}} {{.Ports}}',
    ],
  },
  { cli: ['service', 'ls', '--filter', 'nonsense=1'] },
  { cli: ['service', 'ps', 'web'] },
  { cli: ['service', 'ps', '--format', '{{.Name}} {{.DesiredState}} {{.Error}}', 'web'] },
  { cli: ['service', 'ps', 'nobody'] },
  { cli: ['service', 'inspect', 'web'] },
  { cli: ['service', 'inspect', '--pretty', 'web'] },
  { cli: ['service', 'inspect', 'nobody'] },
  { cli: ['service', 'create', '--detach', '--name', 'web', 'natswarm-sleep:1'] },
  { cli: ['service', 'create', '--detach', '--name', 'WEB', 'natswarm-sleep:1'] },
  { cli: ['service', 'scale', '--detach', 'web=3'] },
  { cli: ['service', 'scale', 'web=-1'] },
  { cli: ['service', 'scale', 'nobody=2'] },
  { cli: ['service', 'scale', 'web'] },
  { cli: ['service', 'ls'], settled: true },
  { cli: ['service', 'update', '--detach', '--label-add', 'x=y', 'web'] },
  { cli: ['service', 'update', '--detach', '--env-add', 'B=2', 'nobody'] },
  // one variable only: the CLI itself writes several in an order that changes from run to run
  { cli: ['service', 'update', '--quiet', '--update-monitor', '500ms', '--env-add', 'A=2', 'web'] },
  { cli: ['service', 'inspect', '--format', '{{json .Spec}}', 'web'] },
  {
    cli: [
      'service',
      'inspect',
      '--format',
      '{{.UpdateStatus.State}} {{.UpdateStatus.Message}}',
      'web',
    ],
    settled: true,
  },
  { cli: ['service', 'rollback', '--quiet', 'web'] },
  {
    cli: [
      'service',
      'inspect',
      '--format',
      '{{json .Spec.TaskTemplate.ContainerSpec.Env}} {{.UpdateStatus.Message}}',
      'web',
    ],
    settled: true,
  },
  { cli: ['service', 'logs', 'nobody'] },
  { cli: ['service', 'logs', '--tail', 'x', 'web'] },
  { cli: ['service', 'rm', 'nobody'] },
  { api: ['GET', '/v1.51/services/web/logs'] },
  { api: ['GET', '/v1.51/services/web/logs?stdout=1&tail=-3'] },
  { api: ['GET', '/v1.51/services?status=maybe'] },
  { api: ['GET', '/v1.51/services?filters={"mode":{"nothing":true}}'] },
  { api: ['GET', '/v1.51/services?filters=nonsense'] },
  { api: ['GET', '/v1.51/tasks?filters={"service":["nobody"]}'] },
  { api: ['GET', '/v1.51/tasks?filters={"desired-state":["wild"]}'] },
  { api: ['GET', '/v1.51/tasks/nobody'] },
  { api: ['GET', '/v1.51/nodes/nobody'] },
  { api: ['POST', '/v1.51/nodes/nobody/update?version=1', {}] },
  { api: ['POST', '/v1.51/services/web/update', service({ Name: 'web' })] },
  { api: ['POST', '/v1.51/services/web/update?version=x', service({ Name: 'web' })] },
  { api: ['POST', '/v1.51/services/web/update?version=1', service({ Name: 'web' })] },
  { api: ['POST', '/v1.51/services/nobody/update?version=1', service({ Name: 'nobody' })] },
  {
    api: [
      'POST',
      '/v1.51/services/web/update?version=1&rollback=sideways',
      service({ Name: 'web' }),
    ],
  },
  {
    api: [
      'POST',
      '/v1.51/services/web/update?version=1&registryAuthFrom=thin-air',
      service({ Name: 'web' }),
    ],
  },
  { api: ['POST', '/v1.51/swarm/update?version=x', {}] },
  { api: ['POST', '/v1.51/swarm/update?version=1', { Name: 'default' }] },
  {
    cli: [
      'service',
      'create',
      '--quiet',
      '--mode',
      'global',
      '--name',
      'everywhere',
      'natswarm-sleep:1',
    ],
  },
  { cli: ['service', 'ls'], settled: true },
  { cli: ['service', 'scale', 'everywhere=2'] },
  { cli: ['service', 'update', '--detach', '--replicas', '2', 'everywhere'] },
  {
    cli: [
      'service',
      'create',
      '--detach',
      '--name',
      'nowhere',
      '--constraint',
      'node.labels.x==y',
      'natswarm-sleep:1',
    ],
  },
  {
    cli: [
      'service',
      'ps',
      '--no-trunc',
      '--format',
      '{{.Name}} {{.CurrentState}} {{.Error}}',
      'nowhere',
    ],
    afterMs: 2_000,
  },
  {
    cli: [
      'service',
      'create',
      '--detach',
      '--name',
      'x',
      '--constraint',
      'node.labels.x=y',
      'natswarm-sleep:1',
    ],
  },
  { cli: ['service', 'rm', 'web', 'everywhere', 'nowhere'] },
  { cli: ['service', 'ls'] },
];

const badSpecs: readonly Row[] = [
  { api: ['POST', '/v1.51/services/create'] },
  { api: ['POST', '/v1.51/services/create', '{'] },
  { api: ['POST', '/v1.51/services/create', '{"Name":"x"} trailing'] },
  { api: ['POST', '/v1.51/services/create', '"text"'] },
  { api: ['POST', '/v1.51/services/create', 'nonsense'] },
  {
    api: ['POST', '/v1.51/services/create', service({})],
    headers: { 'content-type': 'text/plain' },
  },
  create({ Name: 7 }),
  create({ Name: '', TaskTemplate: {} }),
  create({ Name: '-bad-' }),
  create({ Name: 'a b' }),
  create({ Name: 'x'.repeat(64) }),
  create({ Labels: [] }),
  create({ Labels: { a: 1 } }),
  create({ TaskTemplate: 'text' }),
  create({ Mode: { Replicated: { Replicas: -1 } } }),
  create({ Mode: { Replicated: { Replicas: 1.5 } } }),
  create({ Mode: { Replicated: {}, Global: {} } }),
  create({ Mode: { Global: { Replicas: 1 } }, Name: '' }, { Image: '' }),
  create({}, { Image: '' }),
  create({}, { Image: 'UPPER CASE' }),
  create({}, { Image: 'a:b:c' }),
  create({}, { Env: 'A=1' }),
  create({}, { Env: ['{{.Nonsense}}'] }),
  create({}, { Hostname: '{{' }),
  create({}, { Mounts: [{ Type: 'strange', Target: '/x' }] }),
  create(
    {},
    { Mounts: [{ Type: 'bind', Source: '/a', Target: '/x', BindOptions: { Propagation: 'odd' } }] },
  ),
  create(
    {},
    {
      Mounts: [
        { Type: 'volume', Target: '/x' },
        { Type: 'tmpfs', Target: '/x' },
      ],
    },
  ),
  create({}, { Healthcheck: { Interval: 1 } }),
  create({}, { Healthcheck: { Retries: -1 } }),
  create({}, { Isolation: 'odd' }),
  create({}, { StopGracePeriod: 'soon' }),
  create({}, {}, { RestartPolicy: { Condition: 'sometimes' } }),
  create({}, {}, { RestartPolicy: { Delay: -1 } }),
  create({}, {}, { RestartPolicy: { Window: -1 } }),
  create({}, {}, { RestartPolicy: { MaxAttempts: -1 } }),
  create({}, {}, { Resources: { Limits: { NanoCPUs: 5 } } }),
  create({}, {}, { Resources: { Limits: { MemoryBytes: 5 } } }),
  create({}, {}, { Resources: { Reservations: { NanoCPUs: -5 } } }),
  create({}, {}, { Placement: { Constraints: ['node.id'] } }),
  create({}, {}, { Placement: { Constraints: ['no de==x'] } }),
  create({}, {}, { Placement: { Constraints: ['node.id==a,b'] } }),
  create({ UpdateConfig: { Delay: -1 } }),
  create({ UpdateConfig: { Monitor: -1 } }),
  create({ UpdateConfig: { MaxFailureRatio: 2 } }),
  create({ UpdateConfig: { FailureAction: 'panic' } }),
  create({ UpdateConfig: { Order: 'random' } }),
  create({ RollbackConfig: { Delay: -1 } }),
  create({ RollbackConfig: { FailureAction: 'panic' } }),
  create({ EndpointSpec: { Mode: 'odd' } }),
  create({
    EndpointSpec: {
      Ports: [
        { TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' },
        { TargetPort: 81, PublishedPort: 8080, PublishMode: 'host' },
      ],
    },
  }),
  create({ EndpointSpec: { Mode: 'dnsrr', Ports: [{ TargetPort: 80, PublishedPort: 8080 }] } }),
  {
    ...create({}, {}, { Networks: [{ Target: 'nobody' }] }),
    differs: `networks of the swarm: ${later}`,
    natswarm: /501 .*network \\"nobody\\"/,
  },
  create({}, {}, { Runtime: 'strange' }),
  {
    ...create({}, { Secrets: [{ SecretID: 'x', SecretName: 'x' }] }),
    differs: `secrets: ${later}`,
    natswarm: /501 .*secrets/,
  },
  {
    ...create({ EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8081 }] }, Name: 'mesh' }),
    differs: `the routing mesh ${later}`,
    natswarm: /501 .*(mesh|ingress).*host/,
  },
  {
    ...create({ Mode: { ReplicatedJob: { MaxConcurrent: 1, TotalCompletions: 1 } }, Name: 'job' }),
    differs: `jobs: ${later}`,
    natswarm: /501 .*job/i,
  },
  {
    cli: ['network', 'create', '-d', 'overlay', 'over'],
    differs: `overlay networks: ${later}`,
    natswarm: /overlay/,
  },
  {
    cli: ['secret', 'create', 'top', '/etc/hostname'],
    differs: `secrets: ${later}`,
    natswarm: /secret/,
  },
];

const ended: readonly Row[] = [
  { cli: ['swarm', 'leave', '--force'] },
  { cli: ['node', 'ls'] },
  { cli: ['info', '--format', '{{.Swarm.LocalNodeState}}'] },
  { cli: ['swarm', 'init', '--advertise-addr', 'lo', '--availability', 'drain'] },
  { cli: ['node', 'ls', '--format', '{{.Status}} {{.Availability}} {{.ManagerStatus}}'] },
  { cli: ['swarm', 'leave', '--force'] },
];

export const table: readonly Row[] = [...outside, ...started, ...services, ...badSpecs, ...ended];
