import { limits } from '../domain/limits.ts';
import { isHopByHop } from './headers.ts';
import { type BodyReader, ChunkedBody, fieldLine, SizedBody } from './hijack-body.ts';

export interface AnswerHead {
  /** For a client whose connection ends with the answer; the framing of the body stays as it is. */
  readonly text: string;
  /** Bytes of the answer that the head took. */
  readonly length: number;
  /** Finds the end of the body; undefined where that is the connection's end. */
  readonly body: BodyReader | undefined;
}

const statusLine = /^HTTP\/1\.[01] [2-5][0-9][0-9](?: [\t\x20-\x7e\x80-\xff]*)?$/;

/**
 * Reads the head of an engine's answer whose body goes on to the client as it is. Undefined while it is not whole;
 * throws for what is no head, or none that can be handed on.
 */
export function answerHead(data: Buffer): AnswerHead | undefined {
  const end = data.indexOf('\r\n\r\n');
  if (end === -1 && data.length <= limits.requestHeaderBytesMax) return undefined;
  if (end === -1 || end > limits.requestHeaderBytesMax) throw new Error('the head has no end');
  const [status = '', ...fields] = data.toString('latin1', 0, end).split('\r\n');
  if (!statusLine.test(status)) throw new Error('not an answer');
  const kept = fields.filter((line) => {
    const name = fieldLine.exec(line)?.[1]?.toLowerCase();
    if (name === undefined) throw new Error('not a header');
    return name === 'transfer-encoding' || !isHopByHop(name);
  });
  const text = `${[status, ...kept, 'Connection: close'].join('\r\n')}\r\n\r\n`;
  return { text, length: end + 4, body: bodyOf(status, kept) };
}

function bodyOf(status: string, fields: readonly string[]): BodyReader | undefined {
  const values = (name: string): readonly string[] =>
    fields
      .filter((line) => line.toLowerCase().startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).trim());
  const [coding, ...moreCodings] = values('transfer-encoding');
  const [length, ...moreLengths] = values('content-length');
  const told = Number(coding !== undefined) + Number(length !== undefined);
  if (told > 1 || moreCodings.length > 0 || moreLengths.length > 0)
    throw new Error('two lengths of the body');
  if (/ (?:204|304)\b/.test(status)) return new SizedBody(0);
  if (coding?.toLowerCase() === 'chunked') return new ChunkedBody();
  if (coding !== undefined || (length !== undefined && !/^[0-9]{1,15}$/.test(length)))
    throw new Error('not a length of the body');
  return length === undefined ? undefined : new SizedBody(Number(length));
}
