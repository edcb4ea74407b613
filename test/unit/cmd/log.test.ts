import { expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import { actorLog, createLogger } from '../../../cmd/log.ts';

function logTo(lines: Record<string, unknown>[]) {
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  return createLogger('info', sink);
}

test('the end of an actor is told with its cause', () => {
  const lines: Record<string, unknown>[] = [];
  const report = actorLog(logTo(lines), { actor: 'daemon' });
  report('child_exit', { child: 'a', exit: { kind: 'error', error: new TypeError('no such x') } });
  report('child_exit', { child: 'b', exit: { kind: 'error', error: 'text' } });
  report('child_exit', { child: 'c', exit: { kind: 'done' } });
  expect(lines[0]).toMatchObject({ level: 'warn', msg: 'child_exit', actor: 'daemon', child: 'a' });
  expect(lines.map((line) => line['exit'])).toEqual([
    { kind: 'error', error: 'no such x' },
    { kind: 'error', error: 'text' },
    { kind: 'done' },
  ]);
});

test('secrets are cut out wherever they stand', () => {
  const lines: Record<string, unknown>[] = [];
  logTo(lines).info({ token: 'a', identity: { key: 'b' }, registryAuth: 'c' }, 'event');
  expect(JSON.stringify(lines)).not.toMatch(/"[abc]"/);
});

test('what tells of trouble is a warning, the rest information', () => {
  const lines: Record<string, unknown>[] = [];
  const report = actorLog(logTo(lines), {});
  report('task_running', {});
  report('task_failed', {});
  expect(lines.map(({ level }) => level)).toEqual(['info', 'warn']);
});
