import { expect, test } from '@jest/globals';
import { Images } from '../../../../actors/agent/adapters/docker-images.ts';
import { EngineError } from '../../../../actors/agent/ports.ts';
import { limits } from '../../../../domain/limits.ts';
import { VirtualClock } from '../../../../supervisors/virtual-clock.ts';
import { settle } from '../../../support/settle.ts';
import { reply, ScriptedClient, TestStream } from './builders.ts';

const pinned = `web@sha256:${'a'.repeat(64)}`;

const registryRetryMs = 300_000;
function harness(isOffline = false, retryMs = registryRetryMs) {
  const client = new ScriptedClient();
  const clock = new VirtualClock();
  const reports: object[] = [];
  const report = (event: string, fields: object) => reports.push({ event, ...fields });
  return {
    client,
    clock,
    reports,
    images: new Images(client, { clock, isOffline, registryRetryMs: retryMs, report }),
  };
}
const scope = (): AbortSignal => new AbortController().signal;
const pulls = (client: ScriptedClient): number =>
  client.calls.filter((call) => call === 'POST create').length;
const ended = (...lines: object[]): TestStream => {
  const stream = new TestStream();
  for (const line of lines) stream.push(line);
  stream.end();
  return stream;
};

test('thirty tasks share one attempt, and later ones its outcome', async () => {
  const h = harness();
  const stream = new TestStream();
  h.client.on('POST create', stream);
  const all = Array.from({ length: 30 }, () => h.images.refresh('web:1', 'auth', scope()));
  await settle();
  expect(h.client.seen[0]).toMatchObject({ query: { fromImage: 'web:1' }, registryAuth: 'auth' });
  stream.push({ status: 'Pulling from web' });
  stream.end();
  await Promise.all(all);
  await h.images.refresh('web:1', 'auth', scope());
  expect(pulls(h.client)).toBe(1);

  h.clock.advance(limits.pullRememberedMs);
  h.client.on('POST create', ended());
  await h.images.refresh('web:1', 'auth', scope());
  h.client.on('POST create', ended());
  await h.images.refresh('web:1', 'other', scope());
  expect(pulls(h.client)).toBe(3);
});

test('a failed attempt is no error of a refresh; it is reported and remembered', async () => {
  const h = harness();
  h.client.on('POST create', ended({ errorDetail: {}, error: 'denied' }));
  await h.images.refresh('web:1', undefined, scope());
  expect(await h.images.fetch('web:1', undefined, scope())).toBe('denied');
  expect(pulls(h.client)).toBe(1);
  expect(h.reports).toEqual([{ event: 'image_not_pulled', image: 'web:1', error: 'denied' }]);
  h.clock.advance(limits.pullRememberedMs);
  h.client.on('POST create', reply(404, 'not found'));
  expect(await h.images.fetch('web:1', undefined, scope())).toBe('not found');
});

test('what is gone again after a good attempt is pulled once more', async () => {
  const h = harness();
  h.client.on('POST create', ended(), ended());
  await h.images.refresh('web:1', undefined, scope());
  expect(await h.images.fetch('web:1', undefined, scope())).toBeUndefined();
  expect(pulls(h.client)).toBe(2);
});

test('a pinned image is pulled only when it is missing, an image ID never', async () => {
  const h = harness();
  await h.images.refresh(pinned, undefined, scope());
  expect(pulls(h.client)).toBe(0);
  h.client.on('POST create', ended());
  expect(await h.images.fetch(pinned, undefined, scope())).toBeUndefined();
  expect(await h.images.fetch(`sha256:${'a'.repeat(64)}`, undefined, scope())).toBe('');
  expect(pulls(h.client)).toBe(1);
});

test('offline nothing is pulled', async () => {
  const h = harness(true);
  await h.images.refresh('web:1', undefined, scope());
  expect(await h.images.fetch('web:1', undefined, scope())).toBe('');
  expect(h.client.calls).toEqual([]);
});

test('a silent registry holds up for a bounded time who has the image', async () => {
  const h = harness();
  h.client.on('POST create', new Promise((_, reject) => setTimer(h, reject)));
  h.client.on('GET json', {});
  const refreshed = h.images.refresh('web:1', undefined, scope());
  await settle();
  h.clock.advance(limits.pullAnswerMs);
  await settle();
  expect(h.client.calls).toEqual(['POST create', 'GET json']);
  expect(h.client.seen[0]?.scope?.aborted).toBe(true);
  await refreshed;
  expect(h.reports).toMatchObject([
    { error: 'the registry did not answer in time' },
    { event: 'registry_silent', registry: 'docker.io', retryMs: registryRetryMs },
  ]);
  await h.images.refresh('web:1', undefined, scope());
  expect(pulls(h.client)).toBe(1);
});

/** Rejects as the real client does when the scope of the call, by its place, aborts. */
function setTimer(h: ReturnType<typeof harness>, reject: (error: Error) => void, place = 0): void {
  setImmediate(() =>
    h.client.seen[place]?.scope?.addEventListener('abort', () =>
      reject(new EngineError('aborted', true)),
    ),
  );
}

/** A registry that has just kept one start waiting. */
async function silent() {
  const h = harness();
  h.client.on('POST create', new Promise((_, reject) => setTimer(h, reject)));
  h.client.on('GET json', {});
  const first = h.images.refresh('web:1', undefined, scope());
  await settle();
  h.clock.advance(limits.pullAnswerMs);
  await first;
  return h;
}

test('a registry that was silent keeps nobody else waiting, for no image and no credentials', async () => {
  const h = await silent();
  for (const image of ['web:1', 'web:2', 'docker.io/library/db:1', 'someone/app'])
    await h.images.refresh(image, 'auth', scope());
  expect(pulls(h.client)).toBe(1);
  h.client.on('POST create', ended());
  await h.images.refresh('registry.example:5000/web:1', undefined, scope());
  expect(pulls(h.client)).toBe(2);
});

test('it is asked again when the time is over, and remembered again if it is silent again', async () => {
  const h = await silent();
  h.clock.advance(registryRetryMs - 1);
  await h.images.refresh('web:2', undefined, scope());
  expect(pulls(h.client)).toBe(1);
  h.clock.advance(1);
  h.client.on('POST create', new Promise((_, reject) => setTimer(h, reject, 2)));
  h.client.on('GET json', {});
  const again = h.images.refresh('web:2', undefined, scope());
  await settle();
  h.clock.advance(limits.pullAnswerMs);
  await again;
  await h.images.refresh('web:3', undefined, scope());
  expect(pulls(h.client)).toBe(2);
});

test('what the engine does not have is asked for all the same, and an answer ends the silence', async () => {
  const h = await silent();
  h.client.on('POST create', ended({ error: 'denied' }), ended());
  expect(await h.images.fetch('db:1', undefined, scope())).toBe('denied');
  await h.images.refresh('web:2', undefined, scope());
  expect(pulls(h.client)).toBe(3);
});

test('starts at the same time wait together: the first silence ends the wait of all that have their image', async () => {
  const h = harness();
  h.client.on('POST create', new Promise((_, reject) => setTimer(h, reject, 0)));
  h.client.on('GET json', {}, {});
  const first = h.images.refresh('web:1', undefined, scope());
  await settle();
  h.clock.advance(limits.pullAnswerMs - 1);
  h.client.on('POST create', new Promise((_, reject) => setTimer(h, reject, 1)));
  const second = h.images.refresh('web:2', undefined, scope());
  await settle();
  h.clock.advance(1);
  await Promise.all([first, second]);
  expect(h.clock.now()).toBe(limits.pullAnswerMs);
});

test.each([
  ['the engine gives up after a while', reply(500, 'lookup registry: i/o timeout'), 1_000, true],
  ['it is refused at once', reply(500, 'connection refused'), 0, false],
  ['the registry denies, slowly', reply(404, 'pull access denied'), 3_000, false],
  ['the engine dies', new EngineError('the engine is away', true), 3_000, false],
] as const)('%s: remembered %#', async (_, failure, afterMs, isRemembered) => {
  const h = harness();
  let fail: (error: Error) => void = () => undefined;
  h.client.on('POST create', new Promise((__, reject) => (fail = reject)));
  const first = h.images.refresh('web:1', undefined, scope());
  await settle();
  h.clock.advance(afterMs);
  fail(failure);
  await first;
  h.client.on('POST create', ended());
  await h.images.refresh('web:2', undefined, scope());
  expect(pulls(h.client)).toBe(isRemembered ? 1 : 2);
});

test('as many silent registries are remembered as the limit says', async () => {
  const h = harness(false, Number.POSITIVE_INFINITY);
  const count = limits.registriesRememberedMax + 1;
  const name = (i: number): string => `r${i}.example/web`;
  for (let i = 0; i < count; i += 1) {
    h.client.on(
      'POST create',
      new Promise((_, reject) => setTimer(h, reject, h.client.seen.length)),
    );
    h.client.on('GET json', {});
    const done = h.images.refresh(name(i), undefined, scope());
    await settle();
    h.clock.advance(limits.pullAnswerMs);
    await done;
  }
  h.client.on('POST create', ended());
  for (const i of [0, 1, count - 1]) await h.images.refresh(`r${i}.example/db`, undefined, scope());
  expect(pulls(h.client)).toBe(count + 1);
});

test('who lacks the image waits as long as it takes, and so does who hears of progress', async () => {
  const missing = harness();
  const slow = new TestStream();
  missing.client.on('POST create', slow).on('GET json', reply(404, 'No such image'));
  const fetched = missing.images.fetch('web:1', undefined, scope());
  await settle();
  missing.clock.advance(limits.pullAnswerMs);
  await settle();
  slow.end();
  expect(await fetched).toBeUndefined();

  const present = harness();
  const stream = new TestStream();
  present.client.on('POST create', stream);
  const refreshed = present.images.refresh('web:1', undefined, scope());
  await settle();
  stream.push({ status: 'Pulling from web' });
  await settle();
  present.clock.advance(10 * limits.pullAnswerMs);
  stream.end();
  await refreshed;
  expect(present.client.calls).toEqual(['POST create']);
});

test('an attempt goes on while anybody waits, and is cut when the last has left', async () => {
  const h = harness();
  const stream = new TestStream();
  h.client.on('POST create', stream);
  const [first, second] = [new AbortController(), new AbortController()];
  const waits = [first, second].map((c) => h.images.refresh('web:1', undefined, c.signal));
  await settle();
  first.abort();
  await expect(waits[0]).rejects.toMatchObject({ message: 'aborted', retryable: true });
  expect(h.client.seen[0]?.scope?.aborted).toBe(false);
  second.abort();
  await expect(waits[1]).rejects.toThrow('aborted');
  expect(h.client.seen[0]?.scope?.aborted).toBe(true);
  stream.end(new EngineError('aborted', true));
  await settle();

  h.client.on('POST create', ended());
  await h.images.refresh('web:1', undefined, scope());
  expect(pulls(h.client)).toBe(2);
});

test('an engine that is away says nothing of the registry', async () => {
  const h = harness();
  const away = new EngineError('the engine is away', true);
  h.client.on('POST create', away, away, ended());
  await h.images.refresh('web:1', undefined, scope());
  await expect(h.images.fetch('web:1', undefined, scope())).rejects.toEqual(away);
  expect(await h.images.fetch('web:1', undefined, scope())).toBeUndefined();
  expect(h.reports).toEqual([]);
});
