// The documents against the code: links, files, the code map, settings, scripts, rules. Other names: docs-names.test.ts.

import { expect, test } from '@jest/globals';
import { Command } from 'commander';
import { dirname, join } from 'node:path';
import { addDaemonOptions } from '../../cmd/config.ts';
import { documents, prose } from '../support/documents.ts';
import { projectFiles, readProjectFile } from '../support/project-files.ts';

const architecture = 'ARCHITECTURE.md';

const isPath = (path: string): boolean =>
  projectFiles.some((file) => file === path || file.startsWith(`${path.replace(/\/$/, '')}/`));

const linksOf = (file: string): readonly string[] =>
  [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');

/** GitHub's anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
const anchorsOf = (file: string): readonly string[] =>
  [...prose(file).matchAll(/^#+ +(.*)$/gm)].map((match) => anchorOf(match[1] ?? ''));

test('there are documents', () => {
  expect(documents).toEqual(
    expect.arrayContaining([architecture, 'CHANGELOG.md', 'README.md', 'docs/bus.md']),
  );
});

test.each(documents)('%s: every link within the project leads somewhere', (file) => {
  const broken = linksOf(file).filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? file : join(dirname(file), path);
    if (!isPath(target)) return true;
    return anchor !== undefined && !anchorsOf(target).includes(anchor);
  });
  expect(broken).toEqual([]);
});

test.each(documents)('%s: every file that it names is there', (file) => {
  const folders = [
    ...new Set(projectFiles.flatMap((path) => path.split('/').slice(0, -1)[0] ?? [])),
  ];
  const pattern = new RegExp(`\`((?:${folders.map(literal).join('|')})/[\\w./-]+)\``, 'g');
  const named = [...prose(file).matchAll(pattern)].map((match) => match[1] ?? '');
  expect(named.filter((path) => !isPath(path))).toEqual([]);
});

const literal = (text: string): string => text.replaceAll('.', '\\.');

test('the code map names every folder', () => {
  const map = /^## Code map$([\s\S]*?)^## /m.exec(readProjectFile(architecture))?.[1] ?? '';
  const folders = new Set(
    projectFiles.flatMap((file) => {
      const parts = file.split('/').slice(0, -1);
      return parts.slice(0, 2).map((_, n) => `${parts.slice(0, n + 1).join('/')}/`);
    }),
  );
  expect([...folders].filter((folder) => !map.includes(`\`${folder}\``))).toEqual([]);
});

test('the architecture fits on its 250 lines', () => {
  expect(readProjectFile(architecture).split('\n').length).toBeLessThanOrEqual(251);
});

test('every setting of the daemon is described, with its environment variable', () => {
  const text = readProjectFile('README.md') + readProjectFile('docs/operations.md');
  const missing = addDaemonOptions(new Command())
    .options.flatMap(({ long, envVar }) => [long, envVar])
    .filter((name) => typeof name === 'string' && !text.includes(`\`${name}\``));
  expect(missing).toEqual([]);
});

test.each(documents)('%s: every npm script that it names exists', (file) => {
  const { scripts } = JSON.parse(readProjectFile('package.json')) as {
    scripts: Record<string, string>;
  };
  const named = [
    ...readProjectFile(file).matchAll(/\bnpm (?:run (?:-[\w-]+ )*([a-z][\w:-]*)|(test)\b)/g),
  ].map(([, script, test]) => script ?? test ?? '');
  expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
});

test('every rule of Swarm that the code refers to is written down', () => {
  const headings = prose('docs/swarm-compat.md');
  const cited = projectFiles
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [...readProjectFile(file).matchAll(/swarm-compat §(\d+\.\d+)/g)])
    .map((match) => match[1] ?? '');
  const missing = new Set(cited.filter((number) => !headings.includes(`\n## ${number} `)));
  expect([...missing]).toEqual([]);
});
