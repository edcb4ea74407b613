import { expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import { actorLog, createLogger, serverLog } from '../../../cmd/log.ts';

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

test('of one warning a bounded number is logged, of information all', () => {
  const lines: Record<string, unknown>[] = [];
  const report = actorLog(logTo(lines), {});
  for (let n = 0; n < 1_000; n++) {
    report('join_refused', { n });
    report('task_running', { n });
  }
  report('task_failed', {});
  const count = (msg: string): number => lines.filter((line) => line['msg'] === msg).length;
  expect(count('join_refused')).toBeGreaterThanOrEqual(30);
  expect(count('join_refused')).toBeLessThan(40);
  expect(count('task_running')).toBe(1_000);
  expect(count('task_failed')).toBe(1);
});

test('of one complaint of nats-server too, whatever connection it is about', () => {
  const lines: Record<string, unknown>[] = [];
  const log = serverLog(logTo(lines));
  for (let n = 0; n < 1_000; n++)
    log('error', `127.0.0.1:${n} - cid:${n} - TLS handshake error: EOF ${n}`);
  log('error', 'JetStream out of disk');
  log('info', 'Server is ready');
  expect(lines.length).toBeLessThan(42);
  expect(lines.at(-1)).toMatchObject({ level: 'error', line: 'JetStream out of disk' });
});
