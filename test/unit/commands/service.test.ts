import { expect, test } from '@jest/globals';
import { packedBytes } from '../../../bus/codec.ts';
import { commands } from '../../../domain/commands/mod.ts';
import { limits } from '../../../domain/limits.ts';
import { checkPortConflicts } from '../../../domain/spec/ports.ts';
import { body, faultOf } from '../spec/helpers.ts';
import { now, World } from './helpers.ts';

const web = body();
const labelled = (n: string) => body({}, {}, { Labels: { n } });
const notInSequence = 'Unknown: update out of sequence';

test('a created service has its canonical spec and version 1', () => {
  const world = new World();
  expect(world.run('service.create', { spec: web, apiVersion: '1.51' })).toStrictEqual({
    id: 'id1',
    warnings: null,
  });
  expect(world.service('id1')).toMatchObject({
    id: 'id1',
    specVersion: 1,
    spec: { Name: 'web', TaskTemplate: { Runtime: 'container' } },
    meta: { version: 2 },
  });
});

test('names are unique without regard to case', () => {
  const world = new World();
  world.create(web);
  expect(faultOf(() => world.create(body({}, {}, { Name: 'WEB' })))).toBe(
    'AlreadyExists: name conflicts with an existing object: service WEB already exists',
  );
});

test('services without a name get a free one', () => {
  const world = new World();
  const first = world.service(world.create(body({}, {}, { Name: '' })));
  expect(first.spec.Name).toBe('able_abel');
  const second = world.service(world.create(body({}, {}, { Name: '' })));
  expect(second.spec.Name).toBe('able_abel0');
});

test('registry credentials are kept with the spec, and kept over updates', () => {
  const world = new World();
  const authOf = (id: string): unknown =>
    world.service(id).spec.TaskTemplate.ContainerSpec.PullOptions;
  const id = world.create(web, { registryAuth: 'first' });
  expect(authOf(id)).toStrictEqual({ RegistryAuth: 'first' });
  world.update(id, labelled('1'));
  expect(authOf(id)).toStrictEqual({ RegistryAuth: 'first' });
  world.update(id, web, { registryAuth: 'second' });
  expect(authOf(id)).toStrictEqual({ RegistryAuth: 'second' });
  world.update(id, web, { registryAuthFrom: 'previous-spec' });
  expect(authOf(id)).toStrictEqual({ RegistryAuth: 'first' });
  expect(faultOf(() => world.update(id, web, { registryAuthFrom: 'x' }))).toBe(
    'daemon Unknown: unsupported registryAuthFrom value',
  );
});

test('an update keeps the previous spec, counts, and clears the update status', () => {
  const world = new World();
  const id = world.create(web);
  const first = world.service(id).spec;
  world.apply([
    {
      op: 'patch',
      kind: 'service',
      id,
      fields: {
        updateStatus: { state: 'paused', message: 'x' },
        updateProgress: { failed: 1, total: 1 },
      },
    },
  ]);
  expect(world.update(id, labelled('1'))).toStrictEqual({ warnings: null });
  const service = world.service(id);
  expect(service).toMatchObject({ specVersion: 2, spec: { Labels: { n: '1' } } });
  expect(service.previousSpec).toBe(first);
  expect(service).not.toHaveProperty('updateStatus');
  expect(service).not.toHaveProperty('updateProgress');
});

test('an update without any difference moves the version all the same', () => {
  const world = new World();
  const id = world.create(web);
  const before = world.service(id);
  world.update(id, web);
  expect(world.service(id).meta.version).toBe(before.meta.version + 1);
  expect(world.service(id).specVersion).toBe(2);
  expect(world.service(id).previousSpec).toStrictEqual(before.spec);
});

test('a rollback swaps the specs, again and again, and ignores the body', () => {
  const world = new World();
  const id = world.create(labelled('old'));
  world.update(id, labelled('new'));
  world.update(id, labelled('ignored'), { rollback: 'previous' });
  expect(world.service(id)).toMatchObject({
    specVersion: 3,
    spec: { Labels: { n: 'old' } },
    previousSpec: { Labels: { n: 'new' } },
    updateStatus: {
      state: 'rollback_started',
      message: 'manually requested rollback',
      startedAt: now,
    },
  });
  world.update(id, labelled('ignored'), { rollback: 'previous' });
  expect(world.service(id).spec.Labels).toStrictEqual({ n: 'new' });
  expect(world.service(id).specVersion).toBe(4);
  expect(faultOf(() => world.update(id, body({ Image: '' }), { rollback: 'previous' }))).toBe(
    'InvalidArgument: ContainerSpec: image reference must be provided',
  );
});

const renamed = body({}, {}, { Name: 'other' });
const global = body({}, {}, { Name: 'other', Mode: { Global: {} } });
const refused: readonly [string, object, string][] = [
  ['stale version', { version: 1 }, notInSequence],
  ['version to come', { version: 99 }, notInSequence],
  ['renaming', { spec: renamed }, 'Unimplemented: renaming services is not supported'],
  [
    'no name',
    { spec: body({}, {}, { Name: '' }) },
    'Unimplemented: renaming services is not supported',
  ],
  [
    'renaming before version',
    { spec: renamed, version: 1 },
    'Unimplemented: renaming services is not supported',
  ],
  [
    'mode before name',
    { spec: global, version: 1 },
    'Unimplemented: service mode change is not allowed',
  ],
  [
    'bad spec before version',
    { spec: body({ Image: '' }), version: 1 },
    'InvalidArgument: ContainerSpec: image reference must be provided',
  ],
  [
    'no previous spec',
    { rollback: 'previous', version: 1 },
    'FailedPrecondition: service id1 does not have a previous spec',
  ],
  [
    'no previous spec for auth',
    { registryAuthFrom: 'previous-spec' },
    'daemon Unknown: service does not have a previous spec',
  ],
  [
    'unknown rollback',
    { rollback: 'x', spec: body({ Image: '' }) },
    'daemon Unknown: unrecognized rollback option x',
  ],
  ['unknown service', { id: 'gone' }, 'NotFound: service gone not found'],
  [
    'unknown service, bad type',
    { id: 'gone', spec: {} },
    'daemon InvalidArgument: mismatched Runtime and *Spec fields',
  ],
  [
    'no version',
    { version: undefined },
    'InvalidArgument: service.update: "version" must be a whole number',
  ],
  [
    'version as text',
    { version: '2' },
    'InvalidArgument: service.update: "version" must be a whole number',
  ],
  ['id of a wrong type', { id: 5 }, 'InvalidArgument: service.update: "id" must be a string'],
  ['no id', { id: '' }, 'InvalidArgument: service.update: "id" must be an ID'],
  [
    'long credentials',
    { registryAuth: 'x'.repeat(limits.commandTextLengthMax + 1) },
    'InvalidArgument: service.update: "registryAuth" must be a string of at most 65536 characters',
  ],
];
test.each(refused)('refused update: %s', (_, fields, text) => {
  const world = new World();
  world.create(web);
  const before = world.service('id1');
  expect(faultOf(() => world.update('id1', web, fields))).toBe(text);
  expect(world.service('id1')).toBe(before);
});

test('two updates at the same version: the second loses', () => {
  const world = new World();
  const id = world.create(web);
  const version = world.service(id).meta.version;
  world.update(id, labelled('1'), { version });
  expect(faultOf(() => world.update(id, labelled('2'), { version }))).toBe(notInSequence);
});

test('an update whose service went on under the same spec is taken', () => {
  const world = new World();
  const id = world.create(web);
  const { version } = world.service(id).meta;
  const updateStatus = { state: 'completed', message: '' } as const;
  world.apply([{ op: 'patch', kind: 'service', id, fields: { updateStatus } }]);
  expect(world.service(id).meta.version).toBeGreaterThan(version);
  world.update(id, labelled('1'), { version });
  expect(world.service(id).spec.Labels).toStrictEqual({ n: '1' });
});

test('removal', () => {
  const world = new World();
  const id = world.create(web);
  expect(world.run('service.remove', { id })).toStrictEqual({});
  expect(world.store.service(id)).toBeUndefined();
  expect(faultOf(() => world.run('service.remove', { id }))).toBe(
    `NotFound: service ${id} not found`,
  );
  expect(faultOf(() => world.run('service.update', { id, version: 2, spec: web }))).toBe(
    `NotFound: service ${id} not found`,
  );
});

const publishing = (Name: string, PublishMode: string) =>
  body(
    {},
    {},
    { Name, EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 80, PublishMode }] } },
  );

test('host ports may be shared between services', () => {
  const world = new World();
  world.create(publishing('a', 'host'));
  const id = world.create(publishing('b', 'host'));
  world.update(id, publishing('b', 'host'));
  expect(world.store.count('service')).toBe(2);
});

test('ports of the mesh conflict with others, but not with those of the service itself', () => {
  const world = new World();
  const id = world.create(publishing('a', 'host'));
  const ports = (PublishMode: 'host' | 'ingress', Protocol: 'tcp' | 'udp' = 'tcp') => ({
    Ports: [{ TargetPort: 1, PublishedPort: 80, Protocol, PublishMode }],
  });
  const told = (endpoint: ReturnType<typeof ports>, ownId = ''): string =>
    faultOf(() => checkPortConflicts(world.store, endpoint, ownId));
  expect(told(ports('ingress'))).toBe(
    `InvalidArgument: port '80' is already in use by service 'a' (${id}) as a host-published port`,
  );
  expect(told(ports('ingress', 'udp'))).toBe('no fault');
  expect(told(ports('ingress'), id)).toBe('no fault');
  const { spec } = world.service(id);
  world.apply([
    {
      op: 'patch',
      kind: 'service',
      id,
      fields: { spec: { ...spec, EndpointSpec: ports('ingress') } },
    },
  ]);
  expect(told(ports('host'))).toBe(
    `InvalidArgument: port '80' is already in use by service 'a' (${id}) as an ingress port`,
  );
});

test.each([null, undefined, 5, 'x', []])('a body of %j is refused by every command', (input) => {
  const world = new World();
  for (const name of Object.keys(commands))
    expect(faultOf(() => world.run(name, input))).toBe(
      `InvalidArgument: ${name}: the body must be an object`,
    );
});

test('no command is found by the name of an object method', () => {
  expect(commands['constructor']).toBeUndefined();
  expect(commands['__proto__']).toBeUndefined();
});

test('the largest specs fit into a record: created, updated, rolled back', () => {
  const world = new World();
  const registryAuth = 'a'.repeat(limits.commandTextLengthMax);
  const large = (letter: string) => body({ Env: [letter.repeat(limits.specBytesMax - 2_000)] });
  const id = world.create(large('x'), { registryAuth });
  world.update(id, large('y'), { registryAuth });
  world.update(id, large('y'), { rollback: 'previous' });
  const { spec, previousSpec } = world.service(id);
  expect(packedBytes({ spec, previousSpec })).toBeGreaterThan(2 * limits.specBytesMax);
  expect(packedBytes({ spec, previousSpec })).toBeLessThan(limits.transactionBytesMax);
});
