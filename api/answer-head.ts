import { limits } from '../domain/limits.ts';
import { isHopByHop } from './headers.ts';

export interface AnswerHead {
  /** For a client whose connection ends with the answer; the framing of the body stays as it is. */
  readonly text: string;
  /** Bytes of the answer that the head took. */
  readonly length: number;
}

const statusLine = /^HTTP\/1\.[01] [2-5][0-9][0-9](?: [\t\x20-\x7e\x80-\xff]*)?$/;
const fieldLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t\x20-\x7e\x80-\xff]*$/;

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
  return {
    text: `${[status, ...kept, 'Connection: close'].join('\r\n')}\r\n\r\n`,
    length: end + 4,
  };
}
