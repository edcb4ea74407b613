import { expect, test } from '@jest/globals';
import { permissionsOf } from '../../../bus/nats/auth.ts';
import {
  type ClusterOptions,
  type ConfigOptions,
  serverConfig,
  storeKeyValue,
} from '../../../bus/nats/config.ts';
import { parseLine } from '../../../bus/nats/server.ts';
import { limits } from '../../../domain/limits.ts';

const options: ConfigOptions = {
  serverName: 'node1-00000000',
  host: '10.0.0.1',
  port: 7946,
  storeDir: '/state/a "quoted" dir',
  tlsFiles: { cert: '/run/cert', key: '/run/key', ca: '/run/ca' },
  issuer: 'AISSUER',
  users: { log: 'ULOG', system: 'USYSTEM', bus: 'UBUS', auth: 'UAUTH' },
};

test('the configuration names the key of the store, and holds none', () => {
  const text = serverConfig(options);
  expect(text).toContain('"key": $NATSWARM_STORE_KEY\n'.trimEnd());
  const config = JSON.parse(text.replace('$NATSWARM_STORE_KEY', '"key"'));
  expect(config.max_payload).toBeGreaterThan(limits.serverPayloadBytesMax);
  expect(config.tls.verify).toBe(true);
  expect(config.jetstream).toEqual({
    store_dir: '/state/a "quoted" dir',
    cipher: 'aes',
    key: 'key',
    sync_interval: 'always',
  });
  expect(Object.keys(config.accounts).sort()).toEqual(['auth', 'bus', 'log', 'system']);
  expect(config.accounts.bus).toEqual({
    users: [{ nkey: 'UBUS' }],
    limits: { max_subscriptions: 256 },
  });
  expect(config.cluster).toBeUndefined();
  expect(config.authorization.auth_callout).toEqual({
    issuer: 'AISSUER',
    account: 'auth',
    auth_users: ['ULOG', 'USYSTEM', 'UBUS', 'UAUTH'],
  });
});

test('a server that stands alone has no routes', () => {
  expect(serverConfig(options)).not.toContain('cluster');
});

test('routes are open to pinned keys of managers only', () => {
  const cluster: ClusterOptions = {
    name: 'lineage-2',
    host: '10.0.0.1',
    port: 7947,
    routes: ['10.0.0.2:7947', '[fd00::3]:7947'],
    pinnedCerts: ['aa', 'bb'],
  };
  const text = serverConfig({ ...options, cluster });
  const config = JSON.parse(text.replace('$NATSWARM_STORE_KEY', '"key"'));
  expect(config.cluster).toMatchObject({
    name: 'lineage-2',
    host: '10.0.0.1',
    port: 7947,
    routes: ['nats-route://10.0.0.2:7947', 'nats-route://[fd00::3]:7947'],
    compression: 'off',
    authorization: { user: 'swarm-manager' },
    tls: { verify_and_map: true, pinned_certs: ['aa', 'bb'] },
  });
  const open = { ...cluster, pinnedCerts: [] };
  expect(() => serverConfig({ ...options, cluster: open })).toThrow('pinned keys');
});

test('the key is quoted, so that NATS takes digits for text too', () => {
  expect(storeKeyValue(Buffer.alloc(32, 0x11))).toBe(`"${'11'.repeat(32)}"`);
});

test.each([
  ['[123] [INF] Server is ready', 'info', 'Server is ready'],
  ['[123] [FTL] Error listening', 'error', 'Error listening'],
  ['[123] [WRN] [x] y', 'warn', '[x] y'],
  ['[123] [TRC] x', 'debug', 'x'],
  ['sh: 1: exec: nats-server: not found', 'error', 'sh: 1: exec: nats-server: not found'],
  ['', 'error', ''],
])('reads the line %s', (line, level, text) => {
  expect(parseLine(line)).toEqual({ level, text });
});

test('rights follow the role', () => {
  expect(permissionsOf('worker', 'n1')).toEqual({
    publish: {
      allow: ['hello', 'status', 'beat', 'leave'].map((verb) => `natswarm.v1.agent.n1.${verb}`),
    },
    subscribe: {
      allow: [
        'natswarm.v1.node.n1.assign',
        'natswarm.v1.node.n1.logs',
        'natswarm.v1.node.n1.membership',
        'natswarm.v1.node.n1.tree',
        'natswarm.v1.leader',
        '_INBOX_n1.>',
      ],
    },
    respond: { max: 1, ttlMs: 40_000 },
  });
  expect(permissionsOf('manager', 'n1')?.subscribe.allow).toEqual(['natswarm.>', '_INBOX_n1.>']);
  expect(permissionsOf('client', 'n1')).toBeUndefined();
});
