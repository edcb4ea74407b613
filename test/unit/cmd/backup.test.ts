import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { encodeCheckpoint } from '../../../actors/manager/checkpoint.ts';
import { pack } from '../../../bus/codec.ts';
import { type Backup, packBackup, restoreBackup, unpackBackup } from '../../../cmd/backup.ts';
import { addDaemonOptions, readConfig } from '../../../cmd/config.ts';
import { NodeFiles } from '../../../cmd/node-files.ts';
import { Incompatible } from '../../../domain/format/format.ts';
import { newestLevel } from '../../../domain/format/levels.ts';
import { World } from '../commands/helpers.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'natswarm-backup-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function backupAt(featureLevel: number): Backup {
  const { store, ...world } = at(featureLevel);
  const data = encodeCheckpoint({ epoch: 1, at: 1, leader: 'm', objects: store.dump() });
  return { version: 1, clusterId: world.id, generation: 1, at: 1, seq: 2, hash: '', data };
}

function at(featureLevel: number) {
  const world = new World();
  const id = world.store.cluster()?.id ?? '';
  world.apply([{ op: 'patch', kind: 'cluster', id, fields: { featureLevel } }]);
  return { store: world.store, id };
}

test('a backup comes back as it was; one of a newer natswarm is refused with what to install', () => {
  const backup = backupAt(newestLevel);
  expect(unpackBackup(packBackup(backup))).toEqual(backup);
  const newer = pack({ ...backup, version: 2 });
  expect(() => unpackBackup(newer)).toThrow(Incompatible);
  expect(() => unpackBackup(newer)).toThrow(
    'the backup is of version 2, and this natswarm reads version 1 only: install a natswarm',
  );
  const { version: _, ...none } = backup;
  expect(() => unpackBackup(pack(none))).toThrow('it is damaged');
});

test('a backup of a cluster above what this natswarm can is not restored, and nothing is written', async () => {
  const files = new NodeFiles(join(dir, 'state'));
  const config = readConfig(addDaemonOptions(new Command()).parse([], { from: 'user' }));
  const addresses = { listenAddr: '', advertiseHost: '', advertisePort: '' };
  const restored = restoreBackup(backupAt(newestLevel + 1), files, config, addresses, 1);
  await expect(restored).rejects.toThrow(Incompatible);
  expect(existsSync(join(dir, 'state'))).toBe(false);
});
