import { expect, test } from '@jest/globals';
import {
  always,
  base64Bytes,
  bool,
  decode,
  duration,
  float32,
  int64,
  list,
  nullable,
  omitEmpty,
  pointer,
  stringMap,
  struct,
  text,
  uint32,
  uint64,
} from '../../../domain/spec/decode.ts';
import { checkServiceBody } from '../../../domain/spec/service.ts';
import { faultOf } from './helpers.ts';

const inner = struct('demo.Inner', { Name: omitEmpty(text('demo.Name')), Count: always(uint64) });
const outer = struct('demo.Outer', {
  Zero: always(uint32()),
  Text: omitEmpty(text()),
  Flag: omitEmpty(bool),
  Pause: pointer(duration),
  Null: nullable(inner),
  Items: omitEmpty(list(inner)),
  Refs: omitEmpty(list(inner, '[]*demo.Inner')),
  Words: omitEmpty(list(text())),
  Map: omitEmpty(stringMap),
  Ratio: always(float32),
  Data: omitEmpty(base64Bytes),
  Signed: omitEmpty(int64()),
  New: omitEmpty(text(), 41),
});

test('absent and null fields are zero; omitted fields stay away', () => {
  const zero = { Zero: 0, Null: null, Ratio: 0 };
  expect(decode(outer, {})).toStrictEqual(zero);
  expect(decode(outer, null)).toStrictEqual(zero);
  expect(decode(outer, undefined)).toStrictEqual(zero);
  expect(decode(outer, { Text: null, Items: null, Map: null, Pause: null })).toStrictEqual(zero);
  expect(decode(outer, { Text: '', Items: [], Map: {}, Flag: false, Signed: 0 })).toStrictEqual(
    zero,
  );
  expect(decode(outer, { Pause: 0, Null: {} })).toStrictEqual({
    ...zero,
    Pause: 0,
    Null: { Count: 0 },
  });
});

test('names match without regard to case, the last one wins, unknown ones are ignored', () => {
  expect(decode(outer, { tEXT: 'a', ZERO: 3, nonsense: { a: 1 } })).toMatchObject({
    Text: 'a',
    Zero: 3,
  });
  expect(decode(outer, { Text: 'a', text: 'b' }).Text).toBe('b');
  expect(decode(outer, { constructor: 1, toString: 2 })).not.toHaveProperty('constructor', 1);
});

test('fields come in declared order, maps sorted', () => {
  const decoded = decode(outer, { Map: { b: '1', a: '2' }, Text: 'x', Zero: 1 });
  expect(JSON.stringify(decoded)).toBe(
    '{"Zero":1,"Text":"x","Null":null,"Map":{"a":"2","b":"1"},"Ratio":0}',
  );
});

test('nulls in lists and maps', () => {
  const decoded = decode(outer, {
    Words: ['a', null],
    Items: [null],
    Refs: [null, { Count: 1 }],
    Map: { a: null },
  });
  expect(decoded).toMatchObject({
    Words: ['a', ''],
    Items: [{ Count: 0 }],
    Refs: [{ Count: 1 }],
    Map: { a: '' },
  });
});

test('__proto__ is a label like others', () => {
  const decoded = decode(outer, JSON.parse('{"Map":{"__proto__":"x"},"__proto__":{"Text":"y"}}'));
  expect(Object.entries(decoded.Map ?? {})).toStrictEqual([['__proto__', 'x']]);
  expect(decoded.Text).toBeUndefined();
});

test('fields newer than the client are checked, then dropped', () => {
  expect(decode(outer, { New: 'x' }, '1.40')).not.toHaveProperty('New');
  expect(decode(outer, { New: 'x' }, '1.41').New).toBe('x');
  expect(decode(outer, { New: 'x' }, '').New).toBe('x');
  expect(faultOf(() => decode(outer, { New: 5 }, '1.40'))).toContain('Outer.New of type string');
});

test('the largest integers stay inside the type', () => {
  const maxInt64 = JSON.parse('{"Signed":9223372036854775807}');
  expect(decode(outer, maxInt64).Signed).toBeLessThan(2 ** 63);
  expect(decode(outer, { Signed: -(2 ** 63) }).Signed).toBe(-(2 ** 63));
  expect(decode(outer, { Null: { Count: 2 ** 64 } }).Null?.Count).toBeLessThan(2 ** 64);
  expect(decode(outer, { Signed: 12n }).Signed).toBe(12);
  expect(Object.is(decode(outer, { Zero: -0 }).Zero, 0)).toBe(true);
  const year = 365 * 24 * 3600e9;
  expect(JSON.stringify(decode(outer, { Pause: year }).Pause)).toBe('31536000000000000');
});

test('a spec that is too large gets the text of Swarm', () => {
  const large = { Words: ['x'.repeat(1_600_000)] };
  const text = "Unknown: raft: raft message is too large and can't be sent";
  expect(faultOf(() => decode(outer, large))).toBe(text);
  expect(faultOf(() => decode(outer, { Words: Array(200_000).fill('') }))).toBe(text);
  expect(faultOf(() => decode(outer, { Words: ['é'.repeat(600_000)] }))).toBe(text);
});

const mismatches: readonly [unknown, string][] = [
  [[], 'array into Go value of type demo.Outer'],
  ['x', 'string into Go value of type demo.Outer'],
  [5, 'number into Go value of type demo.Outer'],
  [true, 'bool into Go value of type demo.Outer'],
  [{ Zero: 'x' }, 'string into Go struct field Outer.Zero of type uint32'],
  [{ zero: -1 }, 'number -1 into Go struct field Outer.zero of type uint32'],
  [{ Zero: 1.5 }, 'number 1.5 into Go struct field Outer.Zero of type uint32'],
  [{ Zero: 2 ** 32 }, 'number 4294967296 into Go struct field Outer.Zero of type uint32'],
  [{ Zero: Number.NaN }, 'number NaN into Go struct field Outer.Zero of type uint32'],
  [{ Text: {} }, 'object into Go struct field Outer.Text of type string'],
  [{ Flag: 'a' }, 'string into Go struct field Outer.Flag of type bool'],
  [{ Pause: '5s' }, 'string into Go struct field Outer.Pause of type time.Duration'],
  [{ Signed: 1e19 }, 'number 10000000000000000000 into Go struct field Outer.Signed of type int64'],
  [{ Ratio: 1e40 }, 'number 1e40 into Go struct field Outer.Ratio of type float32'],
  [{ Null: { Name: 1 } }, 'number into Go struct field Outer.Null.Name of type demo.Name'],
  [{ Items: {} }, 'object into Go struct field Outer.Items of type []demo.Inner'],
  [{ Refs: 1 }, 'number into Go struct field Outer.Refs of type []*demo.Inner'],
  [
    { Items: [{}, { Name: 1 }] },
    'number into Go struct field Outer.Items.1.Name of type demo.Name',
  ],
  [{ Items: [1] }, 'number into Outer.Items.0 of type demo.Inner'],
  [{ Words: ['a', 5] }, 'number into Outer.Words.1 of type string'],
  [{ Map: { a: 1 } }, 'number into Go struct field Outer.Map.a of type string'],
  [{ Map: [] }, 'array into Go struct field Outer.Map of type map[string]string'],
  [
    { Data: '!!' },
    'string into Go struct field Outer.Data of type []uint8: illegal base64 data at input byte 0',
  ],
  [{ Text: 1, Zero: 'x' }, 'number into Go struct field Outer.Text of type string'],
];

test.each(mismatches)('wrong type %#: %j', (input, text) => {
  expect(faultOf(() => decode(outer, input))).toBe(
    `daemon InvalidArgument: invalid JSON: json: cannot unmarshal ${text}`,
  );
});

const serviceMismatches: readonly [unknown, string][] = [
  [
    { TaskTemplate: 'x' },
    'string into Go struct field ServiceSpec.TaskTemplate of type swarm.TaskSpec',
  ],
  [
    { Mode: { Replicated: { Replicas: -1 } } },
    'number -1 into Go struct field ServiceSpec.Mode.Replicated.Replicas of type uint64',
  ],
  [
    { TaskTemplate: { ContainerSpec: { Healthcheck: 5 } } },
    'number into Go struct field ServiceSpec.TaskTemplate.ContainerSpec.Healthcheck of type v1.HealthcheckConfig',
  ],
  [
    { TaskTemplate: { ContainerSpec: { Mounts: [{ Type: 1 }] } } },
    'number into Go struct field ServiceSpec.TaskTemplate.ContainerSpec.Mounts.0.Type of type mount.Type',
  ],
  [
    { TaskTemplate: { ContainerSpec: { Ulimits: 'a' } } },
    'string into Go struct field ServiceSpec.TaskTemplate.ContainerSpec.Ulimits of type []*units.Ulimit',
  ],
  [
    { TaskTemplate: { PluginSpec: { privileges: [1] } } },
    'number into ServiceSpec.TaskTemplate.PluginSpec.privileges.0 of type runtime.PluginPrivilege',
  ],
];

test.each(serviceMismatches)('wrong type in a service %#', (input, text) => {
  expect(faultOf(() => checkServiceBody(input))).toBe(
    `daemon InvalidArgument: invalid JSON: json: cannot unmarshal ${text}`,
  );
});
