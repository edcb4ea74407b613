import { expect, test } from '@jest/globals';
import { expandContainer } from '../../../domain/spec/expand.ts';
import { expandTemplate } from '../../../domain/spec/template.ts';
import { faultOf } from './helpers.ts';

const data = {
  Service: { ID: 'sid', Name: 'web', Labels: { zone: 'a', empty: '' } },
  Node: { ID: 'nid', Hostname: 'host1', Platform: { Architecture: 'x86_64', OS: 'linux' } },
  Task: { ID: 'tid', Name: 'web.3.tid', Slot: '3' },
};

const good: readonly [string, string][] = [
  ['plain', 'plain'],
  ['}}', '}}'],
  ['{{.Service.Name}}-{{.Task.Slot}}', 'web-3'],
  [
    '{{ .Service.ID }}{{.Node.ID}}{{.Node.Hostname}}{{.Task.ID}}{{.Task.Name}}',
    'sidnidhost1tidweb.3.tid',
  ],
  ['{{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}', 'linux/x86_64'],
  ['{{index .Service.Labels "zone"}}', 'a'],
  ['{{index .Service.Labels "none"}}|{{index .Service.Labels "constructor"}}', '|'],
  ['{{.Service.Labels.zone}}{{.Service.Labels.empty}}', 'a'],
  ['{{.Service.Labels}}', 'map[empty: zone:a]'],
  ['{{join "," .Task.Slot "b"}}{{join ","}}', '3,b'],
  ['{{"a" | join "," "b"}}', 'b,a'],
  ['{{ join "," "a" | join "b" }}', 'a'],
  ['{{printf "%s-%v %q %% %d" .Task.Slot "x" "y" 5}}', '3-x "y" % 5'],
  ['{{print 1 2 "a" 3}}{{print "x" "y"}}', '1 2a3xy'],
  ['{{(.Task.Slot)}}{{join (print "a" 5) "b" "c"}}', '3ba5c'],
  ['a  {{- " b " -}}  c{{- /* comment */ -}} d', 'a b cd'],
  ['{{/* }} */}}x{{`raw \\n`}}{{"a\\n"}}', 'xraw \\na\n'],
  ['a{{ "{{" }}b{{"}}"}}', 'a{{b}}'],
  ['{{ 5 }} {{ true }} {{ -1.5 }}', '5 true -1.5'],
];

test.each(good)('%s', (source, expanded) => {
  expect(expandTemplate(source, data)).toBe(expanded);
});

const context = (column: number, at: string): string =>
  `1:${column}: executing "expansion" at <${at}>`;
/* Texts of Go's text/template as dockerd 28.5.2 passes them on, then natswarm's own. */
const bad: readonly [string, string][] = [
  ['{{.Foo}}', `${context(2, '.Foo')}: can't evaluate field Foo in type *template.Context`],
  [
    '{{.Service.Foo}}',
    `${context(10, '.Service.Foo')}: can't evaluate field Foo in type struct { ID string; Name string; Labels map[string]string }`,
  ],
  [
    '{{.Service.Name.Foo}}',
    `${context(10, '.Service.Name.Foo')}: can't evaluate field Foo in type string`,
  ],
  [
    '{{.Service.Name.length}}',
    `${context(10, '.Service.Name.length')}: can't evaluate field length in type string`,
  ],
  ['{{.Service.Labels.k}}', `${context(10, '.Service.Labels.k')}: map has no entry for key "k"`],
  [
    'a\nb{{.Foo}}',
    '2:3: executing "expansion" at <.Foo>: can\'t evaluate field Foo in type *template.Context',
  ],
  ['{{foo}}', '1: function "foo" not defined'],
  ['{{', '1: unclosed action'],
  ['{{.Task.Slot', '1: unclosed action'],
  ['{{.Task.Slot}', "1: bad character U+007D '}'"],
  ['{{}}', '1: missing value for command'],
  ['{{ | }}', '1: unexpected "|" in command'],
  ['{{ @ }}', '1: unexpected "@" in command'],
  ['{{ - .Task.Slot }}', '1: illegal number syntax: "-"'],
  ['{{ "a }}', '1: unterminated quoted string'],
  ['{{ "\\q" }}', '1: invalid syntax'],
  ['a{{/* x', '1: unclosed comment'],
  ['{{ .Service. }}', '1: unexpected <.> in operand'],
  ['{{ (join "," "a" }}', '1: unclosed left paren'],
  ['{{ ) }}', '1: unexpected right paren'],
  ['{{end}}', '1: unexpected {{end}}'],
  ['{{ nil }}', `${context(3, 'nil')}: nil is not a command`],
  ['{{ "x" | 5 }}', '1: non executable command in pipeline stage 2'],
  [
    '{{ .Task.Slot .Task.Name }}',
    `${context(8, '.Task.Slot')}: Slot has arguments but cannot be invoked as function`,
  ],
  ['{{ "a" "b" }}', `${context(3, '"a"')}: can't give argument to non-function "a"`],
  ['{{join 5 "a"}}', `${context(7, '5')}: expected string; found 5`],
  [
    '{{join}}',
    `${context(2, 'join')}: error calling join: runtime error: slice bounds out of range [1:0]`,
  ],
  [
    '{{ join .Service.Labels }}',
    `${context(16, '.Service.Labels')}: wrong type for value; expected string; got map[string]string`,
  ],
  ['{{ index }}', `${context(3, 'index')}: wrong number of args for index: want at least 1 got 0`],
  [
    '{{ index .Service.Labels 5 }}',
    `${context(3, 'index .Service.Labels 5')}: error calling index: value has type int; should be string`,
  ],
  [
    '{{ index .Service.Labels "k" "l" }}',
    `${context(3, 'index .Service.Labels "k" "l"')}: error calling index: cannot index slice/array with type string`,
  ],
  [
    '{{if .Task.Slot}}x{{end}}',
    '1: "if" is not supported by natswarm\'s templates, only fields, index, join, print, printf',
  ],
  [
    '{{len .Task.Slot}}',
    '1: "len" is not supported by natswarm\'s templates, only fields, index, join, print, printf',
  ],
  [
    '{{$x := 5}}',
    "1: variables are not supported by natswarm's templates, only fields, index, join, print, printf",
  ],
  ['{{.}}', "1: a whole *template.Context cannot be printed by natswarm's templates"],
];

test.each(bad)('%j fails', (source, text) => {
  expect(faultOf(() => expandTemplate(source, data))).toBe(
    `InvalidArgument: template: expansion:${text}`,
  );
});

test('long garbage ends soon', () => {
  for (const garbage of ['{{', '{{"', '{{(', '{{- ', '{{.A', '{{.A.', '{{/*', '{{`'])
    expect(faultOf(() => expandTemplate(garbage.repeat(50_000), data))).toContain(
      'template: expansion:1',
    );
});

test('the result is bounded', () => {
  const Labels = { big: 'x'.repeat(100_000) };
  const source = '{{.Service.Labels.big}}'.repeat(1_000);
  const large = { ...data, Service: { ...data.Service, Labels } };
  expect(faultOf(() => expandTemplate(source, large))).toContain('the expansion is too large');
});

test('the templates of one container are bounded together', () => {
  const entry = `A={{"${'a'.repeat(50_000)}"}}`;
  const expand = (entries: number) => () =>
    expandContainer({ Image: 'x', Env: Array<string>(entries).fill(entry) }, data);
  expect(faultOf(expand(2))).toBe('no fault');
  expect(faultOf(expand(3))).toContain('templates have more than 131072 characters together');
  const plain = { Image: 'x', Env: Array<string>(5).fill(entry.replaceAll(/[{}]/g, '')) };
  expect(faultOf(() => expandContainer(plain, data))).toBe('no fault');
});

test('nesting is bounded', () => {
  const deep = `{{${'('.repeat(100_000)}}}`;
  expect(faultOf(() => expandTemplate(deep, data))).toContain('too many nested parentheses');
});

test('a container with templates', () => {
  const container = expandContainer(
    {
      Image: '{{.Task.ID}}',
      Hostname: '{{.Node.Hostname}}-{{.Task.Slot}}',
      Env: ['A={{.Service.Name}}=', 'PLAIN', '{{.X}}=y'],
      Mounts: [
        {
          Type: 'volume',
          Source: 'data-{{.Task.Slot}}',
          Target: '/{{.Service.Name}}',
          VolumeOptions: {
            Labels: { a: '{{.Task.ID}}', b: 'c' },
            DriverConfig: { Name: '{{x', Options: { o: '{{.Node.ID}}' } },
          },
        },
      ],
    },
    data,
  );
  expect(container).toStrictEqual({
    Image: '{{.Task.ID}}',
    Hostname: 'host1-3',
    Env: ['A=web=', 'PLAIN', '{{.X}}=y'],
    Mounts: [
      {
        Type: 'volume',
        Source: 'data-3',
        Target: '/web',
        VolumeOptions: {
          Labels: { a: 'tid', b: 'c' },
          DriverConfig: { Name: '{{x', Options: { o: 'nid' } },
        },
      },
    ],
  });
});
