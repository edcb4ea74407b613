// Style as a test: what the compiler and the linter do not see.

import { expect, test } from '@jest/globals';
import { dirname, join } from 'node:path';
import { projectFiles, projectRoot, readProjectFile } from '../support/project-files.ts';

const productFolders = [
  'domain',
  'supervisors',
  'bus',
  'actors',
  'pki',
  'netplane',
  'api',
  'sdk',
  'cmd',
];
const fileLinesMax = 500;

/** Product files that nothing in the product imports, and why they are there. */
const entries: Readonly<Record<string, string>> = {
  'cmd/cli.ts': 'the program',
  'supervisors/virtual-clock.ts': 'the clock of the simulation and of the tests',
};

const isProduct = (file: string): boolean => productFolders.includes(file.split('/')[0] ?? '');
const sources = projectFiles.filter((file) => file.endsWith('.ts'));
const texts = projectFiles.filter((file) => file !== 'package-lock.json');
const lines = (file: string): readonly string[] => readProjectFile(file).split('\n');

/** `file:line: text` of every line that matches. */
const linesWith = (files: readonly string[], pattern: RegExp): readonly string[] =>
  files.flatMap((file) =>
    lines(file).flatMap((line, n) =>
      pattern.test(line) ? [`${file}:${n + 1}: ${line.trim()}`] : [],
    ),
  );

test('no file is longer than it can be read at one sitting', () => {
  expect(texts.filter((file) => lines(file).length - 1 > fileLinesMax)).toEqual([]);
});

test('every actor is made by a supervisor’s child, which puts it into the registry', () => {
  const others = sources.filter((file) => isProduct(file) && file !== 'supervisors/child.ts');
  expect(linesWith(others, /\b(createActor|spawnChild)\b/)).toEqual([]);
});

test('nothing is left for later in a comment', () => {
  const marks = ['FIX' + 'ME', 'TO' + 'DO', 'XX' + 'X'];
  expect(linesWith(texts, new RegExp(`\\b(${marks.join('|')})\\b`))).toEqual([]);
});

test('nobody writes to the console: logs go through cmd/log.ts', () => {
  const call = new RegExp(`\\bcons${'ole'}\\.`);
  expect(linesWith(sources.filter(isProduct), call)).toEqual([]);
});

test('no timeout gets lost in AbortSignal.any: supervisors/clock.ts has one that does not', () => {
  const folders = /^(?:supervisors|bus|actors|cmd|sdk)\//;
  const lossy = /AbortSignal\.timeout\(/;
  expect(
    linesWith(
      sources.filter((file) => folders.test(file)),
      lossy,
    ),
  ).toEqual([]);
});

test('subjects of the bus are built in bus/subjects.ts only', () => {
  const others = sources.filter(
    (file) => isProduct(file) && !file.startsWith('sdk/') && file !== 'bus/subjects.ts',
  );
  expect(linesWith(others, /natswarm\.(v\d|[*>])/)).toEqual([]);
});

test('every actor has a supervisor and an address: only supervisors/child.ts makes them', () => {
  const others = sources.filter((file) => isProduct(file) && file !== 'supervisors/child.ts');
  expect(linesWith(others, /\bcreateActor\b/)).toEqual([]);
});

test('no file names a path of the machine that it was written on', () => {
  const home = /(?<![\w.$}-])\/(home|work|Users|build|builds|workspace)\/[\w.-]+/;
  expect(linesWith(texts, home)).toEqual([]);
  const here = new RegExp(`(?<![\\w.$}-])${projectRoot.replaceAll(/[^\w/]/g, '\\$&')}/`);
  expect(linesWith(texts, here)).toEqual([]);
});

test('no file names a package registry or a mirror', () => {
  const mirror = /https?:\/\/(registry|deb|security|snapshot|mirrors?|packages|proxy)\b[.\w-]*/;
  expect(linesWith(projectFiles, mirror)).toEqual([]);
  expect(linesWith(['package-lock.json'], /"resolved"/)).toEqual([]);
});

test('every product file is reached from an entry', () => {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file) || !sources.includes(file)) return;
    reached.add(file);
    for (const next of importsOf(file)) visit(next);
  };
  for (const entry of Object.keys(entries)) visit(entry);
  expect(sources.filter((file) => isProduct(file) && !reached.has(file))).toEqual([]);
});

/** Each folder of the domain may import those before it. One that is not here stands beside them. */
const domainOrder = [
  'model',
  'format',
  'kinds',
  'store',
  'schedule',
  'assign',
  'orchestrate',
  'ca',
  'commands',
];

test('the folders of the domain import in one direction', () => {
  const rankOf = (file: string): number => domainOrder.indexOf(file.split('/')[1] ?? '');
  const upward = sources
    .filter((file) => file.startsWith('domain/') && rankOf(file) >= 0)
    .flatMap((file) =>
      importsOf(file)
        .filter((imported) => rankOf(imported) > rankOf(file))
        .map((imported) => `${file} imports ${imported}`),
    );
  expect(upward).toEqual([]);
});

test('what is listed as an entry is there and imported by nobody else in the product', () => {
  const imported = new Set(sources.filter(isProduct).flatMap(importsOf));
  for (const entry of Object.keys(entries)) {
    expect(sources).toContain(entry);
    expect([...imported]).not.toContain(entry);
  }
});

/** Product files that a file imports, types included. */
const importsOf = (file: string): readonly string[] =>
  [...readProjectFile(file).matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map((match) =>
    join(dirname(file), match[1] ?? ''),
  );
