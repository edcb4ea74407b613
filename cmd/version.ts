import { readFileSync } from 'node:fs';

/** natswarm's own version, from package.json (one level up in the sources, two in dist/). */
export const version: string = (() => {
  for (const path of ['../package.json', '../../package.json'])
    try {
      const found = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (found.name === 'natswarm' && found.version !== undefined) return found.version;
    } catch {
      // not at this level
    }
  return 'unknown';
})();
