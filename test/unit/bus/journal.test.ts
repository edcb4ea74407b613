import {
  appendFile,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FileJournal } from '../../../bus/journal/journal.ts';
import { JournalError, type LogRecord } from '../../../bus/ports.ts';
import { limits } from '../../../domain/limits.ts';
import { journalContract } from '../../contract/journal.ts';

const key = Buffer.alloc(32, 7);

journalContract('files', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'natswarm-journal-'));
  const opened: FileJournal[] = [];
  return {
    open: async () => {
      opened.push(new FileJournal({ dir, key, generation: 1 }));
      return opened.at(-1) as FileJournal;
    },
    // A process that is gone takes its buffer with it; what it wrote stays in the files.
    crash: async () => {},
    settle: (promise) => promise,
    close: async () => {
      for (const journal of opened) await journal.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
});

describe('files', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'natswarm-journal-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const journalOf = (overrides: object = {}): FileJournal =>
    new FileJournal({ dir, key, generation: 1, ...overrides });
  const record = (seq: number, bytes = 50): LogRecord => ({
    seq,
    data: Buffer.alloc(bytes, `plaintext ${seq} `),
  });
  const seqsOf = async (journal = journalOf()): Promise<readonly number[]> =>
    (await journal.load()).records.map(({ seq }) => seq);
  const fileNames = async (): Promise<readonly string[]> => (await readdir(dir)).sort();
  /** One frame per record. */
  const write = async (from: number, to: number): Promise<string> => {
    const journal = journalOf();
    await journal.load();
    for (let seq = from; seq <= to; seq++) {
      journal.append(record(seq));
      await journal.flush();
    }
    await journal.close();
    return join(dir, (await fileNames()).filter((name) => name.startsWith('segment')).at(-1) ?? '');
  };
  const flip = async (file: string, at: number): Promise<void> => {
    const handle = await open(file, 'r+');
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at);
    buffer[0] = (buffer[0] as number) ^ 1;
    await handle.write(buffer, 0, 1, at);
    await handle.close();
  };
  /** 72 bytes of file header; a frame of one of these records has 16 + 12 + 50 + 16. */
  const headerBytes = 72;
  const frameBytes = 94;

  test('nothing in them is readable, and only the owner may read them', async () => {
    const journal = journalOf();
    await journal.load();
    for (let seq = 1; seq <= 100; seq++) journal.append(record(seq));
    await journal.checkpoint({ seq: 50, hash: 'plaintext', data: Buffer.from('plaintext') });
    journal.append(record(101));
    await journal.close();
    expect(await fileNames()).toEqual(['checkpoint', 'segment-0000000000', 'segment-0000000001']);
    for (const name of await fileNames()) {
      const file = join(dir, name);
      expect((await readFile(file)).includes('plaintext')).toBe(false);
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    }
  });

  test('wherever the last file is cut off, whole records before it stay', async () => {
    const file = await write(1, 3);
    const whole = await readFile(file);
    expect(whole.length).toBe(headerBytes + 3 * frameBytes);
    for (let length = whole.length; length >= 0; length -= 5) {
      await writeFile(file, whole.subarray(0, length));
      const frames = Math.max(0, Math.floor((length - headerBytes) / frameBytes));
      expect(await seqsOf()).toEqual([1, 2, 3].slice(0, frames));
    }
  });

  test('a crash may leave zeros or old blocks at the end', async () => {
    const file = await write(1, 3);
    await appendFile(file, Buffer.alloc(5_000));
    expect(await seqsOf()).toEqual([1, 2, 3]);
    await appendFile(file, Buffer.alloc(5_000, 'FRME'));
    expect(await seqsOf()).toEqual([1, 2, 3]);
    await truncate(file, 0);
    await appendFile(file, Buffer.alloc(5_000));
    expect(await seqsOf()).toEqual([]);
  });

  test('writing goes on after a cut, in a new file', async () => {
    const file = await write(1, 3);
    await truncate(file, headerBytes + 2 * frameBytes + 20);
    await write(3, 5);
    expect(await fileNames()).toEqual(['segment-0000000000', 'segment-0000000001']);
    expect(await seqsOf()).toEqual([1, 2, 3, 4, 5]);
    await truncate(file, headerBytes + frameBytes + 20);
    await expect(seqsOf()).rejects.toThrow(
      /records 2 to 2 are missing before .*segment-0000000001/,
    );
  });

  test('one flipped bit before the last record is damage, and says where and what to do', async () => {
    const file = await write(1, 5);
    for (const [frame, offset] of [
      [0, 0],
      [0, 9],
      [1, 13],
      [1, 20],
      [2, 16 + 12 + 3],
      [3, frameBytes - 1],
    ] as const) {
      const at = headerBytes + frame * frameBytes + offset;
      await flip(file, at);
      await expect(seqsOf()).rejects.toBeInstanceOf(JournalError);
      await expect(seqsOf()).rejects.toThrow(
        `${file} is damaged at byte ${headerBytes + frame * frameBytes}; move ${dir} away and start again`,
      );
      await flip(file, at);
    }
    await flip(file, headerBytes + 4 * frameBytes + 30);
    expect(await seqsOf()).toEqual([1, 2, 3, 4]);
  });

  test('frames cannot be swapped or taken from another file', async () => {
    const file = await write(1, 5);
    const whole = await readFile(file);
    const frame = (n: number): Buffer =>
      whole.subarray(headerBytes + n * frameBytes, headerBytes + (n + 1) * frameBytes);
    const swapped = [
      whole.subarray(0, headerBytes),
      frame(1),
      frame(0),
      frame(2),
      frame(3),
      frame(4),
    ];
    await writeFile(file, Buffer.concat(swapped));
    await expect(seqsOf()).rejects.toThrow('is damaged');
  });

  test('a wrong key, another generation and foreign files are told apart', async () => {
    const file = await write(1, 3);
    await expect(seqsOf(journalOf({ key: Buffer.alloc(32, 8) }))).rejects.toThrow(
      'cannot be opened with this key',
    );
    await expect(seqsOf(journalOf({ generation: 2 }))).rejects.toThrow('is of generation 1, not 2');
    await flip(file, 30);
    await expect(seqsOf()).rejects.toThrow(
      'cannot be opened with this key, or its header is damaged',
    );
    await flip(file, 30);
    await writeFile(file, Buffer.alloc(200, 'not a journal'));
    await expect(seqsOf()).rejects.toThrow('is no journal file');
  });

  test('a damaged checkpoint is refused; a half-written new one is not looked at', async () => {
    const journal = journalOf();
    await journal.load();
    journal.append(record(1));
    await journal.checkpoint({ seq: 1, hash: 'h', data: Buffer.alloc(3_000_000, 'state') });
    await journal.close();
    const file = join(dir, 'checkpoint');
    await writeFile(`${file}.new`, Buffer.alloc(100));
    const loaded = await journalOf().load();
    expect(loaded.checkpoint).toMatchObject({ seq: 1, hash: 'h' });
    expect(loaded.checkpoint?.data.length).toBe(3_000_000);
    expect(await fileNames()).toEqual(['checkpoint']);
    await flip(file, 1_500_000);
    await expect(seqsOf()).rejects.toThrow(`${file} is damaged at byte`);
    await flip(file, 1_500_000);
    await truncate(file, 2_000_000);
    await expect(seqsOf()).rejects.toThrow(`${file} is damaged: not whole`);
  });

  test('old files go when their records are in the checkpoint', async () => {
    await write(1, 3);
    await write(4, 6);
    await write(7, 9);
    const journal = journalOf();
    expect(await seqsOf(journal)).toHaveLength(9);
    await journal.checkpoint({ seq: 5, hash: 'h', data: Buffer.from('s') });
    expect(await fileNames()).toEqual(['checkpoint', 'segment-0000000001', 'segment-0000000002']);
    await journal.close();
    expect(await seqsOf()).toEqual([6, 7, 8, 9]);
  });

  test('large records and batches are cut into frames, files end at their limit', async () => {
    const journal = journalOf();
    await journal.load();
    for (let seq = 1; seq <= 25; seq++) {
      journal.append(record(seq, limits.transactionBytesMax));
      await journal.flush();
    }
    await journal.close();
    expect((await fileNames()).length).toBe(2);
    const loaded = await journalOf().load();
    expect(loaded.records.map(({ data }) => data.length)).toEqual(
      Array.from({ length: 25 }, () => limits.transactionBytesMax),
    );
  });

  test('refuses gaps, and more than may wait for the disk', async () => {
    const journal = journalOf();
    await journal.load();
    journal.append(record(5));
    expect(() => journal.append(record(7))).toThrow('record 7 does not follow 5');
    expect(() => journal.append(record(5))).toThrow(JournalError);
    const large = Math.floor(limits.journalBufferBytesMax / 20);
    for (let seq = 6; seq < 25; seq++) journal.append(record(seq, large));
    expect(() => journal.append(record(25, 2 * large))).toThrow('does not keep up');
    await journal.flush();
    journal.append(record(25, 2 * large));
    await journal.close();
    expect((await seqsOf()).at(-1)).toBe(25);
  });

  test('a failed write loses nothing: the next flush goes on in a new file', async () => {
    const journal = journalOf();
    await journal.load();
    journal.append(record(1));
    await journal.flush();
    await rm(dir, { recursive: true });
    const second = journalOf({ dir: join(dir, 'inner') });
    await second.load();
    await rm(dir, { recursive: true });
    second.append(record(1));
    await expect(second.flush()).rejects.toThrow('the journal cannot be written: ENOENT');
    second.append(record(2));
    await new FileJournal({ dir: join(dir, 'inner'), key, generation: 1 }).load();
    await second.flush();
    await second.close();
    expect(await seqsOf(journalOf({ dir: join(dir, 'inner') }))).toEqual([1, 2]);
    await journal.close();
  });
});
