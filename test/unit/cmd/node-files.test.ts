import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeFiles } from '../../../cmd/node-files.ts';
import { generateKeys, newKey, privateKeyToPem } from '../../../pki/mod.ts';

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

describe('a renewal', () => {
  const pendingFile = (): string => join(dir, 'certificates', 'swarm-node.pending.key');

  test('has one key, over tries and restarts, until its certificate is there', () => {
    const files = new NodeFiles(dir);
    files.writeCertificates(first);
    expect(files.pendingKey()).toBeUndefined();
    const key = files.beginRenewal();
    expect(files.beginRenewal()).toBe(key);
    expect(new NodeFiles(dir).beginRenewal()).toBe(key);
    expect(statSync(pendingFile()).mode & 0o777).toBe(0o600);
    expect(files.certificate('key')).toBe(first.key);
    files.writeCertificates({ ...second, key });
    expect(files.pendingKey()).toBeUndefined();
    expect(files.beginRenewal()).not.toBe(key);
  });

  test('its key goes with the swarm, and with what only a manager has', () => {
    const files = new NodeFiles(dir);
    files.writeCertificates(first);
    files.beginRenewal();
    files.wipeManager();
    expect(files.pendingKey()).toBeUndefined();
    files.beginRenewal();
    files.wipe();
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('locked', () => {
  const keys = { dataKey: newKey().toString('hex'), busIssuerSeed: 'a seed' };
  const certificates = { ...first, key: privateKeyToPem(generateKeys().privateKey) };
  const newer = { ...second, key: privateKeyToPem(generateKeys().privateKey) };
  const [one, two] = [newKey(), newKey()];
  function made(): NodeFiles {
    const files = new NodeFiles(dir);
    files.writeKeys(keys);
    files.writeCertificates(certificates);
    return files;
  }
  const isPlain = (): boolean =>
    readFileSync(join(dir, 'keys.json'), 'utf8').includes(keys.dataKey) ||
    readFileSync(join(dir, 'certificates', 'swarm-node.key'), 'utf8').includes('BEGIN PRIVATE');
  const isReadable = (files: NodeFiles): void => {
    expect(files.keys()).toMatchObject(keys);
    expect(files.certificate('key')).toBe(certificates.key);
  };

  test('the keys are there for whoever has the unlock key, and for nobody else', () => {
    const files = made();
    expect(files.lock(one, 5)).toBe(true);
    expect(isPlain()).toBe(false);
    isReadable(files);
    const restarted = new NodeFiles(dir);
    expect(restarted.isLocked()).toBe(true);
    expect(() => restarted.keys()).toThrow('is locked');
    expect(() => restarted.certificate('key')).toThrow('is locked');
    expect(restarted.unlock(two)).toBe(false);
    expect(restarted.isLocked()).toBe(true);
    expect(restarted.unlock(one)).toBe(true);
    isReadable(restarted);
  });

  test('another key, none; what an older state says is not taken', () => {
    const files = made();
    files.lock(one, 5);
    expect(files.lock(two, 5)).toBe(false);
    expect(files.lock(two, 6)).toBe(true);
    expect(files.lock(two, 7)).toBe(false);
    expect(files.lock(one, 6)).toBe(false);
    const restarted = new NodeFiles(dir);
    expect(restarted.unlock(two)).toBe(true);
    expect(restarted.lock(one, 5)).toBe(false);
    expect(restarted.lock(undefined, 8)).toBe(true);
    isReadable(restarted);
    const open = new NodeFiles(dir);
    expect(open.isLocked()).toBe(false);
    isReadable(open);
    expect(open.lock(two, 7)).toBe(false);
    expect(isPlain()).toBe(true);
  });

  test('a crash between the two files leaves what the next start can read, and puts right', () => {
    const files = made();
    const plain = readFileSync(join(dir, 'certificates', 'swarm-node.key'));
    files.lock(one, 5);
    writeFileSync(join(dir, 'certificates', 'swarm-node.key'), plain);
    const restarted = new NodeFiles(dir);
    restarted.unlock(one);
    isReadable(restarted);
    expect(isPlain()).toBe(false);
    const sealed = readFileSync(join(dir, 'certificates', 'swarm-node.key'));
    restarted.lock(undefined, 6);
    writeFileSync(join(dir, 'certificates', 'swarm-node.key'), sealed);
    isReadable(new NodeFiles(dir));
  });

  test('a renewed key is sealed from the beginning, also while its renewal is cut off', () => {
    const files = made();
    files.lock(one, 5);
    files.writeCertificates(newer);
    const sealed = readFileSync(join(dir, 'certificates', 'swarm-node.key'), 'utf8');
    expect(sealed).toContain('BEGIN ENCRYPTED PRIVATE KEY');
    writeFileSync(join(dir, 'renewal.json'), JSON.stringify({ ...newer, key: sealed }));
    const restarted = new NodeFiles(dir);
    restarted.recover();
    restarted.unlock(one);
    expect(held(restarted)).toEqual(newer);
  });

  test('when locking begins, so does a renewal, with a key that was never in the clear', () => {
    const files = made();
    const inTheClear = files.beginRenewal();
    files.lock(one, 5);
    const pending = files.pendingKey() ?? '';
    expect(pending).toContain('BEGIN PRIVATE KEY');
    expect(pending).not.toBe(inTheClear);
    const file = join(dir, 'certificates', 'swarm-node.pending.key');
    expect(readFileSync(file, 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
    // it goes on with this key whatever happens to the lock
    files.lock(two, 6);
    expect(files.pendingKey()).toBe(pending);
    const restarted = new NodeFiles(dir);
    expect(() => restarted.pendingKey()).toThrow('is locked');
    restarted.unlock(two);
    expect(restarted.beginRenewal()).toBe(pending);
    restarted.lock(undefined, 7);
    expect(new NodeFiles(dir).beginRenewal()).toBe(pending);
    expect(readFileSync(file, 'utf8')).toBe(pending);
  });

  test.each([
    ['another unlock key', two, 6],
    ['no unlock key any more', undefined, 6],
  ])('%s begins no renewal', (_, key, version) => {
    const files = made();
    files.lock(one, 5);
    files.writeCertificates(newer);
    files.lock(key, version);
    expect(files.pendingKey()).toBeUndefined();
  });

  test('a crash before the lock is written leaves a renewal, which the next start locks with', () => {
    const files = made();
    const keysInTheClear = readFileSync(join(dir, 'keys.json'));
    files.lock(one, 5);
    writeFileSync(join(dir, 'keys.json'), keysInTheClear);
    const restarted = new NodeFiles(dir);
    expect(restarted.isLocked()).toBe(false);
    expect(restarted.lock(one, 5)).toBe(true);
    expect(restarted.pendingKey()).toBeDefined();
    expect(isPlain()).toBe(false);
  });

  test('a new manager locks its certificate of before with its first keys', () => {
    const files = new NodeFiles(dir);
    files.writeCertificates(certificates);
    files.lock(one, 5);
    expect(files.pendingKey()).toBeUndefined();
    files.writeKeys(keys);
    expect(files.pendingKey()).toContain('BEGIN PRIVATE KEY');
  });

  test('a manager without keys locks those that it gets; a worker has none to lock', () => {
    const files = new NodeFiles(dir);
    files.writeCertificates(certificates);
    files.lock(one, 5);
    files.writeKeys(keys);
    expect(isPlain()).toBe(false);
    files.wipeManager();
    expect(readFileSync(join(dir, 'certificates', 'swarm-node.key'), 'utf8')).toBe(
      certificates.key,
    );
    expect(new NodeFiles(dir).isLocked()).toBe(false);
    expect(files.locks()).toBe(false);
  });
});
