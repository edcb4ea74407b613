import { describe, expect, test } from '@jest/globals';
import {
  type AskingPorts,
  askOthers,
  hearStart,
  type HearingPorts,
} from '../../../actors/manager/start-check.ts';
import type { StartAnswer, StartTold } from '../../../bus/protocol.ts';
import { VirtualClock } from '../../../supervisors/virtual-clock.ts';
import { settleOn } from '../../support/virtual-time.ts';

const start = (number: number, id = `a${number}`) => ({ number, id });
const told: StartTold = {
  generation: 2,
  fresh: false,
  managers: 3,
  starts: [start(1), start(2)],
  kept: 20,
  hash: 'ff',
};

async function hear(what: Partial<StartTold>, ports: Partial<HearingPorts> = {}) {
  const noted: unknown[] = [];
  const ended: string[] = [];
  const answer = await hearStart(
    { ...told, ...what },
    {
      seen: undefined,
      note: (mark) => Promise.resolve(void noted.push(mark)),
      managers: 3,
      own: { generation: 2, starts: [start(7)], kept: 20 },
      hasGoneOn: () => false,
      onOlder: (why) => ended.push(why),
      isOnLog: () => Promise.resolve(undefined),
      ...ports,
    },
  );
  return { answer, noted, ended };
}

describe('who is told of a start', () => {
  test('notes it before he answers', async () => {
    const { answer, noted } = await hear({}, { seen: { ...start(1), kept: 9 } });
    expect(answer).toEqual({ seen: 1, managers: 3 });
    expect(noted).toEqual([{ ...start(2), kept: 20, generation: 2 }]);
  });
  test('says what he has seen more of, and notes nothing', async () => {
    const { answer, noted } = await hear({}, { seen: { ...start(5), kept: 9 } });
    expect(answer).toEqual({ seen: 5, managers: 3, older: expect.any(String) as unknown });
    expect(noted).toEqual([]);
  });
  test('has nothing against a disk that has no store, and tells what it is to count on from', async () => {
    const { answer } = await hear({ fresh: true }, { seen: { ...start(5), kept: 9 } });
    expect(answer).toEqual({ seen: 5, managers: 3 });
  });
  test('says whether the journal is on the log', async () => {
    for (const log of [true, 'record 20'] as const)
      expect((await hear({}, { isOnLog: () => Promise.resolve(log) })).answer.log).toBe(log);
  });
  test('ends his own server when his disk is the older one', async () => {
    const { answer, ended } = await hear({ seen: { ...start(9), kept: 9 } });
    expect(answer.ending).toBe(true);
    expect(ended).toHaveLength(1);
  });
  test('but not once the cluster has gone on with him', async () => {
    const { answer, ended } = await hear(
      { seen: { ...start(9), kept: 9 } },
      { hasGoneOn: () => true },
    );
    expect([answer.ending, ended]).toEqual([undefined, []]);
  });
});

type Says = Omit<StartAnswer, 'managers'>;
/** Others by name, each with what it answers in turn; undefined: never. */
async function ask(
  answers: Readonly<Record<string, readonly (Says | undefined)[]>>,
  disk: { readonly isFresh?: boolean; readonly isEmpty?: boolean } = {},
) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const numbers: number[] = [];
  const ports: AskingPorts<string> = {
    others: () => Object.keys(answers),
    told: () => told,
    isFresh: false,
    isEmpty: false,
    ...disk,
    ask: (other, _, scope) => {
      const turn = asked.filter((name) => name === other).length;
      asked.push(other);
      const answer = answers[other]?.[Math.min(turn, (answers[other]?.length ?? 1) - 1)];
      if (answer !== undefined) return Promise.resolve({ ...answer, managers: 3 });
      return new Promise((_resolve, reject) => {
        scope.addEventListener('abort', () => reject(new Error('no answer')), { once: true });
      });
    },
    renumber: (above) => Promise.resolve(void numbers.push(above)),
    clock,
  };
  const verdict = await settleOn(clock, askOthers(ports, new AbortController().signal));
  return { verdict, asked, numbers, ms: clock.now() };
}

describe('who asks', () => {
  test('goes when nobody is there, and when nobody answers within the time', async () => {
    expect((await ask({})).verdict).toEqual({ kind: 'go', sure: false });
    const { verdict, ms } = await ask({ b: [undefined], c: [undefined] });
    expect(verdict).toEqual({ kind: 'go', sure: false });
    expect(ms).toBe(2_000);
  });
  test('goes when all who answer have seen no more', async () => {
    const { verdict } = await ask({ b: [{ seen: 1 }], c: [undefined] });
    expect(verdict).toEqual({ kind: 'go', sure: false });
  });
  test('waits for nobody else where one knows the end of the log', async () => {
    const { verdict, ms } = await ask({ b: [{ seen: 1, log: true }], c: [undefined] });
    expect(verdict).toEqual({ kind: 'go', sure: true });
    expect(ms).toBe(0);
  });
  test.each<[string, Readonly<Record<string, readonly (Says | undefined)[]>>]>([
    ['the other is off', { b: [{ seen: 5, older: 'why' }], c: [undefined] }],
    ['the other is behind', { b: [{ seen: 5, older: 'why' }], c: [{ seen: 1 }] }],
    ['the other is current', { b: [{ seen: 1 }], c: [{ seen: 5, older: 'why' }] }],
  ])('one word against the disk is enough: %s', async (_, answers) => {
    expect((await ask(answers)).verdict).toEqual({ kind: 'older', why: 'why', managers: 3 });
  });
  test('hears of a contradiction', async () => {
    const { verdict } = await ask({ b: [{ seen: 1, log: 'why' }] });
    expect(verdict).toEqual({ kind: 'contradiction', why: 'why' });
  });
  test('waits until one whose disk is older has ended its server', async () => {
    const { verdict, asked } = await ask({
      b: [{ seen: 1, ending: true }, undefined, { seen: 1 }],
      c: [{ seen: 1 }],
    });
    expect(verdict.kind).toBe('go');
    expect(asked.filter((name) => name === 'b')).toHaveLength(3);
  });
  test('but not for ever', async () => {
    const { verdict, ms } = await ask({ b: [{ seen: 1, ending: true }, undefined] });
    expect(verdict.kind).toBe('go');
    expect(ms).toBeLessThan(20_000);
  });
  test('with a disk that has nothing counts on from what others have seen, and tells them', async () => {
    const { numbers, asked } = await ask({ b: [{ seen: 5 }], c: [{ seen: 7 }] }, { isFresh: true });
    expect(numbers).toEqual([7]);
    expect(asked).toHaveLength(4);
  });
  test('with a disk that has nothing and can get it from others only, asks until one answers', async () => {
    const answers = { b: [undefined, undefined, { seen: 4 }], c: [undefined] };
    const { numbers, asked } = await ask(answers, { isFresh: true, isEmpty: true });
    expect(numbers).toEqual([4]);
    expect(asked.filter((name) => name === 'b')).toHaveLength(4);
  });
});
