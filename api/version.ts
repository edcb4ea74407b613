import { HttpError } from './errors.ts';

/** The newest API version whose swarm part natswarm speaks, and Docker 28's oldest. */
export const newestVersion = '1.51';
export const oldestVersion = '1.24';

/** A line break is a character of a path as any other. */
const prefix = /^\/v([0-9.]+)(\/.*)$/s;

/** Splits `/v1.51/services` into its version and the rest; '' where no version is asked for. */
export function splitVersion(path: string): { readonly version: string; readonly path: string } {
  const match = prefix.exec(path);
  return { version: match?.[1] ?? '', path: match?.[2] ?? path };
}

/** Negative, zero or positive, number by number. */
export function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export const isBefore = (version: string, other: string): boolean =>
  compareVersions(version, other) < 0;

/** Throws Docker's 400 unless `version` lies in the range. */
export function checkVersion(version: string, min: string, max: string): void {
  if (isBefore(version, min))
    throw new HttpError(
      400,
      `client version ${version} is too old. Minimum supported API version is ${min}, please upgrade your client to a newer version`,
    );
  if (isBefore(max, version))
    throw new HttpError(
      400,
      `client version ${version} is too new. Maximum supported API version is ${max}`,
    );
}
