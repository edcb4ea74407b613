import { expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import { actorLog, createLogger, serverLog, warning } from '../../../cmd/log.ts';

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
  report(
    'child_exit',
    { child: 'a', exit: { kind: 'error', error: new TypeError('no such x') } },
    'warn',
  );
  report('child_exit', { child: 'b', exit: { kind: 'error', error: 'text' } });
  report('child_exit', { child: 'c', exit: { kind: 'done' } });
  expect(lines[0]).toMatchObject({ level: 'warn', msg: 'child_exit', actor: 'daemon', child: 'a' });
  expect(lines.map((line) => line['exit'])).toEqual([
    { kind: 'error', error: 'no such x' },
    { kind: 'error', error: 'text' },
    { kind: 'done' },
  ]);
});

test('nothing that strangers wrote does anything to a terminal, and nothing of it is lost', () => {
  const written: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk.toString());
      done();
    },
  });
  const line = 'CN=a\u001b[2J\u007f\u009b2J\u2028\u202e\nb\tc';
  const logger = createLogger('info', sink);
  serverLog(logger.child({ actor: line }))('error', line);
  expect(written).toEqual([expect.stringMatching(/^\P{C}*\n$/u)]);
  expect(JSON.parse(written.join(''))).toMatchObject({ actor: line, line });
});

test('secrets are cut out wherever they stand', () => {
  const lines: Record<string, unknown>[] = [];
  logTo(lines).info({ token: 'a', identity: { key: 'b' }, registryAuth: 'c' }, 'event');
  expect(JSON.stringify(lines)).not.toMatch(/"[abc]"/);
});

test('the level is said with the event; its name says nothing of it', () => {
  const lines: Record<string, unknown>[] = [];
  const report = actorLog(logTo(lines), {});
  report('request_failed', {});
  report('all_is_well', {}, 'warn');
  warning(report)('all_is_well', {});
  expect(lines.map(({ level }) => level)).toEqual(['info', 'warn', 'warn']);
});

test('of one warning a bounded number is logged, of information all', () => {
  const lines: Record<string, unknown>[] = [];
  const report = actorLog(logTo(lines), {});
  for (let n = 0; n < 1_000; n++) {
    report('join_refused', { n }, 'warn');
    report('task_running', { n });
  }
  report('task_failed', {}, 'warn');
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

test('a bus that cannot be reached is told of once and then rarely, and when it is reached again', () => {
  const lines: Record<string, unknown>[] = [];
  const report = actorLog(logTo(lines), { actor: 'agent' });
  report('bus_reached', {});
  for (let i = 0; i < 100; i++) report('bus_not_reached', { error: new Error('refused') });
  report('seat_not_told', { by: 'a' });
  report('seat_not_told', { by: 'b' });
  report('seat_not_told', { by: 'b' });
  report('bus_reached', {});
  report('bus_reached', {});
  for (let i = 0; i < 3; i++) report('hello_refused', {}, 'warn');
  expect(lines.map(({ level, msg, by, suppressed }) => [level, msg, by ?? suppressed])).toEqual([
    ['info', 'bus_not_reached', undefined],
    ['info', 'seat_not_told', 'a'],
    ['info', 'seat_not_told', 'b'],
    ['info', 'bus_reached', 99],
    ['warn', 'hello_refused', undefined],
  ]);
});

test('the end of a part says what there is to do', () => {
  const lines: Record<string, unknown>[] = [];
  const report = actorLog(logTo(lines), { actor: 'daemon' });
  for (const decision of ['restart', 'escalate', 'forget'])
    report('child_exit', { child: 'a', exit: { kind: 'done' }, decision });
  expect(lines.map(({ todo }) => todo)).toEqual([
    'nothing: it is started again; if that goes on, its error says why',
    'nothing: what it is a part of is started again as a whole',
    'nothing: whoever started it deals with its end',
  ]);
});

test('what nats-server complains about at a start is told when it does not pass', () => {
  const lines: Record<string, unknown>[] = [];
  let ms = 0;
  const log = serverLog(logTo(lines), () => ms);
  const complain = (): void => {
    log('error', '10.0.0.1:7947 - rid:33 - TLS route handshake error: certificate not pinned');
    log('error', '127.0.0.1:33812 - cid:19 - authentication error');
    log('warn', 'Waiting for routing to be established...');
  };
  for (; ms < 29_000; ms += 1_000) complain();
  log('warn', 'Metalayer blocking snapshot took 0.024s (streams: 1)');
  ms += 31_000;
  complain();
  expect(lines).toEqual([]);
  for (const until = ms + 31_000; ms < until; ms += 1_000) complain();
  expect(lines.map(({ level }) => level)).toEqual(['error', 'error', 'warn']);
});
