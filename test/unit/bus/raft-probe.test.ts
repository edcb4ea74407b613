import { describe, expect, test } from '@jest/globals';
import {
  decodeVoteAnswer,
  encodeVoteRequest,
  nextStep,
  type Poke,
  type VoteAnswer,
} from '../../../bus/nats/raft-probe.ts';

const answerOf = (term: bigint, peer: string, flags: number): Buffer => {
  const answer = Buffer.alloc(17);
  answer.writeBigUInt64LE(term, 0);
  answer.write(peer, 8, 'latin1');
  answer.writeUInt8(flags, 16);
  return answer;
};

test('a request is a candidate with an empty log', () => {
  const request = Buffer.from(encodeVoteRequest(258n));
  expect(request.toString('hex')).toBe(
    `0201000000000000${'00'.repeat(16)}${Buffer.from('natswarm').toString('hex')}`,
  );
});

test.each([
  ['a refusal', answerOf(7n, 'TLQMYFR4', 0), { term: 7n, peer: 'TLQMYFR4' }],
  ['a refusal with an empty log', answerOf(1n, 'TLQMYFR4', 2), { term: 1n, peer: 'TLQMYFR4' }],
  ['a vote', answerOf(7n, 'TLQMYFR4', 1), undefined],
  ['unknown flags', answerOf(7n, 'TLQMYFR4', 4), undefined],
  ['an absurd term', answerOf(2n ** 60n, 'TLQMYFR4', 0), undefined],
  ['no peer', answerOf(7n, 'TLQ\0YFR4', 0), undefined],
  ['too long', Buffer.concat([answerOf(7n, 'TLQMYFR4', 0), Buffer.alloc(1)]), undefined],
  ['empty', Buffer.alloc(0), undefined],
])('reads %s', (_, data, expected) => {
  expect(decodeVoteAnswer(data)).toEqual(expected);
});

describe('what to do about a stalled group', () => {
  const one = { term: 4n, peer: 'aaaaaaaa' };
  const two = { term: 5n, peer: 'bbbbbbbb' };
  const poke: Poke = { term: 6n, at: 1_000 };
  const step = (
    now: number,
    last?: Poke,
    answers: readonly (VoteAnswer | undefined)[] = [one, two],
    isLed = false,
  ) => nextStep({ answers, isLed, now }, last);
  const waits = (reason: string, last?: Poke) => ({ kind: 'wait', reason, last });

  test('the highest term and one', () => {
    expect(step(0)).toEqual({ kind: 'poke', term: 6n });
    expect(step(0, undefined, [two, one])).toEqual({ kind: 'poke', term: 6n });
  });

  test.each([
    ['somebody leads', [one, two], true, 'led'],
    ['one answers', [one], false, 'too few answers'],
    ['one answers twice', [one, one], false, 'too few answers'],
    ['nobody answers', [], false, 'too few answers'],
    ['an answer has another form', [one, undefined, two], false, 'unknown form'],
  ])('nothing when %s', (_, answers, isLed, reason) => {
    expect(step(0, undefined, answers, isLed)).toEqual(waits(reason));
    expect(step(9_000, poke, answers, isLed)).toEqual(waits(reason, poke));
  });

  test('again after a second without a campaign', () => {
    expect(step(1_999, poke)).toEqual(waits('poked', poke));
    expect(step(2_000, poke)).toEqual({ kind: 'poke', term: 6n });
  });

  test('again 300 ms after one campaigned and nobody won', () => {
    const risen = [one, { ...two, term: 7n }];
    const seen = { ...poke, roseAt: 1_500 };
    expect(step(1_500, poke, risen)).toEqual(waits('poked', seen));
    expect(step(1_799, seen, risen)).toEqual(waits('poked', seen));
    expect(step(1_800, seen, risen)).toEqual({ kind: 'poke', term: 8n });
  });

  test('the poked term itself is no campaign', () => {
    expect(step(1_100, poke, [one, { ...two, term: 6n }])).toEqual(waits('poked', poke));
  });
});
