import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { expandContainer } from '../../../../domain/spec/expand.ts';
import { expandTemplate } from '../../../../domain/spec/template/template.ts';
import { faultOf } from '../helpers.ts';

const data = {
  Service: { ID: 'sid', Name: 'web', Labels: { zone: 'a', empty: '' } },
  Node: { ID: 'nid', Hostname: 'host1', Platform: { Architecture: 'x86_64', OS: 'linux' } },
  Task: { ID: 'tid', Name: 'web.3.tid', Slot: '3' },
};

interface Case {
  readonly source: string;
  readonly text?: string;
  readonly error?: string;
}

/** Made by Go itself (oracle.go): written by hand, and drawn at random. */
const cases: readonly Case[] = readFileSync(`${import.meta.dirname}/cases.jsonl`, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Case);

test.each(cases)('$source', ({ source, text, error }) => {
  let answer: string;
  try {
    answer = expandTemplate(source, data);
  } catch (fault) {
    answer = (fault as Error).message;
  }
  expect(answer).toBe(error ?? text);
});

test('what natswarm refuses of the language is refused by name', () => {
  const refusal = (source: string) => faultOf(() => expandTemplate(source, data));
  expect(refusal('{{1i}}')).toContain("complex numbers are not supported by natswarm's templates");
  expect(refusal('{{printf "%x" 1.5}}')).toContain('%x of a float is not supported');
  expect(refusal('{{printf "%p" .}}')).toContain('addresses are not supported');
});

test.each([
  ['a long loop', '{{range 1000000000}}x{{end}}'],
  ['loops in loops', '{{range 1000}}{{range 1000}}{{range 1000}}{{$x := 1}}{{end}}{{end}}{{end}}'],
])('%s ends at the bound of steps', (_, source) => {
  expect(faultOf(() => expandTemplate(source, data))).toContain('takes more than 100000 steps');
});

test('the steps of one container are counted together', () => {
  const entry = 'A={{range 40000}}{{end}}';
  const expand = (entries: number) => () =>
    expandContainer({ Image: 'x', Env: Array<string>(entries).fill(entry) }, data);
  expect(faultOf(expand(2))).toBe('no fault');
  expect(faultOf(expand(3))).toContain('takes more than 100000 steps');
});

test.each([
  ['a wide field', `{{printf "${'%999999d'.repeat(1_000)}"${' 1'.repeat(1_000)}}}`],
  ['doubling', `{{$x := "${'x'.repeat(1_000)}"}}${'{{$x = print $x $x}}'.repeat(30)}`],
  ['one value, printed often', `{{$x := printf "%999999d" 1}}{{print${' $x'.repeat(10_000)}}}`],
  ['the data, printed often', `{{print${' .'.repeat(50_000)}}}`],
])('%s ends at the bound of characters', (_, source) => {
  expect(faultOf(() => expandTemplate(source, data))).toMatch(/too large|more than 100000 steps/);
});

test('templates that call each other for ever end', () => {
  const source = '{{define "t"}}{{template "t"}}{{end}}{{template "t"}}';
  expect(faultOf(() => expandTemplate(source, data))).toContain('exceeded maximum template depth');
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

test.each([
  ['parentheses', '(', '{{', ''],
  ['branches', '{{if true}}', '', '{{end}}'],
  ['else-if', '{{else if true}}', '{{if true}}', '{{end}}'],
  ['blocks', '{{block "b" .}}', '', '{{end}}'],
])('nesting of %s is bounded', (_, open, before, after) => {
  const nested = (depth: number) => before + open.repeat(depth) + after.repeat(depth);
  expect(faultOf(() => expandTemplate(nested(100_000), data))).toContain('max expression depth');
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
