import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { printableJson } from '../domain/printable.ts';
import type { Report } from '../supervisors/report.ts';
import { Lasting, Repeats, Throttle } from './throttle.ts';

export type { Logger };
/** `msg` is a constant name of the event; everything variable is a field (node, service, task, actor, …). */
export type LogEvent = Report;

/** JSON lines, on stdout unless told otherwise. What could hold a secret is cut out by path, whoever logs it. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    // names and addresses of strangers are in it, and what nats-server says of them
    hooks: { streamWrite: printableJson },
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

/** Most warnings are of strangers' making. */
const warningsMax = { burst: 30, perS: 1, kindsMax: 256 } as const;

/** Told each time that something is tried in vain, which goes on by itself; by what it is that is tried. */
const tries: Readonly<Record<string, string>> = {
  bus_not_reached: '',
  hello_refused: '',
  hello_unanswered: '',
  not_described: '',
  manager_not_enrolled: '',
  seat_not_told: 'by',
  state_not_fetched: 'from',
};
/** What tells that it has come about. It says nothing where nothing had been said. */
const successes: Readonly<Record<string, string>> = { bus_reached: 'bus_not_reached' };

/** What a supervisor's decision means for the reader of the log. */
const exitTodo: Readonly<Record<string, string>> = {
  restart: 'nothing: it is started again; if that goes on, its error says why',
  escalate: 'nothing: what it is a part of is started again as a whole',
  forget: 'nothing: whoever started it deals with its end',
};

/**
 * A logger for one actor. Of each warning a bounded number is logged; the next one tells how many were left out
 * (`suppressed`). Of what is tried again and again only the series is told, whatever its level.
 */
export function actorLog(logger: Logger, bindings: object): LogEvent {
  const child = logger.child(bindings);
  const warn = boundedWarnings((fields, event) => child.warn(fields, event));
  const repeats = new Repeats();
  const held = (event: string, fields: object): number | undefined => {
    const tried = successes[event];
    if (tried !== undefined) return repeats.end(tried);
    return event in tries ? repeats.pass(seriesOf(event, fields), performance.now()) : 0;
  };
  return (event, given, level = 'info') => {
    const fields = event === 'child_exit' ? withTodo(given) : given;
    if (level === 'warn' && !(event in tries)) return warn(event, event, withErrorTexts(fields));
    const suppressed = held(event, fields);
    if (suppressed === undefined) return;
    child[level](withErrorTexts(suppressed === 0 ? fields : { ...fields, suppressed }), event);
  };
}

/** All that it reports is a warning. */
export const warning =
  (report: LogEvent): LogEvent =>
  (event, fields) =>
    report(event, fields, 'warn');

function seriesOf(event: string, fields: object): string {
  const value = (fields as Readonly<Record<string, unknown>>)[tries[event] ?? ''];
  return typeof value === 'string' ? `${event} ${value}` : event;
}

function withTodo(fields: object): object {
  const { decision } = fields as { readonly decision?: string };
  return { ...fields, todo: exitTodo[decision ?? ''] };
}

/**
 * What nats-server complains about while servers find each other, or while nobody answers yet who a connection is. It is
 * part of every start of several managers, and of a manager that comes or goes; it is told when it does not pass.
 */
const passing: Readonly<Record<string, RegExp>> = {
  routes:
    /certificate not pinned|TLS route handshake error|Error trying to connect to route|Error flushing: |routing to be established|contact with a meta leader/,
  authentication: /- authentication error$|Readloop processing time/,
};
/** Nats-server warns of each of these, also where it takes no time. */
const harmless = /^Metalayer blocking snapshot (starting|took 0\.)/;

/** What nats-server says; what it says of one kind of trouble is bounded as an actor's warnings are. */
export function serverLog(
  logger: Logger,
  now: () => number = () => performance.now(),
): (level: 'debug' | 'info' | 'warn' | 'error', line: string) => void {
  const kinds = {
    warn: boundedWarnings((fields, event) => logger.warn(fields, event)),
    error: boundedWarnings((fields, event) => logger.error(fields, event)),
  };
  const lasting = new Lasting();
  const isTold = (line: string): boolean => {
    const [kind] = Object.entries(passing).find(([, pattern]) => pattern.test(line)) ?? [];
    return kind === undefined ? !harmless.test(line) : lasting.isSo(kind, now());
  };
  return (level, line) => {
    if ((level === 'warn' || level === 'error') && isTold(line))
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
