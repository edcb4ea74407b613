import { expect, test } from '@jest/globals';
import { mergeDetails, remark, withTaskDetails } from '../../../api/logs/line.ts';
import { checkStreams, logOptionsOf } from '../../../api/logs/options.ts';
import { Query } from '../../../api/query.ts';
import { aTask, nodeId, serviceId, taskId } from '../../support/api.ts';

const attrs = `com.docker.swarm.node.id=${nodeId},com.docker.swarm.service.id=${serviceId},com.docker.swarm.task.id=${taskId}`;

test.each([
  [false, false, 'natswarm: hello\n'],
  [true, false, '2026-11-30T14:25:04.120000000Z natswarm: hello\n'],
  [true, true, `2026-11-30T14:25:04.120000000Z ${attrs} natswarm: hello\n`],
])('a line of our own looks like the others (%s, %s)', (timestamps, details, expected) => {
  const at = Date.UTC(2026, 10, 30, 14, 25, 4, 120);
  expect(Buffer.from(remark('hello', aTask(), { timestamps, details }, at)).toString()).toBe(
    expected,
  );
});

test('details are sorted, and the task has the last word on its own', () => {
  expect(mergeDetails('', aTask())).toBe(attrs);
  expect(mergeDetails('z=%20y,a=b%3Dc,com.docker.swarm.task.id=fake', aTask())).toBe(
    `a=b%3Dc,${attrs},z=%20y`,
  );
});

test.each([
  [false, ' hello world\n', `${attrs} hello world\n`],
  [false, 'k=v hello\n', `${attrs},k=v hello\n`],
  [true, '2026-01-01T00:00:00Z  hello\n', `2026-01-01T00:00:00Z ${attrs} hello\n`],
  [true, '2026-01-01T00:00:00Z k=v \n', `2026-01-01T00:00:00Z ${attrs},k=v \n`],
  [false, 'nothing', 'nothing'],
])('details go behind the time (%s)', (timestamps, line, expected) => {
  expect(withTaskDetails(Buffer.from(line), aTask(), timestamps).toString()).toBe(expected);
});

test('options are read', () => {
  expect(
    logOptionsOf(new Query('stdout=1&follow=true&tail=5&since=12.5&timestamps=0&details=1')),
  ).toEqual({
    stdout: true,
    stderr: false,
    follow: true,
    timestamps: false,
    details: true,
    tail: '5',
    since: '12.5',
  });
  expect(logOptionsOf(new Query('tail=all')).tail).toBe('all');
  expect(logOptionsOf(new Query('tail=99999999999999')).tail).toBe('1000000');
});

test.each([
  ['tail=x', 'tail value must be a positive integer or "all"'],
  ['tail=-1', 'negative tail values not supported'],
  ['since=x', 'could not parse since timestamp: strconv.ParseInt: parsing "x": invalid syntax'],
])('%s is refused', (query, message) => {
  expect(() => logOptionsOf(new Query(query))).toThrow(message);
});

test('one stream must be chosen', () => {
  expect(() => checkStreams(new Query('stdout=0'))).toThrow(
    'Bad parameters: you must choose at least one stream',
  );
  expect(() => checkStreams(new Query('stderr=1'))).not.toThrow();
});
