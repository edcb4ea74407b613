import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeCheckpoint } from '../../../actors/manager/checkpoint.ts';
import { forceGeneration } from '../../../cmd/force-new-cluster.ts';
import { beginJournal, setStateAside } from '../../../cmd/generation.ts';
import type { Identity } from '../../../actors/node/identity.ts';
import { NodeFiles } from '../../../cmd/node-files.ts';
import { StartFiles } from '../../../cmd/start-files.ts';
import { Store } from '../../../domain/store/store.ts';
import { newKey } from '../../../pki/mod.ts';
import { nodeDraft } from '../commands/helpers.ts';

let dir = '';
let files: NodeFiles;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'natswarm-force-'));
  files = new NodeFiles(dir);
  files.writeKeys({ dataKey: newKey().toString('hex'), busIssuerSeed: '' });
});
afterEach(() => rmSync(dir, { recursive: true }));

const identity: Identity = {
  nodeId: 'm',
  clusterId: 'c',
  listenAddr: '',
  advertiseHost: '',
  advertisePort: '',
  generation: 2,
  form: 'several',
};

async function know(seq: number): Promise<void> {
  const store = new Store();
  const object = nodeDraft('m', { role: 'manager' });
  store.apply({ index: 1, at: 1, changes: [{ op: 'put', kind: 'node', object }] });
  const data = encodeCheckpoint({ epoch: 1, at: 1, leader: 'm', objects: store.dump() });
  await beginJournal(files, identity.generation, { seq, hash: '', data });
}

test('what contradicted the log is the cluster’s state, and nothing speaks against it any more', async () => {
  await know(7);
  await new StartFiles(files).setHold({ kind: 'contradiction', why: 'why' });
  const next = await forceGeneration(files, identity);
  expect(next).toMatchObject({ form: 'alone', founding: { after: 1_000_007 } });
  expect(new StartFiles(files).hold).toBeUndefined();
});

test('of a state that was not used the last that was set aside counts, where none has come from the others', async () => {
  await know(7);
  setStateAside(files, identity.generation, 1_000, ['journal']);
  await know(9);
  setStateAside(files, identity.generation, 2_000, ['journal']);
  const joining: Identity = { ...identity, joining: true };
  expect(await forceGeneration(files, joining)).toMatchObject({ founding: { after: 1_000_009 } });
  await know(20);
  expect(await forceGeneration(files, joining)).toMatchObject({ founding: { after: 1_000_020 } });
});

test('without any state there is nothing to begin with', async () => {
  await expect(forceGeneration(files, identity)).rejects.toThrow('no copy of the state');
});
