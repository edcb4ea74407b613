/** The fields of a ContainerSpec that may hold templates (swarm-compat §3.4). */
import { Fault } from '../errors.ts';
import type { ContainerSpec, Labels, Mount } from '../model/spec.ts';
import { compact } from './compact.ts';
import { invalid } from './faults.ts';
import { quote } from './go-text.ts';
import type { TemplateData } from './template.ts';
import { expandTemplate, isTemplate } from './template.ts';

/** Says what was being expanded, as Go's wrapped errors do. */
function during<T>(what: string, expand: () => T): T {
  try {
    return expand();
  } catch (error) {
    throw error instanceof Fault ? invalid(`${what}: ${error.message}`) : error;
  }
}

function expandEnv(entry: string, data: TemplateData): string {
  const at = entry.indexOf('=');
  if (at === -1 || !isTemplate(entry)) return entry;
  return during(`expanding env failed: expanding env ${quote(entry)}`, () =>
    entry.slice(0, at + 1).concat(expandTemplate(entry.slice(at + 1), data)),
  );
}

function expandMap(map: Labels | undefined, what: string, data: TemplateData): Labels | undefined {
  if (map === undefined || !Object.values(map).some(isTemplate)) return map;
  const entries = Object.entries(map).map(([key, value]) => [
    key,
    during(`${what}: expanding map entry ${quote(key)}=${quote(value)}`, () =>
      expandTemplate(value, data),
    ),
  ]);
  return Object.fromEntries(entries) as Labels;
}

function expandText(
  text: string | undefined,
  what: string,
  data: TemplateData,
): string | undefined {
  if (text === undefined || !isTemplate(text)) return text;
  return during(`${what} ${quote(text)}`, () => expandTemplate(text, data));
}

type VolumeOptions = NonNullable<Mount['VolumeOptions']>;
function expandVolume(volume: VolumeOptions, data: TemplateData): VolumeOptions {
  const { DriverConfig } = volume;
  return compact({
    ...volume,
    Labels: expandMap(volume.Labels, 'expanding volume labels', data),
    DriverConfig:
      DriverConfig &&
      compact({
        ...DriverConfig,
        Options: expandMap(DriverConfig.Options, 'expanding volume driver config', data),
      }),
  });
}

function expandMount(mount: Mount, data: TemplateData): Mount {
  return during('expanding mounts failed', () =>
    compact({
      ...mount,
      Source: expandText(mount.Source, 'expanding mount source', data),
      Target: expandText(mount.Target, 'expanding mount target', data),
      VolumeOptions: mount.VolumeOptions && expandVolume(mount.VolumeOptions, data),
    }),
  );
}

/**
 * Fills in the templates of one task. Throws a `Fault` with the place and Go's words when a template is wrong.
 */
export function expandContainer(container: ContainerSpec, data: TemplateData): ContainerSpec {
  const { Env, Mounts, Hostname } = container;
  const env = Env?.map((entry) => expandEnv(entry, data));
  const mounts = Mounts?.map((mount) => expandMount(mount, data));
  const hostname =
    Hostname !== undefined && isTemplate(Hostname)
      ? during('expanding hostname failed', () => expandTemplate(Hostname, data))
      : Hostname;
  return compact({ ...container, Env: env, Mounts: mounts, Hostname: hostname });
}
