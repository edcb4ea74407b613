import { JournalError, type LogRecord } from '../ports.ts';

/** Per record: 8 bytes sequence, 4 bytes length, data; integers are big-endian. */
const headBytes = 12;

export const recordBytes = (record: LogRecord): number => headBytes + record.data.length;

export function encodeRecords(records: readonly LogRecord[]): Buffer {
  const heads = records.map(({ seq, data }) => {
    const head = Buffer.alloc(headBytes);
    head.writeBigUInt64BE(BigInt(seq), 0);
    head.writeUInt32BE(data.length, 8);
    return head;
  });
  return Buffer.concat(records.flatMap(({ data }, index) => [heads[index] as Buffer, data]));
}

/** The records share the payload's memory. `file` is for the message of the `JournalError`. */
export function* decodeRecords(payload: Buffer, file: string): Generator<LogRecord, void> {
  for (let at = 0; at < payload.length; ) {
    const end = at + headBytes > payload.length ? 0 : at + headBytes + payload.readUInt32BE(at + 8);
    if (end === 0 || end > payload.length)
      throw new JournalError(`${file} holds a malformed frame`);
    yield {
      seq: Number(payload.readBigUInt64BE(at)),
      data: payload.subarray(at + headBytes, end),
    };
    at = end;
  }
}

/** Cuts a list into frames of about `bytesMax`; a larger record is a frame of its own. */
export function* inFrames(
  records: readonly LogRecord[],
  bytesMax: number,
): Generator<readonly LogRecord[], void> {
  let frame: LogRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    if (frame.length > 0 && bytes + recordBytes(record) > bytesMax) {
      yield frame;
      frame = [];
      bytes = 0;
    }
    frame.push(record);
    bytes += recordBytes(record);
  }
  if (frame.length > 0) yield frame;
}
