/** `event` is a constant; everything variable is a field. A warning tells of what did not go as it should. */
export type LogEvent = (event: string, fields: object, level?: 'info' | 'warn') => void;
