/** A token bucket: it fills by `perS` in a second, up to `burst`. */
export interface Bucket {
  readonly burst: number;
  readonly perS: number;
}

/** What is in the bucket `ms` after there was `level` in it. */
export const refilled = (level: number, { burst, perS }: Bucket, ms: number): number =>
  Math.min(burst, level + (ms / 1_000) * perS);
