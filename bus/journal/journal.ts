import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../../domain/assert.ts';
import { limits } from '../../domain/limits.ts';
import { syncDir } from '../durable-file.ts';
import { type Checkpoint, type Journal, JournalError, type LogRecord } from '../ports.ts';
import { readCheckpoint, writeCheckpoint } from './checkpoint-file.ts';
import { FrameWriter, readFrames } from './frames.ts';
import { decodeRecords, encodeRecords, inFrames, recordBytes } from './records.ts';

export interface JournalOptions {
  /** A folder of its own; made if it is missing. */
  readonly dir: string;
  /** Data key, 32 bytes. */
  readonly key: Uint8Array;
  /** The log's generation; files of another one are refused. */
  readonly generation: number;
}

/** A file of records. `last` is the last whole record's sequence, 0 without any. */
interface Segment {
  readonly file: string;
  last: number;
}

const frameBytes = 1024 * 1024;
const segmentName = /^segment-(\d{10})$/;

/**
 * A manager's encrypted journal: a checkpoint, and segments with the records behind it. The state log is durable without
 * it, so it is written in batches, off the path of commits; what a crash cuts off is read from the log again.
 */
export class FileJournal implements Journal {
  readonly #options: JournalOptions;
  /** Oldest first; the one that is written is the last. */
  #segments: Segment[] = [];
  #writer: FrameWriter | undefined;
  #nextNumber = 0;
  #loaded = false;
  #closed = false;
  /** Last sequence appended or loaded; undefined while any may come. */
  #last: number | undefined;
  #buffer: LogRecord[] = [];
  #bufferBytes = 0;
  /** What uses the files goes one after the other; this never rejects. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: JournalOptions) {
    assert(options.key.length === 32, 'the key of a journal has 32 bytes');
    this.#options = options;
  }

  async load(): Promise<{
    readonly checkpoint?: Checkpoint;
    readonly records: readonly LogRecord[];
  }> {
    assert(!this.#loaded, 'a journal is loaded once');
    this.#loaded = true;
    const { dir, key, generation } = this.#options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    try {
      const checkpoint = await readCheckpoint({ file: this.#checkpointFile(), key, generation });
      this.#last = checkpoint?.seq;
      const records = await this.#loadSegments();
      return checkpoint === undefined ? { records } : { checkpoint, records };
    } catch (error) {
      throw error instanceof JournalError
        ? new JournalError(`${error.message}; ${advice(dir)}`)
        : error;
    }
  }

  /** Throws `JournalError` when the disk has fallen too far behind, or the record does not follow the one before. */
  append(record: LogRecord): void {
    assert(this.#loaded && !this.#closed, 'the journal is not open');
    if (this.#last !== undefined && record.seq !== this.#last + 1)
      throw new JournalError(`record ${record.seq} does not follow ${this.#last}`);
    if (this.#bufferBytes + recordBytes(record) > limits.journalBufferBytesMax)
      throw new JournalError('the disk does not keep up with the journal');
    this.#last = record.seq;
    this.#buffer.push(record);
    this.#bufferBytes += recordBytes(record);
  }

  /** Rejects when the disk fails; nothing is lost by that, and the next flush tries again. */
  flush(): Promise<void> {
    return this.#enqueue(() => this.#writeBuffer());
  }

  checkpoint(checkpoint: Checkpoint): Promise<void> {
    return this.#enqueue(async () => {
      // Records behind the checkpoint begin a new file, so that the old ones can go.
      await this.#writeBuffer();
      await this.#endSegment();
      const { key, generation } = this.#options;
      await writeCheckpoint({ file: this.#checkpointFile(), key, generation }, checkpoint);
      if (this.#last === undefined || checkpoint.seq > this.#last) this.#last = checkpoint.seq;
      await this.#dropSegments(checkpoint.seq);
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#enqueue(async () => {
      await this.#writeBuffer();
      await this.#endSegment();
    });
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  async #writeBuffer(): Promise<void> {
    const records = this.#buffer;
    this.#buffer = [];
    let written = 0;
    try {
      for (const frame of inFrames(records, frameBytes)) {
        await this.#writeFrame(frame);
        written += frame.length;
      }
    } catch (error) {
      // The file may end in half a frame; the rest goes into a new one.
      await this.#endSegment().catch(() => {});
      throw new JournalError(`the journal cannot be written: ${(error as Error).message}`, {
        cause: error,
      });
    } finally {
      this.#buffer = [...records.slice(written), ...this.#buffer];
      this.#bufferBytes = this.#buffer.reduce((sum, record) => sum + recordBytes(record), 0);
    }
  }

  async #writeFrame(records: readonly LogRecord[]): Promise<void> {
    if (this.#writer !== undefined && this.#writer.bytes > limits.journalSegmentBytesMax)
      await this.#endSegment();
    const isNew = this.#writer === undefined;
    this.#writer ??= await this.#beginSegment();
    await this.#writer.write(encodeRecords(records));
    await this.#writer.sync();
    if (isNew) await syncDir(this.#options.dir);
    const segment = this.#segments.at(-1);
    assert(segment, 'a journal writes into a segment');
    segment.last = records.at(-1)?.seq ?? segment.last;
  }

  async #beginSegment(): Promise<FrameWriter> {
    const { dir, key, generation } = this.#options;
    const number = String(this.#nextNumber++).padStart(10, '0');
    const file = join(dir, `segment-${number}`);
    const writer = await FrameWriter.create({ file, kind: 'segment', key, generation });
    this.#segments.push({ file, last: 0 });
    return writer;
  }

  async #endSegment(): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    await writer?.close();
  }

  /** Removes the files whose records are all in the checkpoint. */
  async #dropSegments(seq: number): Promise<void> {
    for (const { file } of this.#segments.filter(({ last }) => last <= seq))
      await rm(file, { force: true });
    this.#segments = this.#segments.filter(({ last }) => last > seq);
  }

  async #loadSegments(): Promise<readonly LogRecord[]> {
    const { dir, key, generation } = this.#options;
    const names = (await readdir(dir)).filter((name) => segmentName.test(name)).sort();
    const records: LogRecord[] = [];
    for (const name of names) {
      this.#nextNumber = Number(segmentName.exec(name)?.[1]) + 1;
      const segment = { file: join(dir, name), last: 0 };
      this.#segments.push(segment);
      for await (const frame of readFrames({
        file: segment.file,
        kind: 'segment',
        key,
        generation,
      }))
        for (const record of decodeRecords(frame, segment.file)) {
          segment.last = record.seq;
          this.#loadRecord(record, segment.file, records);
        }
    }
    return records;
  }

  /** Whatever was cut off, the records that are there follow each other; else some in the middle are lost. */
  #loadRecord(record: LogRecord, file: string, records: LogRecord[]): void {
    if (this.#last !== undefined && record.seq <= this.#last) return;
    if (this.#last !== undefined && record.seq !== this.#last + 1)
      throw new JournalError(
        `records ${this.#last + 1} to ${record.seq - 1} are missing before ${file}`,
      );
    this.#last = record.seq;
    records.push(record);
  }

  #checkpointFile(): string {
    return join(this.#options.dir, 'checkpoint');
  }
}

const advice = (dir: string): string =>
  `move ${dir} away and start again: the manager then reads the state from the log or from another manager; if neither has all of it, restore a backup`;
