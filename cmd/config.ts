import { existsSync, readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { newestLevel } from '../domain/format/levels.ts';
import { limits } from '../domain/limits.ts';
import type { Labels } from '../domain/model/spec.ts';
import { nodeLabelsFrom } from '../domain/spec/node.ts';

/** The daemon's settings, validated once and frozen. Precedence: flag, environment, file, default. */
export interface Config {
  /** API sockets, `unix://PATH`. */
  readonly hosts: readonly string[];
  /** The Docker Engine's socket, a path. */
  readonly engineSocket: string;
  readonly stateDir: string;
  readonly runDir: string;
  /** `IP:PORT`; what the CLI's default 0.0.0.0:2377 at init stands for. */
  readonly listenAddr: string;
  /** IP address or interface name; '' finds the only address of the machine. */
  readonly advertiseAddr: string;
  readonly busPort: number;
  readonly routePort: number;
  /** The nats-server to run: a path, or a name looked up in PATH. */
  readonly natsServer: string;
  readonly preferOfflineImage: boolean;
  /** How long the node keeps its tasks while its engine is away, ms. */
  readonly engineGraceMs: number;
  /** How long a registry that did not answer is not asked for an image that the engine has, ms. */
  readonly registryRetryMs: number;
  /** Of this node's spec, from when it gets into a swarm. */
  readonly labels: Labels;
  readonly logLevel: string;
  /** The highest feature level that this natswarm can. */
  readonly featureLevel: number;
}

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
/** The CLI sends this at init when the user gave no --listen-addr. */
export const cliListenAddr = '0.0.0.0:2377';
const defaultConfigFile = '/etc/natswarm/daemon.json';
const packagedServer = '/usr/local/lib/natswarm/bin/nats-server';

const unixUrl = (text: string): string => {
  if (!/^unix:\/\/\/.+/.test(text))
    throw new InvalidArgumentError(`expected unix:///PATH, got "${text}".`);
  return text;
};
const absolutePath = (text: string): string => {
  if (!text.startsWith('/'))
    throw new InvalidArgumentError(`expected an absolute path, got "${text}".`);
  return text;
};
const port = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65535)
    throw new InvalidArgumentError(`expected a port from 1 to 65535, got "${text}".`);
  return value;
};
const hostPort = (text: string): string => {
  if (!/^(\[.+\]|[^:]+):\d{1,5}$/.test(text))
    throw new InvalidArgumentError(`expected ADDRESS:PORT, got "${text}".`);
  return text;
};
const label = (text: string): string => {
  if (!/^[^=]+=/.test(text)) throw new InvalidArgumentError(`expected KEY=VALUE, got "${text}".`);
  return text;
};
const truth = (text: string): boolean => {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw new InvalidArgumentError(`expected true or false, got "${text}".`);
};
const msPerUnit: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const durationMsMax = limits.engineGraceMsMax;
const duration = (text: string): number => {
  const [, count, unit = ''] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  const ms = text === '0' ? 0 : Number(count) * (msPerUnit[unit] ?? Number.NaN);
  if (!(ms <= durationMsMax))
    throw new InvalidArgumentError(
      `expected a duration up to 24h, such as 90s or 5m, got "${text}".`,
    );
  return ms;
};
const list =
  (item: (text: string) => string) =>
  (text: string, before: readonly string[] | undefined): readonly string[] => [
    ...(before ?? []),
    ...text.split(',').map((part) => item(part.trim())),
  ];

interface Setting {
  readonly flag: string;
  readonly key: keyof Config;
  readonly help: string;
  readonly fallback: unknown;
  /** The fallback in the form in which it is given. */
  readonly shown?: string;
  readonly parse?: (text: string, before?: never) => unknown;
  readonly choices?: readonly string[];
}
/** Flag, environment variable (NATSWARM_<FLAG>) and key of the file (the flag's name) of every setting. */
const settings: readonly Setting[] = [
  {
    flag: 'host <unix:///PATH>',
    key: 'hosts',
    help: 'socket to serve the Docker API on (repeatable)',
    fallback: ['unix:///run/natswarm.sock'],
    parse: list(unixUrl),
  },
  {
    flag: 'engine <unix:///PATH>',
    key: 'engineSocket',
    help: 'socket of the Docker Engine',
    fallback: 'unix:///run/docker.sock',
    parse: unixUrl,
  },
  {
    flag: 'state-dir <DIR>',
    key: 'stateDir',
    help: 'certificates, keys and the cluster state',
    fallback: '/var/lib/natswarm',
    parse: absolutePath,
  },
  {
    flag: 'run-dir <DIR>',
    key: 'runDir',
    help: 'files that need not outlive a reboot',
    fallback: '/run/natswarm',
    parse: absolutePath,
  },
  {
    flag: 'listen-addr <ADDR:PORT>',
    key: 'listenAddr',
    help: 'address for other nodes, where `swarm init` names none',
    fallback: cliListenAddr,
    parse: hostPort,
  },
  {
    flag: 'advertise-addr <ADDR|IFACE>',
    key: 'advertiseAddr',
    help: 'address that other nodes use, where `swarm init` names none',
    fallback: '',
  },
  {
    flag: 'label <KEY=VALUE>',
    key: 'labels',
    help: 'label that the node has from `swarm init` or `swarm join` on (repeatable)',
    fallback: [],
    parse: list(label),
  },
  { flag: 'bus-port <PORT>', key: 'busPort', help: 'port of the bus', fallback: 7946, parse: port },
  {
    flag: 'route-port <PORT>',
    key: 'routePort',
    help: 'port between the managers’ bus servers',
    fallback: 7947,
    parse: port,
  },
  {
    flag: 'nats-server <FILE>',
    key: 'natsServer',
    help: 'nats-server program',
    fallback: undefined,
  },
  {
    flag: 'prefer-offline-image [BOOL]',
    key: 'preferOfflineImage',
    help: 'never pull an image that the engine has already',
    fallback: false,
    parse: truth,
  },
  {
    flag: 'engine-grace <DURATION>',
    key: 'engineGraceMs',
    help: 'how long this node keeps its tasks while its engine is away',
    fallback: 60_000,
    shown: '1m',
    parse: duration,
  },
  {
    flag: 'registry-retry <DURATION>',
    key: 'registryRetryMs',
    help: 'how long a registry that did not answer is not asked for an image that the engine has',
    fallback: 300_000,
    shown: '5m',
    parse: duration,
  },
  {
    flag: 'log-level <LEVEL>',
    key: 'logLevel',
    help: 'least severe level to log',
    fallback: 'info',
    choices: logLevels,
  },
];

const nameOf = (setting: Setting): string => setting.flag.split(' ')[0] as string;
const envOf = (setting: Setting): string =>
  `NATSWARM_${nameOf(setting).replaceAll('-', '_').toUpperCase()}`;
const optionKey = (setting: Setting): string =>
  nameOf(setting).replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** Adds the daemon's flags to a command. */
export function addDaemonOptions(command: Command): Command {
  command.option(
    '--config <FILE>',
    `file of settings, JSON, named as the flags (default: ${defaultConfigFile} if present)`,
  );
  for (const setting of settings) {
    const option = new Option(`--${setting.flag}`, setting.help).env(envOf(setting));
    if (setting.parse !== undefined) option.argParser(setting.parse as (text: string) => unknown);
    if (setting.choices !== undefined) option.choices(setting.choices);
    if (option.optional) option.preset('true');
    if (Array.isArray(setting.fallback)) {
      // commander would add what is given to the default
      if (setting.fallback.length > 0)
        option.description = `${setting.help} (default: ${setting.fallback.join(',')})`;
    } else if (setting.fallback !== undefined && setting.fallback !== '')
      option.default(setting.fallback, setting.shown);
    command.addOption(option);
  }
  return command;
}

/** Reads the parsed flags of `command`, fills in the file, validates. Throws an Error that says what to change. */
export function readConfig(command: Command): Config {
  const file = command.opts<{ config?: string }>().config;
  const fromFile = readFile(file);
  const path = file ?? defaultConfigFile;
  const values = Object.fromEntries(
    settings.map((setting) => [setting.key, valueOf(setting, command, fromFile, path)]),
  ) as unknown as Config & { readonly labels: readonly string[] };
  if (values.busPort === values.routePort)
    throw new Error(`"bus-port" and "route-port" are both ${values.busPort}: they must differ`);
  return Object.freeze({
    ...values,
    labels: labelsFrom(values.labels),
    featureLevel: Number(process.env[levelVariable] ?? newestLevel),
    engineSocket: values.engineSocket.replace(/^unix:\/\//, ''),
    natsServer: values.natsServer ?? (existsSync(packagedServer) ? packagedServer : 'nats-server'),
  });
}

/** For tests only: a daemon that takes itself for an older or a newer one. */
const levelVariable = 'NATSWARM_TEST_FEATURE_LEVEL';

const labelsFrom = (texts: readonly string[]): Labels =>
  nodeLabelsFrom(
    Object.fromEntries(
      texts.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
    ),
  );

function readFile(file: string | undefined): ReadonlyMap<string, unknown> {
  const path = file ?? defaultConfigFile;
  if (file === undefined && !existsSync(path)) return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`configuration file ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new Error(`configuration file ${path}: expected one JSON object`);
  const known = new Set(settings.map(nameOf));
  for (const key of Object.keys(parsed))
    if (!known.has(key))
      throw new Error(
        `configuration file ${path}: unknown setting "${key}"; known: ${[...known].join(', ')}`,
      );
  return new Map(Object.entries(parsed));
}

function valueOf(
  setting: Setting,
  command: Command,
  file: ReadonlyMap<string, unknown>,
  path: string,
): unknown {
  const key = optionKey(setting);
  const given = command.getOptionValue(key) as unknown;
  const inFile = file.get(nameOf(setting));
  if (command.getOptionValueSource(key) !== 'default' && given !== undefined) return given;
  if (inFile === undefined) return given ?? setting.fallback;
  try {
    return fromFileValue(setting, inFile);
  } catch (error) {
    throw new Error(
      `configuration file ${path}: setting "${nameOf(setting)}": ${(error as Error).message}`,
      { cause: error },
    );
  }
}

function fromFileValue(setting: Setting, value: unknown): unknown {
  if (typeof setting.fallback === 'boolean' && typeof value !== 'boolean')
    throw new Error('expected true or false');
  const text = Array.isArray(value) ? value.map(String).join(',') : String(value);
  if (setting.choices !== undefined && !setting.choices.includes(text))
    throw new Error(`expected one of ${setting.choices.join(', ')}, got "${text}"`);
  return setting.parse === undefined ? text : setting.parse(text);
}

/** Variables that look like settings and are none: typing errors, most likely. */
export function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set([...settings.map(envOf), levelVariable]);
  return Object.keys(env).filter((name) => name.startsWith('NATSWARM_') && !known.has(name));
}
