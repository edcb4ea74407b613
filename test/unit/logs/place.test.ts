import { expect, test } from '@jest/globals';
import { LogPlace, nanosOf } from '../../../domain/logs/place.ts';
import { allLines } from '../agent/log-engine.ts';

const all = { ...allLines, follow: true };
const day = '2026-11-30T14:25:';
const seconds = Date.UTC(2026, 10, 30, 14, 25, 0) / 1_000;
/** A line of the engine's: `o 04.5 text` is on stdout at 14:25:04.5. */
function line(text: string) {
  const [stream, time = '', ...rest] = text.split(' ');
  const [whole, decimals = ''] = time.split('.');
  const stamp = `${day}${whole}.${decimals.padEnd(9, '0')}Z`;
  const data = new TextEncoder().encode(`${stamp} ${rest.join(' ')}\n`);
  return { stream: stream === 'o' ? 'stdout' : 'stderr', data } as const;
}
const taken = (place: LogPlace, ...lines: readonly string[]): readonly string[] =>
  lines.flatMap((text) => {
    const out = place.take(line(text));
    return out === undefined ? [] : [Buffer.from(out.data).toString().trimEnd()];
  });

test('times are taken off, or left where they are wanted', () => {
  expect(taken(new LogPlace(all, false), 'o 01.5 hello world', 'e 01.5 ')).toEqual([
    'hello world',
    '',
  ]);
  const stamped = new LogPlace({ ...all, timestamps: true }, false);
  expect(taken(stamped, 'o 01.5 hello')).toEqual([`${day}01.500000000Z hello`]);
});

test('a line without a time is left as it is', () => {
  const place = new LogPlace(all, false);
  for (const text of [
    'hello',
    'no time at all, but longer than one',
    '',
    '2026-11-30 not RFC 3339 \n',
  ]) {
    const data = new TextEncoder().encode(text);
    expect(place.take({ stream: 'stdout', data })?.data).toEqual(data);
  }
  expect(place.begin()).toEqual({ ...all, timestamps: true });
});

test('the first reading is as it was asked for', () => {
  const asked = { ...all, tail: '5', since: '12.5', details: true };
  expect(new LogPlace(asked, false).begin()).toEqual({ ...asked, timestamps: true });
});

test('taken up again, every line is there once, also those of one time', () => {
  const place = new LogPlace({ ...all, tail: '3' }, false);
  place.begin();
  taken(place, 'o 01 a', 'o 02 b', 'e 02 c', 'o 02 d');
  expect(place.begin()).toEqual({
    ...all,
    timestamps: true,
    tail: 'all',
    since: `${seconds + 1}.000000000`,
  });
  const again = [
    'o 01 a',
    'o 02 b',
    'e 02 c',
    'o 02 d',
    'o 02 new',
    'e 02 new too',
    'o 09 later',
    'e 01 odd',
  ];
  expect(taken(place, ...again)).toEqual(['new', 'new too', 'later', 'odd']);
});

test('taken up again and again, in the middle of what is repeated', () => {
  const place = new LogPlace(all, false);
  place.begin();
  expect(taken(place, 'o 02 a', 'o 02 b', 'o 02 c')).toHaveLength(3);
  for (let times = 0; times < 3; times++) {
    place.begin();
    expect(taken(place, 'o 02 a', 'o 02 b')).toEqual([]);
  }
  place.begin();
  expect(taken(place, 'o 02 a', 'o 02 b', 'o 02 c', 'o 02 d')).toEqual(['d']);
});

test('streams out of the order of their times lose nothing', () => {
  const place = new LogPlace(all, false);
  place.begin();
  taken(place, 'o 02.9 a');
  place.begin();
  // stderr was written a little earlier, but came to the log later
  expect(taken(place, 'o 02.9 a', 'e 02.95 b', 'o 03 c')).toEqual(['b', 'c']);
});

test('what was before the wanted lines does not come in by an interruption', () => {
  const place = new LogPlace({ ...all, tail: '1' }, false);
  place.begin();
  taken(place, 'o 02.5 a');
  place.begin();
  expect(taken(place, 'e 02.1 unwanted', 'o 02.3 unwanted', 'o 02.5 a', 'e 02.6 b')).toEqual(['b']);
});

test('before the first line: only what is new where nothing old was wanted', () => {
  const none = new LogPlace({ ...all, tail: '0' }, false);
  none.begin();
  none.opened(seconds * 1_000 + 7);
  none.opened(seconds * 1_000 + 99);
  expect(none.begin()).toMatchObject({ tail: 'all', since: `${seconds}.007000000` });
  const some = new LogPlace({ ...all, tail: '2' }, false);
  some.begin();
  some.opened(seconds * 1_000);
  expect(some.begin()).toMatchObject({ tail: '2', since: '' });
  some.quiet(seconds * 1_000 + 5);
  expect(some.begin()).toMatchObject({ tail: 'all', since: `${seconds}.005000000` });
  taken(some, 'o 03 a');
  some.quiet(seconds * 1_000 + 60_000);
  expect(some.begin()).toMatchObject({ since: `${seconds + 2}.000000000` });
});

test.each([
  [`${seconds + 100}`, `${seconds + 100}.000000000`],
  [`${seconds + 100}.5`, `${seconds + 100}.500000000`],
  ['1', `${seconds + 4}.000000000`],
  ['-5', `${seconds + 4}.000000000`],
])('since %s stays the least', (since, expected) => {
  const place = new LogPlace({ ...all, since }, false);
  place.begin();
  taken(place, 'o 05 a');
  expect(place.begin().since).toBe(expected);
});

test('a terminal’s long lines have a time before each piece', () => {
  const stamp = `${day}01.000000000Z `;
  const piece = 'x'.repeat(16_384);
  const data = new TextEncoder().encode(`${stamp}${piece}${stamp}${piece}${stamp}end\r\n`);
  const bare = new LogPlace(all, true).take({ stream: 'stdout', data });
  expect(Buffer.from(bare?.data ?? []).toString()).toBe(`${piece}${piece}end\r\n`);
  const whole = new TextEncoder().encode(`${stamp}${piece}${piece}\n`);
  expect(new LogPlace(all, true).take({ stream: 'stdout', data: whole })?.data).toHaveLength(
    32_769,
  );
});

test('zones do not matter', () => {
  expect(nanosOf('2026-11-30T15:25:01.5+01:00')).toBe(nanosOf('2026-11-30T14:25:01.500000000Z'));
  expect(nanosOf('never')).toBe(0n);
});
