import { errorText } from '../domain/errors.ts';
import { CodecError, type Encoding, encodeBody } from './codec.ts';
import { BusError } from './ports.ts';
import type { WireFault } from './protocol.ts';

/** The bytes of one message. Throws `BusError` `too-large` for more than a message may have. */
export function encodeMessage(subject: string, body: unknown, encoding: Encoding): Uint8Array {
  try {
    return encodeBody(body, encoding);
  } catch (error) {
    if (!(error instanceof CodecError) || error.code !== 'too-large') throw error;
    throw new BusError('too-large', `message to ${subject}: ${error.message}`);
  }
}

/**
 * The bytes of an answer; of a refusal instead where it is too large, so that the requester need not wait for its timeout.
 * @param onError hears of that
 */
export function encodeAnswer(
  subject: string,
  body: unknown,
  encoding: Encoding,
  onError: (error: Error) => void,
): Uint8Array {
  try {
    return encodeMessage(subject, body, encoding);
  } catch (error) {
    onError(error as Error);
    return encodeBody({ ok: false, error: tooLarge(error) }, encoding);
  }
}

const tooLarge = (error: unknown): WireFault => ({
  code: 'ResourceExhausted',
  message: `the answer cannot be sent: ${errorText(error)}`,
  origin: 'manager',
});
