import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';

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

/** A logger for one actor: events that tell of trouble are warnings, the rest is information. */
export function actorLog(logger: Logger, bindings: object): LogEvent {
  const child = logger.child(bindings);
  return (event, fields) => {
    if (warnings.test(event)) child.warn(withErrorTexts(fields), event);
    else child.info(withErrorTexts(fields), event);
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
