import { PkiError } from './errors.ts';

/** A root bundle of a few RSA certificates stays far below; anything larger is not ours to read. */
const pemCharsMax = 256 * 1024;

/** PEM as Go's pem.EncodeToMemory writes it: 64 columns, LF, an LF at the end, no headers. */
export function pemEncode(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/**
 * The DER of each block with this label, in order; text between blocks is skipped, as in a file of
 * `openssl x509 -text`. Throws `bad-pem` if there is none, if one is damaged, or above the size cap.
 */
export function pemDecode(label: string, text: string): readonly Buffer[] {
  if (text.length > pemCharsMax) throw new PkiError('bad-pem', 'PEM text too long');
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const blocks: Buffer[] = [];
  for (let at = text.indexOf(begin); at !== -1; ) {
    const bodyStart = at + begin.length;
    const bodyEnd = text.indexOf(end, bodyStart);
    if (bodyEnd === -1) throw new PkiError('bad-pem', `${label} without an end`);
    blocks.push(decodeBody(text.slice(bodyStart, bodyEnd)));
    at = text.indexOf(begin, bodyEnd + end.length);
  }
  if (blocks.length === 0) throw new PkiError('bad-pem', `no ${label} in the text`);
  return blocks;
}

/** The one block with this label. Throws `bad-pem` if there is none or more than one. */
export function pemDecodeOne(label: string, text: string): Buffer {
  const [block, ...more] = pemDecode(label, text);
  if (block === undefined || more.length > 0)
    throw new PkiError('bad-pem', `more than one ${label}`);
  return block;
}

/**
 * A bundle of certificates in the one form digests are taken over: each block re-encoded, nothing
 * between blocks. Same bytes as swarmkit's NormalizePEMs. Throws `bad-pem`.
 */
export function normalizeCertificates(pem: string): string {
  return pemDecode('CERTIFICATE', pem)
    .map((der) => pemEncode('CERTIFICATE', der))
    .join('');
}

/** Whether no block of the text is anything but a certificate, a private key that came along for instance. */
export function hasOnlyCertificates(pem: string): boolean {
  return [...pem.matchAll(/-----BEGIN ([^-\n]*)-----/g)].every(
    ([, name]) => name === 'CERTIFICATE',
  );
}

function decodeBody(body: string): Buffer {
  const text = body.replace(/[\r\n\t ]/g, '');
  const bytes = Buffer.from(text, 'base64');
  // Node's decoder skips what it does not know; encoding again shows whether it skipped anything.
  if (bytes.length === 0 || bytes.toString('base64') !== text)
    throw new PkiError('bad-pem', 'damaged base64');
  return bytes;
}
