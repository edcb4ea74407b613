/** `event` is a constant; everything variable is a field. */
export type LogEvent = (event: string, fields: object) => void;
