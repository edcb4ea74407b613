/** ContainerSpec: from the client's form to the canonical one, and the manager's checks of it. */
import type { ContainerSpec, Healthcheck } from '../model/spec.ts';
import { compact } from './compact.ts';
import type { TypeOf } from './decode.ts';
import {
  always,
  base64Bytes,
  bool,
  duration,
  int64,
  list,
  nullable,
  omitEmpty,
  pointer,
  stringMap,
  struct,
  text,
  uint32,
} from './decode.ts';
import { expandContainer } from './expand.ts';
import { invalid, notYet } from './faults.ts';
import { checkImage } from './image.ts';
import { checkMounts, mountFrom, mountType } from './mounts.ts';

const fileTarget = {
  Name: always(text()),
  UID: always(text()),
  GID: always(text()),
  Mode: always(uint32('fs.FileMode')),
};
const secretType = struct('swarm.SecretReference', {
  File: nullable(struct('swarm.SecretReferenceFileTarget', fileTarget)),
  SecretID: always(text()),
  SecretName: always(text()),
});
const configType = struct('swarm.ConfigReference', {
  File: pointer(struct('swarm.ConfigReferenceFileTarget', fileTarget)),
  Runtime: pointer(struct('swarm.ConfigReferenceRuntimeTarget', {}), 40),
  ConfigID: always(text()),
  ConfigName: always(text()),
});

const privilegesType = struct('swarm.Privileges', {
  CredentialSpec: nullable(
    struct('swarm.CredentialSpec', {
      Config: always(text(), 40),
      File: always(text()),
      Registry: always(text()),
    }),
  ),
  SELinuxContext: nullable(
    struct('swarm.SELinuxContext', {
      Disable: always(bool),
      User: always(text()),
      Role: always(text()),
      Type: always(text()),
      Level: always(text()),
    }),
  ),
  Seccomp: pointer(
    struct('swarm.SeccompOpts', {
      Mode: always(text('swarm.SeccompMode')),
      Profile: omitEmpty(base64Bytes),
    }),
    44,
  ),
  AppArmor: pointer(struct('swarm.AppArmorOpts', { Mode: always(text('swarm.AppArmorMode')) }), 44),
  NoNewPrivileges: always(bool, 44),
});

const healthcheckType = struct('v1.HealthcheckConfig', {
  Test: omitEmpty(list(text())),
  Interval: omitEmpty(duration),
  Timeout: omitEmpty(duration),
  StartPeriod: omitEmpty(duration),
  StartInterval: omitEmpty(duration, 44),
  Retries: omitEmpty(int64('int')),
});

const ulimitType = struct('units.Ulimit', {
  Name: always(text()),
  Hard: always(int64()),
  Soft: always(int64()),
});

export const containerType = struct('swarm.ContainerSpec', {
  Image: always(text()),
  Labels: omitEmpty(stringMap),
  Command: omitEmpty(list(text())),
  Args: omitEmpty(list(text())),
  Hostname: omitEmpty(text()),
  Env: omitEmpty(list(text())),
  Dir: omitEmpty(text()),
  User: omitEmpty(text()),
  Groups: omitEmpty(list(text())),
  Privileges: pointer(privilegesType),
  Init: pointer(bool),
  StopSignal: omitEmpty(text()),
  TTY: omitEmpty(bool),
  OpenStdin: omitEmpty(bool),
  ReadOnly: omitEmpty(bool),
  Mounts: omitEmpty(list(mountType)),
  StopGracePeriod: pointer(duration),
  Healthcheck: pointer(healthcheckType),
  Hosts: omitEmpty(list(text())),
  DNSConfig: pointer(
    struct('swarm.DNSConfig', {
      Nameservers: omitEmpty(list(text())),
      Search: omitEmpty(list(text())),
      Options: omitEmpty(list(text())),
    }),
  ),
  Secrets: omitEmpty(list(secretType, '[]*swarm.SecretReference')),
  Configs: omitEmpty(list(configType, '[]*swarm.ConfigReference')),
  Isolation: always(text('container.Isolation')),
  Sysctls: omitEmpty(stringMap, 40),
  CapabilityAdd: omitEmpty(list(text()), 41),
  CapabilityDrop: omitEmpty(list(text()), 41),
  Ulimits: omitEmpty(list(ulimitType, '[]*units.Ulimit'), 41),
  OomScoreAdj: omitEmpty(int64(), 46),
});
type Wire = TypeOf<typeof containerType>;

/** Modes that Docker does not know become the default, silently. */
function privilegesFrom(wire: Wire['Privileges']): Wire['Privileges'] {
  if (wire === undefined) return undefined;
  const { Seccomp, AppArmor } = wire;
  return compact({
    ...wire,
    Seccomp: Seccomp && { ...Seccomp, Mode: oneOf(Seccomp.Mode, ['unconfined', 'custom']) },
    AppArmor: AppArmor && { Mode: oneOf(AppArmor.Mode, ['disabled']) },
  });
}
const oneOf = (value: string, known: readonly string[]): string =>
  known.includes(value) ? value : 'default';

/** Retries pass through a 32-bit integer on their way into Swarm's store. */
function healthcheckFrom(wire: Wire['Healthcheck']): Healthcheck | undefined {
  if (wire?.Retries === undefined) return wire;
  const Retries = wire.Retries | 0;
  return compact({ ...wire, Retries: Retries === 0 ? undefined : Retries });
}

export function containerFrom(wire: Wire): ContainerSpec {
  return compact({
    ...wire,
    Privileges: privilegesFrom(wire.Privileges),
    Mounts: wire.Mounts?.map(mountFrom),
    Healthcheck: healthcheckFrom(wire.Healthcheck),
    Isolation: oneOf(wire.Isolation.toLowerCase(), ['hyperv', 'process']),
  });
}

const leastHealthNs = 1e6;

function checkHealthcheck(health: Healthcheck | undefined): void {
  for (const field of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const ns = health?.[field] ?? 0;
    if (ns !== 0 && ns < leastHealthNs)
      throw invalid(`ContainerSpec: ${field} in HealthConfig cannot be less than 1ms`);
  }
  if ((health?.Retries ?? 0) < 0)
    throw invalid('ContainerSpec: Retries in HealthConfig cannot be negative');
}

function checkSupported(container: ContainerSpec): void {
  if (container.Secrets !== undefined) throw notYet('secrets are');
  if (container.Configs !== undefined) throw notYet('configs are');
  const credentials = container.Privileges?.['CredentialSpec'] ?? null;
  if (credentials !== null) throw notYet('credential specs (Windows) are');
}

/** Values for the trial expansion of templates; the same as Swarm's. */
const dummy = {
  Service: { ID: 'serviceid', Name: 'servicename', Labels: {} },
  Node: {
    ID: 'nodeid',
    Hostname: 'nodeHostname',
    Platform: { Architecture: 'architecture', OS: 'os' },
  },
  Task: { ID: '', Name: 'taskname', Slot: '1' },
} as const;

export function checkContainer(container: ContainerSpec): void {
  checkSupported(container);
  const expanded = expandContainer(container, dummy);
  checkImage(container.Image);
  checkMounts(expanded.Mounts);
  checkHealthcheck(container.Healthcheck);
}
