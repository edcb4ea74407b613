/** Identifiers are Swarm's: so many characters of `[0-9a-z]`. */
export const idLength = 25;

/** Encodes at least 16 random bytes as a 25-character base36 identifier (swarmkit's identity format). */
export function idFromBytes(bytes: Uint8Array): string {
  let n = 0n;
  for (const b of bytes.subarray(0, 16)) n = (n << 8n) | BigInt(b);
  return n.toString(36).padStart(idLength, '0').slice(-idLength);
}

export const isId = (text: string): boolean => /^[0-9a-z]{25}$/.test(text);

/** Compares two of natswarm's ASCII strings; the order of every listing and tie-break. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
