import { access, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDir } from '../durable-file.ts';
import { type Checkpoint, JournalError } from '../ports.ts';
import { type FileOptions, FrameWriter, readFrames } from './frames.ts';

/** Data goes into frames of this size, behind a frame with 8 bytes sequence, 8 bytes size and the hash as text. */
const pieceBytes = 1024 * 1024;

/** Replaces the checkpoint; after a crash there is the old one or the new one. */
export async function writeCheckpoint(
  options: Omit<FileOptions, 'kind'>,
  checkpoint: Checkpoint,
): Promise<void> {
  const file = `${options.file}.new`;
  await rm(file, { force: true });
  const writer = await FrameWriter.create({ ...options, file, kind: 'checkpoint' });
  try {
    const head = Buffer.alloc(16);
    head.writeBigUInt64BE(BigInt(checkpoint.seq), 0);
    head.writeBigUInt64BE(BigInt(checkpoint.data.length), 8);
    await writer.write(Buffer.concat([head, Buffer.from(checkpoint.hash)]));
    for (let at = 0; at < checkpoint.data.length; at += pieceBytes)
      await writer.write(checkpoint.data.subarray(at, at + pieceBytes));
    await writer.sync();
  } finally {
    await writer.close();
  }
  await rename(file, options.file);
  await syncDir(dirname(options.file));
}

/** Undefined when there is none. Throws `JournalError` for one that is not whole. */
export async function readCheckpoint(
  options: Omit<FileOptions, 'kind'>,
): Promise<Checkpoint | undefined> {
  await rm(`${options.file}.new`, { force: true });
  const missing = await access(options.file).then(
    () => false,
    () => true,
  );
  if (missing) return undefined;
  const frames = readFrames({ ...options, kind: 'checkpoint' });
  const head = (await frames.next()).value;
  if (head === undefined || head.length < 16) throw notWhole(options.file);
  const pieces: Buffer[] = [];
  for await (const piece of frames) pieces.push(piece);
  const data = Buffer.concat(pieces);
  if (BigInt(data.length) !== head.readBigUInt64BE(8)) throw notWhole(options.file);
  return { seq: Number(head.readBigUInt64BE(0)), hash: head.subarray(16).toString(), data };
}

const notWhole = (file: string): JournalError => new JournalError(`${file} is damaged: not whole`);
