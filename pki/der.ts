import forge from 'node-forge';
import { PkiError } from './errors.ts';

/**
 * Writing goes through node-forge's ASN.1 encoder. Reading does not: forge's parser is lenient and
 * recursive, and what is read here comes from the network. The reader below takes strict DER only,
 * never recurses, and hands out the exact bytes that were signed.
 */
const { asn1 } = forge;
const { Class, Type } = asn1;

/** A value to be encoded. */
export type Asn1 = forge.asn1.Asn1;

/** One element as read: `tag` is its identifier octet, `raw` header and content. */
export interface Der {
  readonly tag: number;
  readonly content: Buffer;
  readonly raw: Buffer;
}

/** Identifier octets this project meets. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8: 0x0c,
  printable: 0x13,
  ia5: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Identifier octet of a constructed context-specific `[number]`. */
export function contextTag(number: number): number {
  return 0xa0 | number;
}

// forge keeps binary as strings of one char per byte.
const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

function primitive(type: forge.asn1.Type, bytes: Uint8Array): Asn1 {
  return asn1.create(Class.UNIVERSAL, type, false, binary(bytes));
}

/** SEQUENCE of the given values. */
export function seq(...values: Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, values);
}

/** SET of the given values; the caller keeps DER's order (all our sets have one member). */
export function set(...values: Asn1[]): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SET, true, values);
}

/** OBJECT IDENTIFIER from dotted text. */
export function oid(dotted: string): Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes());
}

/** UTF8String. */
export function utf8(text: string): Asn1 {
  return primitive(Type.UTF8, Buffer.from(text, 'utf8'));
}

/** INTEGER from big-endian two's complement bytes (a positive one has its top bit clear). */
export function integer(bytes: Uint8Array): Asn1 {
  return primitive(Type.INTEGER, bytes);
}

/** BOOLEAN TRUE; DER leaves FALSE out where it is the default. */
export function booleanTrue(): Asn1 {
  return primitive(Type.BOOLEAN, Uint8Array.of(0xff));
}

/** NULL. */
export function nul(): Asn1 {
  return primitive(Type.NULL, new Uint8Array(0));
}

/** OCTET STRING. */
export function octets(bytes: Uint8Array): Asn1 {
  return primitive(Type.OCTETSTRING, bytes);
}

/** BIT STRING of whole bytes, or with `unused` trailing bits. */
export function bits(bytes: Uint8Array, unused = 0): Asn1 {
  return primitive(Type.BITSTRING, Buffer.concat([Uint8Array.of(unused), bytes]));
}

/** Constructed context-specific `[number]`. */
export function context(number: number, ...values: Asn1[]): Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, number, true, values);
}

/** Primitive context-specific `[number]` (IMPLICIT strings, as in a DNS name). */
export function contextPrimitive(number: number, bytes: Uint8Array): Asn1 {
  return asn1.create(Class.CONTEXT_SPECIFIC, number, false, binary(bytes));
}

/** One DER element put in as it is, byte for byte (names and keys made by others). */
export function embed(raw: Uint8Array): Asn1 {
  const der = readDer(raw);
  // forge writes `class | type` as the identifier when the value is bytes, so the octet can be given whole.
  const type = der.tag as unknown as forge.asn1.Type;
  return asn1.create(Class.UNIVERSAL, type, false, binary(der.content));
}

/** The DER bytes of a value. */
export function encode(node: Asn1): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}

/**
 * Time of a certificate by RFC 5280 §4.1.2.5: UTCTime up to 2049, GeneralizedTime from 2050; whole
 * seconds, so the part below a second is dropped. Throws `bad-time` outside the years 1950–9999.
 */
export function time(atMs: number): Asn1 {
  const at = new Date(atMs);
  const year = at.getUTCFullYear();
  if (!(year >= 1950 && year <= 9999)) throw new PkiError('bad-time', `no such time: ${atMs}`);
  const digits = at.toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return year < 2050
    ? primitive(Type.UTCTIME, Buffer.from(`${digits.slice(2)}Z`))
    : primitive(Type.GENERALIZEDTIME, Buffer.from(`${digits}Z`));
}

/** Reads what `time` writes; ms since the epoch. Throws `bad-time`. */
export function readTime(der: Der): number {
  const text = der.content.toString('latin1');
  const short = der.tag === tags.utcTime && /^\d{12}Z$/.test(text);
  const long = der.tag === tags.generalizedTime && /^\d{14}Z$/.test(text);
  if (!short && !long) throw new PkiError('bad-time', 'malformed time');
  const century = Number(text.slice(0, 2)) < 50 ? '20' : '19';
  const digits = short ? century + text : text;
  const iso = digits.replace(/^(....)(..)(..)(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6.000Z');
  const ms = Date.parse(iso);
  // Date.parse takes some impossible days (February 30) and moves them on.
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso)
    throw new PkiError('bad-time', 'malformed time');
  return ms;
}

/** Reads exactly one element that fills `bytes`. Throws `bad-der`, also for trailing data. */
export function readDer(bytes: Uint8Array): Der {
  const { element, end } = readAt(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 0);
  if (end !== bytes.length) throw new PkiError('bad-der', 'trailing data');
  return element;
}

/** The elements directly inside `der`. One pass over the content, no recursion. Throws `bad-der`. */
export function readChildren(der: Der, tag: number): readonly Der[] {
  expectTag(der, tag);
  const children: Der[] = [];
  for (let at = 0; at < der.content.length; ) {
    const { element, end } = readAt(der.content, at);
    children.push(element);
    at = end;
  }
  return children;
}

/** Returns `der` if it is there and has this identifier octet; throws `bad-der` otherwise. */
export function expectTag(der: Der | undefined, tag: number): Der {
  if (der?.tag !== tag) throw new PkiError('bad-der', `expected tag 0x${tag.toString(16)}`);
  return der;
}

function readAt(bytes: Buffer, start: number): { readonly element: Der; readonly end: number } {
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined) throw new PkiError('bad-der', 'truncated');
  if ((tag & 0x1f) === 0x1f) throw new PkiError('bad-der', 'long tag');
  let length = first;
  let contentStart = start + 2;
  if (first >= 0x80) {
    const octetCount = first & 0x7f;
    // 0 would be BER's indefinite length; 3 octets reach 16 MiB, far above every cap in pki.
    if (octetCount < 1 || octetCount > 3) throw new PkiError('bad-der', 'bad length');
    if (contentStart + octetCount > bytes.length) throw new PkiError('bad-der', 'truncated');
    length = bytes.readUIntBE(contentStart, octetCount);
    contentStart += octetCount;
    const minimal = octetCount === 1 ? 0x80 : 2 ** (8 * (octetCount - 1));
    if (length < minimal) throw new PkiError('bad-der', 'length not minimal');
  }
  const end = contentStart + length;
  if (end > bytes.length) throw new PkiError('bad-der', 'truncated');
  const element = {
    tag,
    content: bytes.subarray(contentStart, end),
    raw: bytes.subarray(start, end),
  };
  return { element, end };
}
