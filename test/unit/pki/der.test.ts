import { expect, test } from '@jest/globals';
import {
  embed,
  encode,
  readChildren,
  readDer,
  readTime,
  seq,
  tags,
  time,
} from '../../../pki/der.ts';
import { normalizeCertificates, pemDecode, pemDecodeOne, pemEncode } from '../../../pki/pem.ts';
import { codeOf } from './support.ts';

const read = (hex: string) => readDer(Buffer.from(hex, 'hex'));

test('reads nested elements and keeps their exact bytes', () => {
  const outer = read('3006020101040155');
  const [number, octets] = readChildren(outer, tags.sequence);
  expect(number?.raw.toString('hex')).toBe('020101');
  expect(octets?.content.toString('hex')).toBe('55');
});

test.each([
  ['nothing', ''],
  ['no length', '30'],
  ['content cut off', '300502'],
  ['trailing data', '02010100'],
  ['indefinite length', '30800201010000'],
  ['length in long form though short', '30810102'],
  ['length with a leading zero', `308200ff${'00'.repeat(255)}`],
  ['a length of 4 GiB', '3084ffffffff'],
  ['long tag', '1f8101'],
])('refuses %s', (_what, hex) => {
  expect(codeOf(() => read(hex))).toBe('bad-der');
});

test('refuses a child that reaches beyond its parent', () => {
  expect(codeOf(() => readChildren(read('3003020201'), tags.sequence))).toBe('bad-der');
  expect(codeOf(() => readChildren(read('0203020101'), tags.sequence))).toBe('bad-der');
});

test('embeds an element byte for byte, long lengths included', () => {
  const raw = encode(seq(embed(Buffer.from(`04820100${'ab'.repeat(256)}`, 'hex'))));
  expect(raw.toString('hex')).toBe(`3082010404820100${'ab'.repeat(256)}`);
  expect(encode(embed(raw)).equals(raw)).toBe(true);
});

test('times are UTCTime to the end of 2049 and GeneralizedTime after, whole seconds', () => {
  const before = readDer(encode(time(Date.UTC(2049, 11, 31, 23, 59, 59, 999))));
  const after = readDer(encode(time(Date.UTC(2050, 0, 1))));
  expect(before.content.toString()).toBe('491231235959Z');
  expect(before.tag).toBe(tags.utcTime);
  expect(after.content.toString()).toBe('20500101000000Z');
  expect(after.tag).toBe(tags.generalizedTime);
  expect(readTime(before)).toBe(Date.UTC(2049, 11, 31, 23, 59, 59));
  expect(readTime(after)).toBe(Date.UTC(2050, 0, 1));
});

test('two-digit years from 50 are of the last century', () => {
  const der = readDer(Buffer.concat([Buffer.from([0x17, 13]), Buffer.from('500101000000Z')]));
  expect(readTime(der)).toBe(Date.UTC(1950, 0, 1));
});

test.each([
  ['a day that is not there', '260230000000Z'],
  ['a month that is not there', '261301000000Z'],
  ['no seconds', '2601010000Z'],
  ['an offset', '2601010000+0'],
])('refuses %s', (_what, text) => {
  const bytes = Buffer.concat([Buffer.from([0x17, text.length]), Buffer.from(text)]);
  expect(codeOf(() => readTime(readDer(bytes)))).toBe('bad-time');
});

test('refuses to write times no certificate can hold', () => {
  expect(codeOf(() => time(Date.UTC(1949, 0, 1)))).toBe('bad-time');
  expect(codeOf(() => time(Number.NaN))).toBe('bad-time');
  expect(codeOf(() => time(9e15))).toBe('bad-time');
});

test('PEM has 64 columns and a final line feed, and comes back', () => {
  const der = Buffer.alloc(100, 7);
  const pem = pemEncode('CERTIFICATE', der);
  expect(pem.split('\n').map((line) => line.length)).toEqual([27, 64, 64, 8, 25, 0]);
  expect(pemDecodeOne('CERTIFICATE', pem).equals(der)).toBe(true);
});

test('normalising drops what is around and between blocks', () => {
  const [one, two] = [
    pemEncode('CERTIFICATE', Buffer.of(1)),
    pemEncode('CERTIFICATE', Buffer.of(2)),
  ];
  const untidy = `subject=x\r\n${one.replaceAll('\n', '\r\n')}\n\n  ${two.trim()}`;
  expect(normalizeCertificates(untidy)).toBe(one + two);
});

test.each([
  ['no block', 'hello'],
  ['no end', '-----BEGIN CERTIFICATE-----\nAAAA\n'],
  ['another label', pemEncode('PRIVATE KEY', Buffer.of(1))],
  ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
  ['damaged base64', '-----BEGIN CERTIFICATE-----\nAA*A\n-----END CERTIFICATE-----\n'],
  ['unpadded base64', '-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n'],
  ['too much', 'x'.repeat(300_000)],
])('refuses PEM with %s', (_what, text) => {
  expect(codeOf(() => pemDecode('CERTIFICATE', text))).toBe('bad-pem');
});
