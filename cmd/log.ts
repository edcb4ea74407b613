import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { Throttle } from './throttle.ts';

export type { Logger };
/** `msg` is a constant name of the event; everything variable is a field (node, service, task, actor, …). */
export type LogEvent = (event: string, fields: object) => void;

/** JSON lines, on stdout unless told otherwise. What could hold a secret is cut out by path, whoever logs it. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: [
        'token',
        'joinToken',
        'unlockKey',
        'key',
        'password',
        'registryAuth',
        '*.token',
        '*.joinToken',
        '*.unlockKey',
        '*.key',
        '*.password',
        '*.registryAuth',
      ],
      censor: '[redacted]',
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

const warnings = /(failed|refused|damaged|lost|crash|exit|denied)/;

/** Most warnings are of strangers' making. */
const warningsMax = { burst: 30, perS: 1, kindsMax: 256 } as const;

/**
 * A logger for one actor: events that tell of trouble are warnings, the rest is information. Of each warning a bounded
 * number is logged; the next one tells how many were left out (`suppressed`).
 */
export function actorLog(logger: Logger, bindings: object): LogEvent {
  const child = logger.child(bindings);
  const warn = boundedWarnings((fields, event) => child.warn(fields, event));
  return (event, fields) => {
    if (warnings.test(event)) warn(event, event, withErrorTexts(fields));
    else child.info(withErrorTexts(fields), event);
  };
}

/** What nats-server says; what it says of one kind of trouble is bounded as an actor's warnings are. */
export function serverLog(
  logger: Logger,
): (level: 'debug' | 'info' | 'warn' | 'error', line: string) => void {
  const kinds = {
    warn: boundedWarnings((fields, event) => logger.warn(fields, event)),
    error: boundedWarnings((fields, event) => logger.error(fields, event)),
  };
  return (level, line) => {
    if (level === 'warn' || level === 'error')
      kinds[level](kindOfLine(line), 'nats_server', { line });
    // its banner is nobody's news
    else logger.debug({ line }, 'nats_server');
  };
}

/** Without the connection that a line is about: `127.0.0.1:4222 - cid:7 - TLS handshake error: EOF`. */
const kindOfLine = (line: string): string =>
  line
    .replace(/^\S+ - [a-z]+:\S+ - /, '')
    .split(' ', 3)
    .join(' ');

function boundedWarnings(
  write: (fields: object, event: string) => void,
): (kind: string, event: string, fields: object) => void {
  const throttle = new Throttle(warningsMax);
  return (kind, event, fields) => {
    const suppressed = throttle.pass(kind, performance.now());
    if (suppressed !== undefined)
      write(suppressed === 0 ? fields : { ...fields, suppressed }, event);
  };
}

/** An Error has no fields of its own that JSON would show; its text is what matters. */
function withErrorTexts(fields: object, depth = 3): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, unknown]) => {
      if (value instanceof Error) return [name, value.message];
      const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value);
      return [name, isPlain && depth > 0 ? withErrorTexts(value, depth - 1) : value];
    }),
  );
}
