import type { Mount, MountType } from '../model/spec.ts';
import { compact } from './compact.ts';
import type { TypeOf } from './decode.ts';
import {
  bool,
  int64,
  list,
  omitEmpty,
  pointer,
  stringMap,
  struct,
  text,
  uint32,
} from './decode.ts';
import { badRequest, invalid, notYet } from './faults.ts';
import { quote } from './go-text.ts';

const driver = struct('mount.Driver', {
  Name: omitEmpty(text()),
  Options: omitEmpty(stringMap),
});
export const mountType = struct('mount.Mount', {
  Type: omitEmpty(text('mount.Type')),
  Source: omitEmpty(text()),
  Target: omitEmpty(text()),
  ReadOnly: omitEmpty(bool),
  Consistency: omitEmpty(text('mount.Consistency')),
  BindOptions: pointer(
    struct('mount.BindOptions', {
      Propagation: omitEmpty(text('mount.Propagation')),
      NonRecursive: omitEmpty(bool),
      CreateMountpoint: omitEmpty(bool),
      ReadOnlyNonRecursive: omitEmpty(bool),
      ReadOnlyForceRecursive: omitEmpty(bool),
    }),
  ),
  VolumeOptions: pointer(
    struct('mount.VolumeOptions', {
      NoCopy: omitEmpty(bool),
      Labels: omitEmpty(stringMap),
      Subpath: omitEmpty(text()),
      DriverConfig: pointer(driver),
    }),
  ),
  ImageOptions: pointer(struct('mount.ImageOptions', { Subpath: omitEmpty(text()) })),
  TmpfsOptions: pointer(
    struct('mount.TmpfsOptions', {
      SizeBytes: omitEmpty(int64()),
      Mode: omitEmpty(uint32('fs.FileMode')),
      Options: omitEmpty(list(list(text())), 46),
    }),
  ),
  ClusterOptions: pointer(struct('mount.ClusterOptions', {})),
});

const types = new Set<string>(['bind', 'volume', 'tmpfs', 'npipe', 'cluster']);
const propagations = new Set(['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave']);

type BindOptions = NonNullable<Mount['BindOptions']>;
function bindOptionsFrom(wire: TypeOf<typeof mountType>['BindOptions']): BindOptions | undefined {
  if (wire === undefined) return undefined;
  const { Propagation = '', NonRecursive } = wire;
  const propagation = Propagation.toLowerCase();
  if (propagation !== '' && !propagations.has(propagation))
    throw badRequest(`invalid MountPropagation: ${quote(Propagation)}`);
  if (propagation === '' && NonRecursive === undefined) return undefined;
  return compact({ Propagation: propagation === '' ? 'rprivate' : propagation, NonRecursive });
}

/** What Docker's daemon drops between client and store (Consistency, CreateMountpoint, …) is dropped here too. */
export function mountFrom(wire: TypeOf<typeof mountType>): Mount {
  const type = wire.Type?.toLowerCase() ?? 'bind';
  if (!types.has(type)) throw badRequest(`invalid MountType: ${quote(wire.Type ?? '')}`);
  const { Source, Target, ReadOnly, VolumeOptions, TmpfsOptions } = wire;
  const BindOptions = bindOptionsFrom(wire.BindOptions);
  const Type = type as MountType;
  return compact({ Type, Source, Target, ReadOnly, BindOptions, VolumeOptions, TmpfsOptions });
}

/** Checks mounts whose templates are expanded. Sources and targets are checked by the node that runs the task. */
export function checkMounts(mounts: readonly Mount[] | undefined): void {
  const targets = new Set<string>();
  for (const { Target = '' } of mounts ?? []) {
    if (targets.has(Target)) throw invalid(`ContainerSpec: duplicate mount point: ${Target}`);
    targets.add(Target);
  }
  if (mounts?.some((mount) => mount.Type === 'cluster') === true)
    throw notYet('mounts of type cluster are');
}
