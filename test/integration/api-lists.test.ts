import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { limits } from '../../domain/limits.ts';
import { aTask, FakeSwarm, type Front, startFront } from '../support/api.ts';

/** Lists that are larger than V8's longest text, and than a client wants to hold. */
const swarm = new FakeSwarm();
let front: Front;
beforeAll(async () => {
  front = await startFront(swarm);
});
afterAll(() => front.stop());

async function get(path: string): Promise<IncomingMessage> {
  const sent = request({ socketPath: front.socket, path }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return answer;
}

/** Adds tasks of so many bytes of environment each. */
function fill(count: number, bytes: number): void {
  const task = aTask();
  const Env = ['x'.repeat(bytes)];
  const spec = { ...task.spec, ContainerSpec: { ...task.spec.ContainerSpec, Env } };
  for (let i = 0; i < count; i++)
    swarm.apply({ op: 'put', kind: 'task', object: aTask({ id: `large${i}`, spec }) });
}

test('a list up to a chunk has its length; a longer one comes in chunks; both are the same JSON', async () => {
  for (const [bytes, hasLength] of [
    [limits.listChunkLength - 4_000, true],
    [limits.listChunkLength + 1, false],
  ] as const) {
    fill(1, bytes);
    const answer = await get('/tasks');
    let text = '';
    for await (const chunk of answer) text += String(chunk);
    expect(answer.headers['content-length'] !== undefined).toBe(hasLength);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(text.endsWith(']\n')).toBe(true);
    const ids = (JSON.parse(text) as { readonly ID: string }[]).map(({ ID }) => ID);
    expect(ids).toContain('large0');
    expect(ids).toEqual(ids.toSorted());
  }
});

test('a list of more than any text may have is sent, and a client that goes away ends it', async () => {
  fill(550, 1_000_000);
  const gone = await get('/tasks');
  gone.destroy();
  const answer = await get('/tasks');
  expect(answer.statusCode).toBe(200);
  let bytes = 0;
  let last = '';
  for await (const chunk of answer) {
    bytes += (chunk as Buffer).length;
    last = String((chunk as Buffer).subarray(-2));
  }
  expect(bytes).toBeGreaterThan(550_000_000);
  expect(last).toBe(']\n');
});
