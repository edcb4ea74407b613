import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeFiles } from '../../../cmd/node-files.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'natswarm-files-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const first = { node: 'certificate 1', key: 'key 1', root: 'root 1' };
const second = { node: 'certificate 2', key: 'key 2', root: 'root 2' };
const held = (files: NodeFiles) => ({
  node: files.certificate('node'),
  key: files.certificate('key'),
  root: files.certificate('root'),
});

test('a renewal that a crash cut off in the middle is ended by the next start', () => {
  const files = new NodeFiles(dir);
  files.writeCertificates(first);
  // the key is in place, the certificate is not
  writeFileSync(join(dir, 'renewal.json'), JSON.stringify(second));
  writeFileSync(files.certificates.key(), second.key);
  const restarted = new NodeFiles(dir);
  restarted.recover();
  expect(held(restarted)).toEqual(second);
  expect(readdirSync(dir)).toEqual(['certificates']);
});

test('nothing to recover changes nothing; listeners hear of each change', () => {
  const files = new NodeFiles(dir);
  const heard: string[] = [];
  files.onCertificates(() => heard.push(files.certificate('node')));
  files.writeCertificates(first);
  files.recover();
  files.writeCertificates(second);
  expect(held(files)).toEqual(second);
  expect(heard).toEqual([first.node, second.node]);
  expect(statSync(files.certificates.key()).mode & 0o777).toBe(0o600);
});

test('leaving the swarm removes all of it', () => {
  const files = new NodeFiles(dir);
  files.writeCertificates(first);
  files.writeManagers([{ nodeId: 'n', addr: '10.0.0.1:2377', bus: '10.0.0.1:7946' }]);
  writeFileSync(join(dir, 'renewal.json'), JSON.stringify(second));
  files.wipe();
  expect(readdirSync(dir)).toEqual([]);
  expect(files.managers()).toEqual([]);
});
