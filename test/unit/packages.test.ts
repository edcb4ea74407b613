// What runs besides our own code: docs/packages.md against package.json, package-lock.json and the imports.

import { expect, test } from '@jest/globals';
import { projectFiles, readProjectFile } from '../support/project-files.ts';

interface Locked {
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}
const { dependencies } = JSON.parse(readProjectFile('package.json')) as {
  readonly dependencies: Readonly<Record<string, string>>;
};
const { packages } = JSON.parse(readProjectFile('package-lock.json')) as {
  readonly packages: Readonly<Record<string, Locked>>;
};
const [runtime = '', scripts = ''] =
  readProjectFile('docs/packages.md').split('## Install scripts');

/** Names and the rest of their rows, from a table whose first column has names. */
const rowsOf = (text: string): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(
    [...text.matchAll(/^\| `([^`]+)` \|(.*)\|$/gm)].map(([, name = '', rest = '']) => [
      name,
      rest.split('|').map((cell) => cell.trim()),
    ]),
  );

test('every package that runs is named with a reason, and none more', () => {
  const rows = rowsOf(runtime);
  expect(Object.keys(rows)).toEqual(Object.keys(dependencies).toSorted());
  for (const cells of Object.values(rows))
    expect(cells).toEqual([expect.stringMatching(/\w/), expect.stringMatching(/\w/)]);
});

test('every package that runs has one exact version', () => {
  for (const version of Object.values(dependencies))
    expect(version).toMatch(/^(npm:@?[\w/-]+@)?\d+\.\d+\.\d+$/);
});

test('what is imported runs, and what runs is imported', () => {
  const code = projectFiles.filter((file) =>
    /^(actors|api|bus|cmd|domain|netplane|pki|sdk|supervisors)\/.*\.ts$/.test(file),
  );
  const imported = new Set(
    code.flatMap((file) =>
      [...readProjectFile(file).matchAll(/ from '([^'.][^']*)';$/gm)]
        .map(([, name = '']) => name)
        .filter((name) => !name.startsWith('node:')),
    ),
  );
  expect([...imported].toSorted()).toEqual(Object.keys(dependencies).toSorted());
});

test('no package that runs has an install script, and those that bring one are named', () => {
  const withScript = Object.entries(packages)
    .filter(([, { dev, hasInstallScript }]) => hasInstallScript === true && dev !== true)
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  expect(withScript.filter((name) => name in dependencies)).toEqual([]);
  expect(withScript.toSorted()).toEqual(Object.keys(rowsOf(scripts)));
});

test('no install runs scripts', () => {
  expect(readProjectFile('.npmrc')).toMatch(/^ignore-scripts=true$/m);
  const lines = projectFiles
    .filter((file) => /^(deploy|\.ci)\//.test(file))
    .flatMap((file) => readProjectFile(file).split('\n'));
  const installs = lines.filter((line) => /^[^#]*\bnpm (ci|i|install)\b/.test(line));
  expect(installs.length).toBeGreaterThan(1);
  expect(installs.filter((line) => !line.includes(' --ignore-scripts'))).toEqual([]);
});
