// The project's pages as texts, for tests that hold them true.

import { projectFiles, readProjectFile } from './project-files.ts';

export const documents = projectFiles.filter((file) => file.endsWith('.md'));

/** Without fenced blocks, whose content is no Markdown. */
export const prose = (file: string): string =>
  readProjectFile(file).replaceAll(/^```[\s\S]*?^```/gm, '');

export const matchesOf = (text: string, pattern: RegExp): readonly string[] => [
  ...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? match[0])),
];

/** The first cells of the rows of all tables of a page that begin with a word in backticks, and each whole row. */
export const rowsOf = (file: string): ReadonlyMap<string, string> =>
  new Map(
    [...readProjectFile(file).matchAll(/^\| `([^`]+)`.*$/gm)].map(([row, name]) => [
      name ?? '',
      row,
    ]),
  );
