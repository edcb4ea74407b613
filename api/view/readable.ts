/**
 * Stored objects as far as they can be shown: what is not of the type that Docker's clients expect is left out, for they
 * refuse a whole list for one field of one object. Sound objects are shown as they are.
 */
import type { ClusterSpec, ServiceSpec, TaskSpec } from '../../domain/model/spec.ts';
import { clusterType } from '../../domain/spec/cluster.ts';
import { containerType } from '../../domain/spec/container.ts';
import {
  always,
  base64Bytes,
  int64,
  list,
  omitEmpty,
  pointer,
  readerOf,
  stringMap,
  struct,
  text,
} from '../../domain/spec/decode.ts';
import { portType } from '../../domain/spec/ports.ts';
import { genericType } from '../../domain/spec/resources.ts';
import { serviceType, taskType } from '../../domain/spec/service.ts';

export const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
export const integerOf = (value: unknown): number =>
  Number.isSafeInteger(value) ? Number(value) : 0;
/** For what Go reads as an unsigned number. */
export const countOf = (value: unknown): number => Math.max(0, integerOf(value));

export const readDescription = readerOf(
  struct('description', {
    hostname: always(text()),
    platform: always(struct('platform', { architecture: always(text()), os: always(text()) })),
    resources: always(
      struct('resources', {
        nanoCpus: always(int64()),
        memoryBytes: always(int64()),
        generic: omitEmpty(list(genericType)),
      }),
    ),
    engine: always(
      struct('engine', {
        version: always(text()),
        labels: always(stringMap),
        plugins: always(list(struct('plugin', { type: always(text()), name: always(text()) }))),
      }),
    ),
    tls: pointer(
      struct('tls', {
        trustRoot: always(text()),
        issuerSubject: always(base64Bytes),
        issuerPublicKey: always(base64Bytes),
      }),
    ),
  }),
);

export const readNodeSpec = readerOf(
  struct('node', {
    Name: omitEmpty(text()),
    Labels: always(stringMap),
    Role: always(text()),
    Availability: always(text()),
  }),
);

const readCluster = readerOf(clusterType);
export const readClusterSpec = (value: unknown): ClusterSpec =>
  readCluster(value) as unknown as ClusterSpec;

const readPortList = readerOf(struct('status', { ports: omitEmpty(list(portType)) }));
export const readPorts = (ports: unknown) => readPortList({ ports }).ports;

const readTask = readerOf(taskType);
const readService = readerOf(serviceType);

/** Clients look into the container's part without a check. */
export function readTaskSpec(value: unknown): TaskSpec {
  const spec = readTask(value);
  return (
    spec.ContainerSpec === undefined ? { ...spec, ContainerSpec: containerType.zero } : spec
  ) as TaskSpec;
}

/** One replica where their number cannot be read: what the plan of such a service comes to. */
export function readServiceSpec(value: unknown): ServiceSpec {
  const spec = readService(value);
  const { Name, Mode, TaskTemplate } = spec;
  if (Name !== undefined && TaskTemplate.ContainerSpec !== undefined && isMode(Mode))
    return spec as ServiceSpec;
  return {
    ...spec,
    Name: Name ?? '',
    TaskTemplate: readTaskSpec(TaskTemplate),
    Mode: isMode(Mode) ? Mode : { Replicated: { Replicas: 1 } },
  } as ServiceSpec;
}

const isMode = (mode: ServiceSpec['Mode'] | { readonly Replicated?: object }): boolean =>
  mode.Replicated === undefined
    ? 'Global' in mode && mode.Global !== undefined
    : 'Replicas' in mode.Replicated && mode.Replicated.Replicas !== undefined;
