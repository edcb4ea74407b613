// Outside a swarm, at its start and at its end.

import { docker, type Row } from './row.ts';

/** Of no cluster. */
const strayToken =
  'SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-7p73s1dx5in4tatdymyhg9hu2';

export const outside: readonly Row[] = [
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
  ...['0.0.0.0', '0.0.0.0:2000', '[::]', '[::1]:2000', 'lo:2000', 'nonsense'].flatMap(
    (dataPathAddr): Row[] => [
      docker(`swarm init --advertise-addr 127.0.0.1 --data-path-addr ${dataPathAddr}`),
      docker(
        `swarm join --token ${strayToken} --advertise-addr 127.0.0.1 --data-path-addr ${dataPathAddr} 127.0.0.1:1`,
      ),
    ],
  ),
  docker('swarm join --token nonsense 127.0.0.1:1'),
  docker(`swarm join --token ${strayToken.slice(0, -3)} 127.0.0.1:1`),
  docker('info --format {{.Swarm.LocalNodeState}}{{.Swarm.Error}}'),
];

export const started: readonly Row[] = [
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

export const ended: readonly Row[] = [
  { cli: ['swarm', 'leave', '--force'] },
  { cli: ['node', 'ls'] },
  { cli: ['info', '--format', '{{.Swarm.LocalNodeState}}'] },
  { cli: ['swarm', 'init', '--advertise-addr', 'lo', '--availability', 'drain'] },
  { cli: ['node', 'ls', '--format', '{{.Status}} {{.Availability}} {{.ManagerStatus}}'] },
  { cli: ['swarm', 'leave', '--force'] },
];
