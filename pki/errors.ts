/** What went wrong, for callers that must tell a user's bad input from a broken cluster. */
export type PkiErrorCode =
  | 'bad-pem'
  | 'bad-der'
  | 'bad-time'
  | 'bad-name'
  | 'bad-key'
  | 'bad-certificate'
  | 'not-a-ca'
  | 'key-mismatch'
  | 'bad-validity'
  | 'bad-request'
  | 'bad-sealed'
  | 'bad-nkey'
  | 'bad-jwt'
  | 'external-ca';

/** Every error that pki throws on bad input. `code` is stable; the message is for people. */
export class PkiError extends Error {
  readonly code: PkiErrorCode;

  constructor(code: PkiErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PkiError';
    this.code = code;
  }
}
