import { afterEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import {
  addDaemonOptions,
  type Config,
  readConfig,
  unknownVariables,
} from '../../../cmd/config.ts';

const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true });
  delete process.env['NATSWARM_BUS_PORT'];
  delete process.env['NATSWARM_HOST'];
  delete process.env['NATSWARM_LABEL'];
  delete process.env['NATSWARM_PREFER_OFFLINE_IMAGE'];
});

function file(content: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'natswarm-config-'));
  dirs.push(dir);
  writeFileSync(join(dir, 'daemon.json'), content);
  return join(dir, 'daemon.json');
}

function read(...argv: string[]): Config {
  const command = addDaemonOptions(new Command('daemon')).exitOverride();
  command.configureOutput({ writeErr: () => undefined });
  command.parse(argv, { from: 'user' });
  return readConfig(command);
}

test('the defaults are the paths of a Linux service', () => {
  expect(read()).toMatchObject({
    hosts: ['unix:///run/natswarm.sock'],
    engineSocket: '/run/docker.sock',
    stateDir: '/var/lib/natswarm',
    runDir: '/run/natswarm',
    listenAddr: '0.0.0.0:2377',
    advertiseAddr: '',
    busPort: 7946,
    routePort: 7947,
    preferOfflineImage: false,
    engineGraceMs: 60_000,
    registryRetryMs: 300_000,
    logLevel: 'info',
  });
  expect(Object.isFrozen(read())).toBe(true);
});

test('a flag wins over the environment, that over the file, that over the default', () => {
  const config = file('{"bus-port": 1000, "log-level": "warn"}');
  expect(read('--config', config).busPort).toBe(1000);
  expect(read('--config', config).logLevel).toBe('warn');
  process.env['NATSWARM_BUS_PORT'] = '2000';
  expect(read('--config', config).busPort).toBe(2000);
  expect(read('--config', config, '--bus-port', '3000').busPort).toBe(3000);
});

test('--host may be given again and again, and replaces the default', () => {
  expect(read('--host', 'unix:///a', '--host', 'unix:///b').hosts).toEqual([
    'unix:///a',
    'unix:///b',
  ]);
  process.env['NATSWARM_HOST'] = 'unix:///c,unix:///d';
  expect(read().hosts).toEqual(['unix:///c', 'unix:///d']);
  delete process.env['NATSWARM_HOST'];
  expect(read('--config', file('{"host": ["unix:///e"]}')).hosts).toEqual(['unix:///e']);
});

test.each([
  ['0', 0],
  ['250ms', 250],
  ['90s', 90_000],
  ['5m', 300_000],
  ['24h', 86_400_000],
])('a duration of %s, as a flag and in the file', (text, ms) => {
  expect(read('--registry-retry', text).registryRetryMs).toBe(ms);
  expect(read('--config', file(`{"registry-retry": "${text}"}`)).registryRetryMs).toBe(ms);
});

test.each(['', '5', '-1s', '1.5h', '25h', 'soon', '1d'])('no duration: %j', (text) => {
  expect(() => read('--registry-retry', text)).toThrow(
    `expected a duration up to 24h, such as 90s or 5m, got "${text}"`,
  );
});

test('--label may be given again and again, in the environment or in the file', () => {
  expect(read().labels).toEqual({});
  expect(
    read('--label', 'rack=a', '--label', 'url=http://x?y=z', '--label', 'rack=b').labels,
  ).toEqual({
    rack: 'b',
    url: 'http://x?y=z',
  });
  process.env['NATSWARM_LABEL'] = 'rack=c,disk=';
  expect(read().labels).toEqual({ rack: 'c', disk: '' });
  delete process.env['NATSWARM_LABEL'];
  expect(read('--config', file('{"label": ["rack=d"]}')).labels).toEqual({ rack: 'd' });
});

test.each([
  [['--bus-port', '0'], /expected a port from 1 to 65535, got "0"/],
  [['--bus-port', '70000'], /expected a port/],
  [['--host', 'tcp://0.0.0.0:2375'], /expected unix:\/\/\/PATH/],
  [['--state-dir', 'relative'], /expected an absolute path/],
  [['--listen-addr', 'nowhere'], /expected ADDRESS:PORT/],
  [['--log-level', 'loud'], /Allowed choices are trace, debug/],
  [['--prefer-offline-image', 'maybe'], /expected true or false, got "maybe"/],
  [['--bus-port', '7947'], /"bus-port" and "route-port" are both 7947: they must differ/],
  [['--label', 'rack'], /expected KEY=VALUE, got "rack"/],
  [['--label', '=a'], /expected KEY=VALUE/],
  [['--label', `a=${'x'.repeat(20_000)}`], /node labels: more than 16384 characters/],
  [['--nonsense'], /unknown option '--nonsense'/],
])('%j is refused', (argv, message) => {
  expect(() => read(...argv)).toThrow(message);
});

test.each([
  ['{', /configuration file .*daemon\.json: /],
  ['[]', /expected one JSON object/],
  ['{"bus-prot": 1}', /unknown setting "bus-prot"; known: .*bus-port/],
  ['{"bus-port": "many"}', /configuration file .*: setting "bus-port": expected a port/],
  ['{"log-level": "loud"}', /setting "log-level": expected one of trace/],
  ['{"prefer-offline-image": "yes"}', /setting "prefer-offline-image": expected true or false/],
])('a file with %s is refused, saying where', (content, message) => {
  expect(() => read('--config', file(content))).toThrow(message);
});

test('a switch can be given without and with a value, which turns it off too', () => {
  expect(read('--prefer-offline-image').preferOfflineImage).toBe(true);
  process.env['NATSWARM_PREFER_OFFLINE_IMAGE'] = 'false';
  expect(read().preferOfflineImage).toBe(false);
  process.env['NATSWARM_PREFER_OFFLINE_IMAGE'] = '1';
  expect(read().preferOfflineImage).toBe(true);
  expect(read('--prefer-offline-image', 'false').preferOfflineImage).toBe(false);
  delete process.env['NATSWARM_PREFER_OFFLINE_IMAGE'];
  expect(read('--config', file('{"prefer-offline-image": true}')).preferOfflineImage).toBe(true);
});

test('variables that look like settings and are none are found', () => {
  const env = { PATH: '/bin', NATSWARM_BUS_PORT: '1', NATSWARM_BUSPORT: '1' };
  expect(unknownVariables(env)).toEqual(['NATSWARM_BUSPORT']);
});

test('a file that is named must be there', () => {
  expect(() => read('--config', '/nonexistent/daemon.json')).toThrow(/configuration file/);
});
