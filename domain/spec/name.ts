import { limits } from '../limits.ts';
import { invalid } from './faults.ts';
import { adjectives, surnames } from './words.ts';

/** A DNS label, with `_` too. */
const dnsName = /^[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?$/;

/** The rule for names of services (swarm-compat §3.1). */
export function checkName(name: string): void {
  if (name === '') throw invalid('meta: name must be provided');
  if (!dnsName.test(name)) throw invalid('name must be valid as a DNS name component');
  if (name.length > limits.nameLengthMax)
    throw invalid(`name must be ${limits.nameLengthMax} characters or fewer`);
}

const tries = 10;

/**
 * A name such as `quiet_noether` for a service that came without one. `random` draws from [0, 1). After some taken
 * names a number is added, so a large cluster gets a free one too.
 */
export function newServiceName(random: () => number, isTaken: (name: string) => boolean): string {
  const pick = (words: readonly string[]): string =>
    words[Math.floor(random() * words.length)] ?? '';
  let name = '';
  for (let i = 0; i < tries; i++) {
    name = `${pick(adjectives)}_${pick(surnames)}`;
    if (!isTaken(name)) return name;
  }
  return `${name}${Math.floor(random() * 1e9)}`;
}
