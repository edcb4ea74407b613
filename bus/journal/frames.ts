import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { upgraded } from '../../domain/format/format.ts';
import { journalFormat } from '../../domain/format/formats.ts';
import { JournalError } from '../ports.ts';

/**
 * The form of a journal's files, version 1. Integers are big-endian.
 *
 *   file    header (72 bytes), then frames
 *   header  8 magic, 2 version, 2 kind, 8 generation, 4 zero, 32 salt, 16 MAC of all before
 *   frame   4 magic, 4 number (0, 1, …), 4 length, 4 check of these three, ciphertext of that length, 16 tag
 *
 * Each file has keys of its own, derived from the journal's key and the salt, so that a frame's number can be its nonce:
 * frames cannot be changed, moved or swapped. A frame is written only when the one before is durable. Therefore a bad
 * frame with a good one behind it is damage, and a bad one with nothing behind it is what a crash cut off.
 */
export type FileKind = 'segment' | 'checkpoint';

const fileMagic = Buffer.from('natswarm');
const kindNumbers: Readonly<Record<FileKind, number>> = { segment: 1, checkpoint: 2 };
const saltBytes = 32;
const fileMacBytes = 16;
const fileHeaderBytes = 72;

const frameMagic = Buffer.from('FRME');
const frameHeaderBytes = 16;
const tagBytes = 16;
/** Above all that is ever written: a longer one is damage. */
const frameBytesMax = 16 * 1024 * 1024;
const scanBytes = 1024 * 1024;

export interface FileOptions {
  readonly file: string;
  readonly kind: FileKind;
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly generation: number;
}

interface FileKeys {
  readonly cipher: Buffer;
  readonly mac: Buffer;
}

function deriveKeys(key: Uint8Array, salt: Uint8Array): FileKeys {
  const derived = Buffer.from(hkdfSync('sha256', key, salt, 'natswarm journal 1', 64));
  return { cipher: derived.subarray(0, 32), mac: derived.subarray(32) };
}

const macOf = (keys: FileKeys, data: Uint8Array, bytes: number): Buffer =>
  createHmac('sha256', keys.mac).update(data).digest().subarray(0, bytes);

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(number, 8);
  return nonce;
}

/** Writes one file from its beginning. After an error the file is given up: what was written before is still good. */
export class FrameWriter {
  readonly #handle: FileHandle;
  readonly #keys: FileKeys;
  /** The header, until the first frame takes it along. */
  #pending: Buffer;
  #number = 0;
  #bytes = 0;

  private constructor(handle: FileHandle, keys: FileKeys, header: Buffer) {
    this.#handle = handle;
    this.#keys = keys;
    this.#pending = header;
  }

  /** Creates the file, which must not be there. */
  static async create(options: FileOptions): Promise<FrameWriter> {
    const salt = randomBytes(saltBytes);
    const keys = deriveKeys(options.key, salt);
    const header = Buffer.alloc(fileHeaderBytes);
    fileMagic.copy(header);
    header.writeUInt16BE(journalFormat.version, 8);
    header.writeUInt16BE(kindNumbers[options.kind], 10);
    header.writeBigUInt64BE(BigInt(options.generation), 12);
    salt.copy(header, 24);
    const end = fileHeaderBytes - fileMacBytes;
    macOf(keys, header.subarray(0, end), fileMacBytes).copy(header, end);
    return new FrameWriter(await open(options.file, 'wx', 0o600), keys, header);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Not durable before `sync`; the next frame of a segment must wait for that. */
  async write(payload: Uint8Array): Promise<void> {
    const header = Buffer.alloc(frameHeaderBytes);
    frameMagic.copy(header);
    header.writeUInt32BE(this.#number, 4);
    header.writeUInt32BE(payload.length, 8);
    macOf(this.#keys, header.subarray(0, 12), 4).copy(header, 12);
    const cipher = createCipheriv('aes-256-gcm', this.#keys.cipher, nonceOf(this.#number));
    cipher.setAAD(header);
    const sealed = cipher.update(payload);
    cipher.final();
    const frame = Buffer.concat([this.#pending, header, sealed, cipher.getAuthTag()]);
    this.#number += 1;
    this.#pending = Buffer.alloc(0);
    await this.#handle.appendFile(frame);
    this.#bytes += frame.length;
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/**
 * The payloads of a file in order, one in memory at a time; ends at what a crash cut off. Throws `JournalError` for
 * damage, a wrong key or another generation, and `Incompatible` for a file that a newer natswarm wrote.
 */
export async function* readFrames(options: FileOptions): AsyncGenerator<Buffer, void> {
  const handle = await open(options.file, 'r');
  try {
    const keys = await readHeader(handle, options);
    if (keys === undefined) return;
    let at = fileHeaderBytes;
    for (let number = 0; ; number++) {
      const payload = await readFrame(handle, keys, at, number);
      if (payload === undefined) {
        await requireNothingBehind(handle, keys, at, number, options.file);
        return;
      }
      at += frameHeaderBytes + payload.length + tagBytes;
      yield payload;
    }
  } finally {
    await handle.close();
  }
}

/** Undefined when a crash left no whole header. */
async function readHeader(handle: FileHandle, options: FileOptions): Promise<FileKeys | undefined> {
  const header = await readAt(handle, 0, fileHeaderBytes);
  if (header.length < fileHeaderBytes || header.every((byte) => byte === 0)) return undefined;
  const { file } = options;
  if (!header.subarray(0, 8).equals(fileMagic))
    throw new JournalError(`${file} is no journal file`);
  upgraded(journalFormat, header.readUInt16BE(8), {});
  const keys = deriveKeys(options.key, header.subarray(24, 24 + saltBytes));
  const end = fileHeaderBytes - fileMacBytes;
  const mac = macOf(keys, header.subarray(0, end), fileMacBytes);
  if (!timingSafeEqual(mac, header.subarray(end)))
    throw new JournalError(`${file} cannot be opened with this key, or its header is damaged`);
  const generation = header.readBigUInt64BE(12);
  if (generation !== BigInt(options.generation))
    throw new JournalError(`${file} is of generation ${generation}, not ${options.generation}`);
  if (header.readUInt16BE(10) !== kindNumbers[options.kind])
    throw new JournalError(`${file} is no ${options.kind}`);
  return keys;
}

/** Undefined unless a whole and good frame with this number stands at `at`. */
async function readFrame(
  handle: FileHandle,
  keys: FileKeys,
  at: number,
  number: number,
): Promise<Buffer | undefined> {
  const header = await readAt(handle, at, frameHeaderBytes);
  if (!isFrameHeader(header, keys) || header.readUInt32BE(4) !== number) return undefined;
  const length = header.readUInt32BE(8);
  if (length > frameBytesMax) return undefined;
  const body = await readAt(handle, at + frameHeaderBytes, length + tagBytes);
  if (body.length < length + tagBytes) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', keys.cipher, nonceOf(number));
  decipher.setAAD(header);
  decipher.setAuthTag(body.subarray(length));
  try {
    const payload = decipher.update(body.subarray(0, length));
    decipher.final();
    return payload;
  } catch {
    return undefined;
  }
}

function isFrameHeader(header: Buffer, keys: FileKeys): boolean {
  return (
    header.length === frameHeaderBytes &&
    header.subarray(0, 4).equals(frameMagic) &&
    macOf(keys, header.subarray(0, 12), 4).equals(header.subarray(12))
  );
}

/** Looks for the head of a later frame behind a bad one. */
async function requireNothingBehind(
  handle: FileHandle,
  keys: FileKeys,
  bad: number,
  number: number,
  file: string,
): Promise<void> {
  for (let from = bad; ; from += scanBytes) {
    // Heads may lie across the border of two pieces.
    const piece = await readAt(handle, from, scanBytes + frameHeaderBytes);
    for (let at = piece.indexOf(frameMagic); at !== -1; at = piece.indexOf(frameMagic, at + 1)) {
      const header = piece.subarray(at, at + frameHeaderBytes);
      if (isFrameHeader(header, keys) && header.readUInt32BE(4) > number)
        throw new JournalError(`${file} is damaged at byte ${bad}`);
    }
    if (piece.length < scanBytes + frameHeaderBytes) return;
  }
}

/** Fewer bytes at the end of the file. */
async function readAt(handle: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await handle.read(buffer, filled, bytes - filled, at + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
