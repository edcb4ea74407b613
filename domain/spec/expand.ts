/** The fields of a ContainerSpec that may hold templates (swarm-compat §3.4). */
import { Fault } from '../errors.ts';
import { limits } from '../limits.ts';
import type { ContainerSpec, Labels, Mount } from '../model/spec.ts';
import { compact } from './compact.ts';
import { invalid } from './faults.ts';
import { quote } from './go-text.ts';
import { Budget } from './template/budget.ts';
import { expandTemplate, isTemplate, type TemplateData } from './template/template.ts';

/** Says what was being expanded, as Go's wrapped errors do. */
function during<T>(what: () => string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof Fault ? invalid(`${what()}: ${error.message}`) : error;
  }
}

type Expand = (text: string) => string;

/** Expands the texts of one container. The leader does nothing else meanwhile, so there is a bound to it. */
function expander(data: TemplateData): Expand {
  let total = 0;
  const budget = new Budget();
  return (text) => {
    total += isTemplate(text) ? text.length : 0;
    if (total > limits.templateTextMax)
      throw invalid(`templates have more than ${limits.templateTextMax} characters together`);
    return expandTemplate(text, data, budget);
  };
}

function expandEnv(entry: string, expand: Expand): string {
  const at = entry.indexOf('=');
  if (at === -1 || !isTemplate(entry)) return entry;
  return during(
    () => `expanding env failed: expanding env ${quote(entry)}`,
    () => entry.slice(0, at + 1).concat(expand(entry.slice(at + 1))),
  );
}

function expandMap(map: Labels | undefined, what: string, expand: Expand): Labels | undefined {
  if (map === undefined || !Object.values(map).some(isTemplate)) return map;
  const entries = Object.entries(map).map(([key, value]) => [
    key,
    during(
      () => `${what}: expanding map entry ${quote(key)}=${quote(value)}`,
      () => expand(value),
    ),
  ]);
  return Object.fromEntries(entries) as Labels;
}

function expandText(text: string | undefined, what: string, expand: Expand): string | undefined {
  if (text === undefined || !isTemplate(text)) return text;
  return during(
    () => `${what} ${quote(text)}`,
    () => expand(text),
  );
}

type VolumeOptions = NonNullable<Mount['VolumeOptions']>;
function expandVolume(volume: VolumeOptions, expand: Expand): VolumeOptions {
  const { DriverConfig } = volume;
  return compact({
    ...volume,
    Labels: expandMap(volume.Labels, 'expanding volume labels', expand),
    DriverConfig:
      DriverConfig &&
      compact({
        ...DriverConfig,
        Options: expandMap(DriverConfig.Options, 'expanding volume driver config', expand),
      }),
  });
}

function expandMount(mount: Mount, expand: Expand): Mount {
  return during(
    () => 'expanding mounts failed',
    () =>
      compact({
        ...mount,
        Source: expandText(mount.Source, 'expanding mount source', expand),
        Target: expandText(mount.Target, 'expanding mount target', expand),
        VolumeOptions: mount.VolumeOptions && expandVolume(mount.VolumeOptions, expand),
      }),
  );
}

/**
 * Fills in the templates of one task. Throws a `Fault` with the place and Go's words when a template is wrong.
 */
export function expandContainer(container: ContainerSpec, data: TemplateData): ContainerSpec {
  const expand = expander(data);
  const { Env, Mounts, Hostname } = container;
  const env = Env?.map((entry) => expandEnv(entry, expand));
  const mounts = Mounts?.map((mount) => expandMount(mount, expand));
  const hostname =
    Hostname !== undefined && isTemplate(Hostname)
      ? during(
          () => 'expanding hostname failed',
          () => expand(Hostname),
        )
      : Hostname;
  return compact({ ...container, Env: env, Mounts: mounts, Hostname: hostname });
}
