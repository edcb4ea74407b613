/** Which lines of a container's log are wanted, and how, in the words of Docker's API. */
export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** The log driver's extra attributes before each line, as `details=1` of the engine gives them. */
  readonly details: boolean;
  /** Unix time, seconds with up to nine decimals, as Docker's API takes it; '' for all. */
  readonly since: string;
  /** 'all' or a number of lines. */
  readonly tail: string;
}
