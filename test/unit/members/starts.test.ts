import { describe, expect, test } from '@jest/globals';
import {
  type DiskMark,
  laterMark,
  type OwnDisk,
  whyOlder,
} from '../../../domain/members/starts.ts';

const start = (number: number, id = 'a') => ({ number, id: `${id}${number}` });
const mark = (number: number, kept: number, id = 'a'): DiskMark => ({ ...start(number, id), kept });
const markIn = (generation: number, kept: number): DiskMark => ({ ...mark(2, kept), generation });
/** A disk that is at its `last` start, which nobody has been told of. */
const disk = (last: number, kept?: number): OwnDisk => ({
  generation: 5,
  starts: [...Array.from({ length: last - 1 }, (_, n) => start(n + 1)), start(last, 'now')],
  ...(kept !== undefined && { kept }),
});

describe('a disk that may be used', () => {
  test.each<[string, OwnDisk, DiskMark | undefined]>([
    ['nobody has seen it', disk(3, 40), undefined],
    ['it was seen as it is', disk(3, 40), mark(2, 40)],
    ['it was seen with less', disk(9, 40), mark(2, 7)],
    ['it was off for long, and others went on meanwhile', disk(3, 40), mark(2, 40)],
    ['its own start was told before, and cut off', disk(3, 40), mark(3, 40, 'now')],
    ['its journal cannot be read', disk(3), mark(2, 40)],
    [
      'it was seen longer ago than it remembers',
      { generation: 5, starts: [start(90)], kept: 5 },
      mark(2, 5, 'x'),
    ],
    ['it is a new one', { generation: 5, starts: [] }, mark(9, 90)],
    ['it went over to a new generation, and has no state of it yet', disk(3, 0), markIn(4, 40)],
  ])('%s', (_, own, seen) => expect(whyOlder(own, seen)).toBeUndefined());
});

describe('a disk that is older than what was seen of it', () => {
  test.each<[string, OwnDisk, DiskMark]>([
    ['a start is missing', disk(2, 40), mark(3, 40)],
    ['many are', disk(2, 40), mark(70, 90)],
    ['it counts to the same number again', disk(3, 40), mark(3, 40)],
    ['it counted on from there', disk(9, 90), mark(3, 40, 'x')],
    ['it has less of the state, of the same start', disk(3, 22), mark(2, 43)],
    ['one record less', disk(3, 42), mark(2, 43)],
    ['one record less, of the same generation', disk(3, 42), markIn(5, 43)],
    ['one record less, of a generation before', disk(3, 42), markIn(6, 43)],
  ])('%s', (_, own, seen) => expect(whyOlder(own, seen)).toEqual(expect.any(String)));
});

describe('what was seen of a disk', () => {
  test('a newer start counts for itself: its journal may have been made anew', () =>
    expect(laterMark(mark(3, 90), mark(4, 7))).toEqual(mark(4, 7)));
  test('of one start the most counts', () => {
    expect(laterMark(mark(3, 7), mark(3, 9))).toEqual(mark(3, 9));
    expect(laterMark(mark(3, 9), mark(3, 7))).toEqual(mark(3, 9));
  });
  test('an older start, or another one of the same number, changes nothing', () => {
    expect(laterMark(mark(3, 7), mark(2, 90))).toEqual(mark(3, 7));
    expect(laterMark(mark(3, 7), mark(3, 90, 'x'))).toEqual(mark(3, 7));
  });
  test('of one start what it has of a later generation counts', () => {
    expect(laterMark(markIn(4, 40), markIn(5, 0))).toEqual(markIn(5, 0));
    expect(laterMark(markIn(5, 0), markIn(4, 40))).toEqual(markIn(5, 0));
    expect(laterMark(mark(2, 40), markIn(5, 0))).toEqual(markIn(5, 0));
    expect(laterMark(markIn(5, 0), mark(2, 40))).toEqual(markIn(5, 0));
  });
  test('the first counts', () => expect(laterMark(undefined, mark(1, 0))).toEqual(mark(1, 0)));
});
