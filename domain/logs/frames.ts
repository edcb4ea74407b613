/** One line of a log, or part of one, with its newline. */
export interface LogChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

/** 3 is Docker's way to tell an error after the head of the answer has gone out. */
export type FrameKind = 1 | 2 | 3;
export const frameHeaderBytes = 8;

/** One frame of Docker's multiplexed streams: type, three zeros, length in 4 bytes, data. */
export function frame(kind: FrameKind, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(frameHeaderBytes + data.length);
  out[0] = kind;
  new DataView(out.buffer).setUint32(4, data.length);
  out.set(data, frameHeaderBytes);
  return out;
}

export const frameOf = ({ stream, data }: LogChunk): Uint8Array =>
  frame(stream === 'stdout' ? 1 : 2, data);

/** The lines of whole frames; undefined for bytes that are anything else. */
export function chunksIn(frames: Uint8Array): readonly LogChunk[] | undefined {
  const chunks: LogChunk[] = [];
  const view = new DataView(frames.buffer, frames.byteOffset, frames.byteLength);
  let at = 0;
  while (at + frameHeaderBytes <= frames.length) {
    const kind = frames[at];
    const end = at + frameHeaderBytes + view.getUint32(at + 4);
    if ((kind !== 1 && kind !== 2) || end > frames.length) return undefined;
    const data = frames.subarray(at + frameHeaderBytes, end);
    chunks.push({ stream: kind === 1 ? 'stdout' : 'stderr', data });
    at = end;
  }
  return at === frames.length ? chunks : undefined;
}
