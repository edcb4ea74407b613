/**
 * This natswarm cannot go on with what it has found, for a newer one wrote it: to leave out what it does not understand could
 * lose it. `message` is for people and ends with what to install.
 */
export class Incompatible extends Error {
  override readonly name = 'Incompatible';

  /** @param found what was found, and what this natswarm can read */
  constructor(found: string) {
    super(`${found}: install a natswarm that is at least as new as the one that wrote it`);
  }
}

/** A form in which something is kept or sent. */
export interface Format {
  /** What is in it, for people. */
  readonly what: string;
  /** The version that this natswarm writes. */
  readonly version: number;
  /** By an older version: the fields that are others in the next one. Every version that was ever released keeps its step. */
  readonly upgrades: Readonly<Record<number, (old: object) => object>>;
}

/** What a natswarm wrote that knew of no versions. */
export const versionBefore = 0;

/** The content in the version that this natswarm writes. Throws `Incompatible` for a version from which no steps lead there. */
export function upgraded<T extends object>(format: Format, version: number, content: T): T {
  let current = content;
  for (let at = version; at !== format.version; at++) {
    const step = format.upgrades[at];
    if (step === undefined) throw new Incompatible(foundText(format, version));
    current = { ...current, ...step(current) };
  }
  return current;
}

function foundText({ what, version, upgrades }: Format, found: number): string {
  const older = Object.keys(upgrades).map(Number);
  const known = older.length === 0 ? `${version} only` : `${Math.min(...older)} to ${version}`;
  return `the ${what} is of version ${found}, and this natswarm reads version ${known}`;
}

/** Throws `Incompatible`: objects of a kind that a newer natswarm stores. */
export function refuseKind(what: string, kind: string): never {
  throw new Incompatible(
    `the ${what} holds objects of the kind "${kind}", which this natswarm does not know`,
  );
}
