import { expect, test } from '@jest/globals';
import { heartbeatFrom, helloFrom, statusUpdatesFrom } from '../../../bus/agent-bodies.ts';
import { descriptionFrom } from '../../../bus/description.ts';
import { limits } from '../../../domain/limits.ts';

const whole = {
  hostname: 'h',
  addr: '10.0.0.1',
  platform: { architecture: 'x86_64', os: 'linux' },
  resources: {
    nanoCpus: 2e9,
    memoryBytes: 8e9,
    generic: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 2 } }],
  },
  engine: { version: '28.5.2', labels: { a: 'b' }, plugins: [{ type: 'Log', name: 'journald' }] },
  tls: { trustRoot: 'pem', issuerSubject: 's', issuerPublicKey: 'k', publicKey: 'p' },
};

test('a description is taken as it is, without what nobody knows', () => {
  expect(descriptionFrom(whole)).toEqual(whole);
  const more = { ...whole, extra: 'x', engine: { ...whole.engine, extra: {} } };
  expect(descriptionFrom(more)).toEqual(whole);
});

test('a state of before has what nodes said of their keys; a hello of now says nothing of them', () => {
  const { publicKey: _, ...tls } = whole.tls;
  expect(helloFrom({ session: 's', description: whole })?.description).toEqual({ ...whole, tls });
});

// Each was seen to end managers, the scheduler or the lists of the API.
test.each([
  ['resources', { nanoCpus: 1, memoryBytes: 1, generic: { a: 1 } }],
  ['resources', { nanoCpus: 1, memoryBytes: 1, generic: [null] }],
  ['resources', { nanoCpus: 1, memoryBytes: 1, generic: [{ DiscreteResourceSpec: { Kind: 1 } }] }],
  ['resources', { nanoCpus: 1.5, memoryBytes: 1 }],
  ['resources', { nanoCpus: -1, memoryBytes: 1 }],
  ['resources', { nanoCpus: 1, memoryBytes: 1e300 }],
  ['resources', { nanoCpus: Number.NaN, memoryBytes: 1 }],
  ['engine', { version: '1', labels: { a: { b: 1 } }, plugins: [] }],
  ['engine', { version: '1', labels: ['x'], plugins: [] }],
  ['engine', { version: '1', labels: {}, plugins: [null] }],
  ['engine', { version: '1', labels: {}, plugins: [{ type: 'Log', name: 7 }] }],
  ['engine', { version: '1', labels: {}, plugins: 'none' }],
  ['platform', { architecture: 'x'.repeat(limits.descriptionNameMax + 1), os: 'linux' }],
  ['hostname', undefined],
  ['hostname', 7],
  ['addr', {}],
  ['tls', 'yes'],
  ['tls', { ...whole.tls, trustRoot: 'x'.repeat(limits.rootsTextMax + 1) }],
])('a malformed %s is not taken: %j', (part, value) => {
  expect(descriptionFrom({ ...whole, [part]: value })).toBeUndefined();
});

test('lists and labels of a description are cut; what is too large in all is not taken', () => {
  const plugins = (length: number) =>
    descriptionFrom({
      ...whole,
      engine: {
        ...whole.engine,
        plugins: Array.from({ length }, (_, i) => ({ type: 'Log', name: `${i}` })),
      },
    })?.engine.plugins.length;
  const max = limits.descriptionListMax;
  expect([max - 1, max, max + 1, 100 * max].map(plugins)).toEqual([max - 1, max, max, max]);
  const labelled = (lengths: readonly number[]) => {
    const labels = Object.fromEntries(lengths.map((length, i) => [`${i}`, 'x'.repeat(length - 1)]));
    const read = descriptionFrom({ ...whole, engine: { ...whole.engine, labels } });
    return Object.keys(read?.engine.labels ?? {}).length;
  };
  const text = limits.joinLabelsTextMax;
  expect(labelled([text - 10, 9])).toBe(2);
  expect(labelled([text - 10, 10])).toBe(2);
  expect(labelled([text - 10, 11])).toBe(1);
  expect(labelled(Array.from({ length: 1_000 }, () => 1_000))).toBe(16);
  const long = (length: number) =>
    Array.from({ length: max }, () => ({ type: 'x'.repeat(length), name: '' }));
  const isTaken = (length: number): boolean =>
    descriptionFrom({ ...whole, engine: { ...whole.engine, plugins: long(length) } }) !== undefined;
  expect([200, 256].map(isTaken)).toEqual([true, false]);
});

const hostile = 'a\u001b[31mb\u0007\r\u009b\u202e\ud800';
const harmless = 'a\ufffd[31mb\ufffd\ufffd\ufffd\ufffd\ufffd';

test('nothing of it does anything to a terminal, or makes a line of its own in a list', () => {
  const labels = { [hostile]: `${hostile}\n` };
  const engine = { ...whole.engine, labels };
  const read = descriptionFrom({ ...whole, hostname: `${hostile}\nb\tc`, engine });
  expect(read?.hostname).toBe(`${harmless}\ufffdb\ufffdc`);
  expect(read?.engine.labels).toEqual({ [harmless]: `${harmless}\ufffd` });
});

test.each([
  ['addr', hostile],
  ['platform', { architecture: hostile, os: 'linux' }],
  ['platform', { architecture: 'x86_64', os: 'linux\n' }],
  ['engine', { ...whole.engine, version: hostile }],
  ['engine', { ...whole.engine, plugins: [{ type: 'Log', name: hostile }] }],
  [
    'resources',
    {
      ...whole.resources,
      generic: [{ NamedResourceSpec: { Kind: 'gpu', Value: hostile } }],
    },
  ],
  ['tls', { ...whole.tls, issuerSubject: hostile }],
  ['tls', { ...whole.tls, issuerPublicKey: hostile }],
])(
  'a name of %s with control characters is not taken, for another would stand for it: %j',
  (part, value) => {
    expect(descriptionFrom({ ...whole, [part]: value })).toBeUndefined();
  },
);

test('a root is PEM of several lines, and no more', () => {
  const tls = { ...whole.tls, trustRoot: 'a\nb' };
  expect(descriptionFrom({ ...whole, tls })?.tls?.trustRoot).toBe('a\nb');
  const odd = { ...whole.tls, trustRoot: hostile };
  expect(descriptionFrom({ ...whole, tls: odd })?.tls?.trustRoot).toBe(harmless);
});

const update = { taskId: 't', status: { state: 'running', at: 1, message: 'm' } };
const status = (fields: object) =>
  statusUpdatesFrom({ updates: [{ ...update, status: { ...update.status, ...fields } }] })?.[0]
    ?.status;

test.each([
  { at: Number.NaN },
  { at: Number.POSITIVE_INFINITY },
  { at: '1' },
  { message: 7 },
  { message: undefined },
  { err: {} },
  { container: 'c' },
  { container: { id: 'c', pid: -1, exitCode: 0 } },
  { container: { id: 'c', pid: 1, exitCode: 0.5 } },
  { ports: {} },
  { ports: [null] },
  { ports: [{ Protocol: 'icmp', TargetPort: 1, PublishMode: 'host' }] },
  { ports: [{ Protocol: 'tcp', TargetPort: 65_536, PublishMode: 'host' }] },
])('a malformed status is not taken: %j', (fields) => {
  expect(status(fields)).toBeUndefined();
});

test('the texts of a status have lines, and nothing else that a terminal obeys; its names have none', () => {
  const text = `${hostile}\n\tb`;
  expect(status({ message: text, err: text })).toMatchObject({
    message: `${harmless}\n\tb`,
    err: `${harmless}\n\tb`,
  });
  const container = { id: hostile, pid: 1, exitCode: 0 };
  expect(status({ container })).toBeUndefined();
  const port = { Protocol: 'tcp', TargetPort: 80, PublishMode: 'host', Name: hostile };
  expect(status({ ports: [port] })).toBeUndefined();
  const engine = { error: text, graceMs: 1 };
  expect(heartbeatFrom({ session: 's', engine })?.engine?.error).toBe(`${harmless}\n\tb`);
});

test('the texts and ports of a status are cut, not refused', () => {
  const max = limits.statusTextLengthMax;
  const lengths = [max - 1, max, max + 1, 1_000_000];
  const cut = [max - 1, max, max, max];
  expect(lengths.map((n) => status({ err: 'e'.repeat(n) })?.err?.length)).toEqual(cut);
  expect(lengths.map((n) => status({ message: 'e'.repeat(n) })?.message.length)).toEqual(cut);
  const port = { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' };
  const ports = Array.from({ length: limits.statusPortsMax + 1 }, () => port);
  expect(status({ ports })?.ports).toHaveLength(limits.statusPortsMax);
  expect(status({ ports: [port], more: 1 })).toEqual({ ...update.status, ports: [port] });
});
