// What the pages name exists in the code, and what the code offers to people is named on a page: subjects, routes, flags,
// variables, commands, benchmarks and their figures. A failure lists the missing names.

import { describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { subjects } from '../../bus/subjects.ts';
import { addBackupCommands } from '../../cmd/backup-commands.ts';
import { addDaemonOptions } from '../../cmd/config.ts';
import { addFollowCommand } from '../../cmd/follow-command.ts';
import { addTreeCommand } from '../../cmd/tree-command.ts';
import { commands } from '../../domain/commands/mod.ts';
import { documents, matchesOf, prose, rowsOf } from '../support/documents.ts';
import { projectFiles, readProjectFile } from '../support/project-files.ts';

const code = projectFiles
  .filter((file) => !file.endsWith('.md') && file !== 'package-lock.json')
  .filter((file) => !file.startsWith('test/unit/docs') && !file.startsWith('test/fixtures/'))
  .map(readProjectFile)
  .join('\n');

/** Names that the pages have and `isThere` does not know, as `page: name`. */
const unknown = (
  pages: readonly string[],
  pattern: RegExp,
  isThere: (name: string) => boolean,
  read: (page: string) => string = readProjectFile,
): readonly string[] =>
  pages.flatMap((page) =>
    matchesOf(read(page), pattern)
      .filter((name) => !isThere(name))
      .map((name) => `${page}: ${name}`),
  );

/** Names of which the page says nothing, as `page: name`. */
const unnamed = (page: string, names: readonly string[]): readonly string[] => {
  const text = readProjectFile(page);
  return names.filter((name) => !text.includes(`\`${name}`)).map((name) => `${page}: ${name}`);
};

describe('subjects of the bus', () => {
  const verbsOf = (type: string): readonly string[] =>
    matchesOf(
      new RegExp(`type ${type} = [^;]+;|const ${type} = [^;]+;`).exec(
        readProjectFile('bus/subjects.ts'),
      )?.[0] ?? '',
      /'(\w+)'/g,
    );
  const built = [
    ...verbsOf('agentVerbs').map((verb) => subjects.agent('<node>', verb as 'hello')),
    ...verbsOf('nodeVerbs').map((verb) => subjects.node('<node>', verb as 'assign')),
    ...verbsOf('ManagerVerb').map((verb) => subjects.manager('<node>', verb as 'beat')),
    ...Object.keys(commands).map(subjects.command),
    subjects.leader,
    subjects.commands,
  ];
  const isSubject = (name: string): boolean =>
    built.includes(name) ||
    // a family of them
    name === subjects.command('<noun>.<verb>') ||
    built.some((subject) => subject.startsWith(`${name.replace(/\.$/, '')}.`));

  test('every one is built of every kind of verb', () => {
    expect(built.length).toBeGreaterThan(25);
  });
  test('every one that a page names exists', () => {
    expect(unknown(documents, /natswarm\.v1[\w.<>]*/g, isSubject)).toEqual([]);
  });
  test('every one that exists is named in docs/bus.md', () => {
    expect(unnamed('docs/bus.md', built)).toEqual([]);
  });
});

describe('routes', () => {
  const sources = projectFiles.filter((file) => /^api\/routes\/.*\.ts$/.test(file));
  const served = sources.flatMap((file) =>
    [
      ...readProjectFile(file).matchAll(/method: '([A-Z]+)',\s+path: '([^']+)'/g),
      ...readProjectFile(file).matchAll(/\['([A-Z]+)', '(\/[^']+)'/g),
    ].map(([, method, path]) => ({ method: method ?? '', path: path ?? '' })),
  );
  const own = served.filter(({ path }) => path.startsWith('/natswarm/'));
  const joinPaths = ['api/join-listener.ts', 'api/log-join-routes.ts'].flatMap((file) =>
    matchesOf(readProjectFile(file), /(?:GET|POST) (\/v1\/[\w/<>]+)/g),
  );

  test('they are found in the code', () => {
    expect(own.length).toBeGreaterThan(3);
    expect(joinPaths.length).toBeGreaterThan(5);
  });
  test('of natswarm: each is named in docs/api.md, with its method', () => {
    const routes = own.map(({ method, path }) => `${method} ${path}`);
    expect(unnamed('docs/api.md', routes)).toEqual([]);
  });
  test('of the join listener: each is named in docs/api.md', () => {
    const text = readProjectFile('docs/api.md');
    expect(joinPaths.filter((path) => !text.includes(` ${path}\``))).toEqual([]);
  });
  test('of the join listener: its comments name exactly those that it answers', () => {
    const answered = ['api/join-listener.ts', 'api/log-join-routes.ts'].flatMap((file) =>
      matchesOf(readProjectFile(file), /(?:'|\/\^)((?:\\?\/\w+)+)/g)
        .map((path) => path.replaceAll('\\', ''))
        .filter((path) => path.startsWith('/v1/')),
    );
    const plain = joinPaths.map((path) => path.replace(/\/<\w+>$/, ''));
    expect([...new Set(answered)].toSorted()).toEqual([...new Set(plain)].toSorted());
  });
  test('every one that a page names exists', () => {
    const words = (path: string): string => path.replaceAll(/<\w+>|\{\w+\}|\b[A-Z]{3,}\b/g, '*');
    const known = new Set([...own.map(({ path }) => path), ...joinPaths].map(words));
    const isThere = (path: string): boolean => known.has(words(path));
    const pattern = /(?:(?:GET|POST|PUT|DELETE) |http:\/\/\.|`)(\/(?:v1|natswarm)\/[\w/<>{}]+)/g;
    expect(unknown(documents, pattern, isThere)).toEqual([]);
  });
  test('of Docker: each is within a path that docs/api.md names', () => {
    const table = /^## What is answered here$([\s\S]*?)^## /m.exec(prose('docs/api.md'))?.[1] ?? '';
    const named = matchesOf(table, /`(?:[A-Z]+ )?(\/[^`?]+)/g);
    const isNamed = (path: string): boolean =>
      named.some((name) =>
        name.endsWith('…') ? path.startsWith(name.slice(0, -1)) : path === name,
      );
    const missing = served.filter(({ path }) => !path.startsWith('/natswarm/') && !isNamed(path));
    expect(missing.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });
});

describe('commands and flags', () => {
  const program = new Command('natswarm');
  addDaemonOptions(program.command('daemon'));
  addBackupCommands(program);
  addFollowCommand(program);
  addTreeCommand(program);
  const offered = program.commands.map((command) => command.name());

  test('the program has no other commands than these', () => {
    const added = matchesOf(readProjectFile('cmd/cli.ts'), /\b(add\w+Commands?|command)\(/g);
    expect(added.toSorted()).toEqual([
      'addBackupCommands',
      'addFollowCommand',
      'addTreeCommand',
      'command',
    ]);
  });
  test('every command is described in docs/operations.md', () => {
    const text = readProjectFile('docs/operations.md');
    expect(offered.filter((name) => !text.includes(`natswarm ${name}`))).toEqual([]);
  });
  test('every command that a page shows exists', () => {
    const pattern = /(?:`|^ {4}(?:\$ )?)natswarm ([a-z]+)\b/gm;
    expect(unknown(documents, pattern, (name) => offered.includes(name))).toEqual([]);
  });
  test('every flag of a command is described', () => {
    const text = readProjectFile('README.md') + readProjectFile('docs/operations.md');
    const missing = program.commands.flatMap((command) =>
      command.options
        .filter(({ long }) => !text.includes(`${long}`))
        .map(({ long }) => `${command.name()} ${long}`),
    );
    expect(missing).toEqual([]);
  });
  test('every flag that a page names exists: here, or among the flags of Docker in docs/compatibility.md', () => {
    const dockers = readProjectFile('docs/compatibility.md');
    const own = program.commands.flatMap((command) => command.options.map(({ long }) => long));
    const isThere = (flag: string): boolean =>
      own.includes(flag) || code.includes(flag) || dockers.includes(flag);
    const others = documents.filter((page) => page !== 'docs/compatibility.md');
    // lines of other programs have flags of theirs
    const withoutCurl = (page: string): string =>
      readProjectFile(page).replaceAll(/^.*\bcurl\b.*$/gm, '');
    expect(unknown(others, /(?<![\w-])--[a-z][\w-]*/g, isThere, withoutCurl)).toEqual([]);
  });
  test('every variable of the environment that a page names exists', () => {
    const known = new Set(
      program.commands.flatMap((command) => command.options.map(({ envVar }) => envVar)),
    );
    const isThere = (name: string): boolean => known.has(name) || code.includes(name);
    const pattern = /\b(?:NATSWARM|CHAOS|LOGS|PASSTHROUGH|POWERCUT)_[A-Z_]+[A-Z]\b/g;
    expect(unknown(documents, pattern, isThere)).toEqual([]);
  });
});

test('every line of the log that docs/operations.md explains is logged somewhere', () => {
  const table = /^## Logs$([\s\S]*?)^## /m.exec(readProjectFile('docs/operations.md'))?.[1] ?? '';
  const cells = matchesOf(table, /^\| (`[^|]+) \|/gm).flatMap((cell) =>
    matchesOf(cell, /`(\w+)`/g),
  );
  expect(cells.length).toBeGreaterThan(30);
  expect(cells.filter((name) => name !== 'msg' && !code.includes(`'${name}'`))).toEqual([]);
});

describe('files', () => {
  const base = new Set(projectFiles.map((file) => file.split('/').at(-1)));
  test('every source file that a page names exists, by its path or by its name alone', () => {
    const isThere = (path: string): boolean =>
      path.includes('/') ? projectFiles.includes(path) : base.has(path);
    expect(unknown(documents, /(?<![\w.}/*])\w[\w./-]*\.ts\b/g, isThere)).toEqual([]);
  });
});

test('every identifier that the glossary says is in the code is there', () => {
  const rows = [...readProjectFile('docs/glossary.md').matchAll(/^\| (.*) \|$/gm)];
  // of four columns the last one, of two the first one
  const cells = rows.map(([, row = '']) => row.split(' | ')).map((row) => row[3] ?? row[0] ?? '');
  const named = cells.flatMap((cell) => matchesOf(cell, /`'?([A-Za-z]\w*)'?`/g));
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter((name) => !new RegExp(`\\b${name}\\b`).test(code))).toEqual([]);
});

describe('benchmarks and soaks', () => {
  const rows = rowsOf('docs/testing.md');
  const names = (file: string, pattern: RegExp): readonly string[] =>
    matchesOf(readProjectFile(file), pattern);
  const benches = names('test/bench/run.ts', /^ {2}(\w+): \(\) => import/gm);
  const soaks = names('test/soak/run.ts', /case '(\w+)':/g);
  /** A benchmark's own text, and that of the soak that it is. */
  const textOf = (bench: string): string => {
    const text = readProjectFile(`test/bench/${bench}.ts`);
    const soaked = matchesOf(text, /'\.\.\/(soak\/[\w-]+\.ts)'/g);
    return text + soaked.map((file) => readProjectFile(`test/${file}`)).join('');
  };
  const figure = /`(…?[a-z][A-Za-z0-9]*(?:Ms|S|Mb|Ratio|Percent|Max|Tasks)|…[A-Z]\w*|[a-z]\w*…)`/g;

  test('they are found in the code', () => {
    expect(benches.length).toBeGreaterThan(10);
    expect(soaks).toEqual(['kills', 'hostile']);
  });
  test.each(['bench', 'soak'])('npm run %s: every name that a page gives exists', (script) => {
    const known = script === 'bench' ? benches : soaks;
    const pattern = new RegExp(`npm run ${script} -- ([a-z]+)`, 'g');
    expect(unknown(documents, pattern, (name) => known.includes(name))).toEqual([]);
  });
  test('every benchmark has its row in docs/testing.md, and every soak its command', () => {
    const text = readProjectFile('docs/testing.md');
    expect(benches.filter((name) => !rows.has(name))).toEqual([]);
    expect(soaks.filter((name) => !text.includes(`npm run soak -- ${name}`))).toEqual([]);
  });
  test.each(benches)('%s: every figure that its row names is one', (bench) => {
    const text = textOf(bench);
    const isFigure = (name: string): boolean => {
      const [before = '', after = ''] = name.split('…');
      const stem = before.replace(/Ms(?:Max)?$/, '');
      const end = after.replace(/^MsMax$|^Max$/, 'Max');
      return text.includes(stem) && text.includes(end);
    };
    const missing = matchesOf(rows.get(bench) ?? '', figure).filter((name) => !isFigure(name));
    expect(missing).toEqual([]);
  });
  test.each(benches)('%s: its row names every figure that it prints', (bench) => {
    const row = rows.get(bench) ?? '';
    const named = matchesOf(row, /`([\w…]+)`/g);
    const isNamed = (key: string): boolean =>
      named.some((name) => {
        const [before = '', after = ''] = name.split('…');
        return name.includes('…') ? key.startsWith(before) && key.endsWith(after) : key === name;
      });
    expect(
      figuresOf(readProjectFile(`test/bench/${bench}.ts`)).filter((key) => !isNamed(key)),
    ).toEqual([]);
  });
});

/** Keys of the objects that functions of figures return; those that are computed are not seen. */
function figuresOf(text: string): readonly string[] {
  const bodies = [...text.matchAll(/Record<string, number>>? (?:=> )?\{\n([\s\S]*?)^\}/gm)];
  return bodies
    .flatMap(([, body = '']) => [...body.matchAll(/return \{([\s\S]*?)\};/g)])
    .map(([, object = '']) => object.replaceAll(/\{[^{}]*\}/g, '').replaceAll(/\([^()]*\)/g, ''))
    .flatMap((object) => matchesOf(object, /(?:^|[,{]|\n)\s*(\w+)(?=:|,|\s*$)/g));
}
