import type { IncomingHttpHeaders } from 'node:http';
import { isBefore, newestVersion, oldestVersion } from './version.ts';

export type HeaderMap = Readonly<Record<string, string>>;

/**
 * How the front presents itself: as its engine does. Learned from the engine's answers; until it has answered, and
 * while it is away, the last known values stand.
 */
export class Identity {
  /** Newest API version that both the engine and natswarm's own routes speak. */
  maxVersion = newestVersion;
  minVersion = oldestVersion;
  #headers: HeaderMap = {
    'Api-Version': newestVersion,
    'Docker-Experimental': 'false',
    Ostype: 'linux',
    Server: 'Docker/28.5.2 (linux)',
  };
  #builder: HeaderMap = { 'Builder-Version': '2' };

  /** On every answer of ours. */
  get headers(): HeaderMap {
    return this.#headers;
  }
  /** On answers to a ping, besides. */
  get pingHeaders(): HeaderMap {
    return this.#builder;
  }

  /** Takes over the headers of an engine's answer. */
  learn(headers: IncomingHttpHeaders): void {
    const version = headers['api-version'];
    if (typeof version !== 'string' || !/^[0-9.]+$/.test(version)) return;
    this.maxVersion = isBefore(version, newestVersion) ? version : newestVersion;
    this.#headers = {
      'Api-Version': this.maxVersion,
      'Docker-Experimental': text(headers['docker-experimental'], 'false'),
      Ostype: text(headers['ostype'], 'linux'),
      Server: text(headers['server'], this.#headers['Server'] ?? ''),
    };
    const builder = headers['builder-version'];
    this.#builder = typeof builder === 'string' ? { 'Builder-Version': builder } : {};
  }

  /** The engine's own oldest version, from its /version. */
  learnOldest(version: unknown): void {
    if (typeof version !== 'string' || !/^[0-9.]+$/.test(version)) return;
    this.minVersion = isBefore(oldestVersion, version) ? version : oldestVersion;
  }
}

const text = (value: string | string[] | undefined, otherwise: string): string =>
  typeof value === 'string' ? value : otherwise;
