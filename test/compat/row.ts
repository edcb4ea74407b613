export interface CliRow {
  readonly cli: readonly string[];
  /** Keeps what the command put out on either side, instead of comparing it: later rows name it as `{keep}`. */
  readonly keep?: string;
}
export interface ApiRow {
  readonly api: readonly [method: string, path: string, body?: unknown];
  readonly headers?: Readonly<Record<string, string>>;
  /** Compares these headers of the answer too. */
  readonly answers?: readonly string[];
}
export interface Circumstances {
  /** Why natswarm answers otherwise on purpose; then `natswarm` must match instead. */
  readonly differs?: string;
  /** Pattern for natswarm's output where it differs. */
  readonly natswarm?: RegExp;
  /** Wait until every service runs what it should before this row. */
  readonly settled?: boolean;
  /** Ask until the output matches on both sides: for what comes about by itself. */
  readonly until?: RegExp;
  /** The order of the lines does not matter, nor how often one comes. */
  readonly unordered?: boolean;
  /** The command does not end by itself: kill it after so long, ms. */
  readonly killAfterMs?: number;
}
export type Row = (CliRow | ApiRow) & Circumstances;

/** `docker` and its words. Quotes hold words together and stay away, as in a shell. */
export const docker = (line: string, more: Circumstances & { keep?: string } = {}): Row => ({
  cli: (line.match(/(?:'[^']*'|[^\s'])+/g) ?? []).map((word) => word.replaceAll("'", '')),
  ...more,
});

export const get = (path: string, circumstances: Circumstances = {}): Row => ({
  api: ['GET', `/v1.51/${path}`],
  ...circumstances,
});

export const later = 'comes with a later version of natswarm; refused clearly until then';

export const service = (fields: object, container: object = {}, task: object = {}): object => ({
  Name: 'bad',
  TaskTemplate: { ContainerSpec: { Image: 'natswarm-sleep:1', ...container }, ...task },
  Mode: { Replicated: { Replicas: 1 } },
  ...fields,
});

export const create = (fields: object, container: object = {}, task: object = {}): Row => ({
  api: ['POST', '/v1.51/services/create', service(fields, container, task)],
});
