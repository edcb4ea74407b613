/** Who issues a certificate, as TLSInfo of Docker's API has it: subject and key, base64 of their DER. */
export interface Issuer {
  readonly subject: string;
  readonly publicKey: string;
}

export interface RootMaterial {
  readonly certPem: string;
  readonly keyPem: string;
}

/** What a user's root is; or why it is none, in Swarm's words. */
export type RootReading =
  | {
      readonly ok: true;
      /** Of the first certificate, as is all that follows. */
      readonly issuer: Issuer;
      readonly notAfter: number;
      /** How many certificates the text has. */
      readonly certificates: number;
      /** The key in the one form that is stored; '' if none was given. */
      readonly keyPem: string;
    }
  | { readonly ok: false; readonly text: string };

/**
 * What decisions about the CA need of cryptography and of the world outside. All of it answers at once: what an
 * external CA says is asked beforehand (`questions.ts`). `newRoot` may answer differently each time, so a decision that
 * runs twice makes two roots; only the one that is committed counts.
 */
export interface CaTools {
  /**
   * Certificates in the one form in which they are compared and stored; '' if there are none to be read. A text with
   * other PEM blocks stays as it is, which `readRoot` refuses.
   */
  readonly normalize: (pem: string) => string;
  newRoot(): RootMaterial;
  /** Reads a user's root and checks that it can be one, with its key unless that is ''. */
  readRoot(certPem: string, keyPem: string): RootReading;
  /** Of a certificate that this root signs. Throws if the root cannot be read: it is ours. */
  issuerOf(rootPem: string): Issuer;
  /** `certPem` as an intermediate of `signer`; undefined if that cannot be made. */
  crossSign(signer: RootMaterial, certPem: string): string | undefined;
  /** Whether one of the external CAs at these addresses answers, with a certificate of this root. */
  externalAnswers(rootPem: string, urls: readonly string[]): boolean;
  /** As `crossSign`, where external CAs have the key of `rootPem`. */
  externalCrossSign(
    rootPem: string,
    urls: readonly string[],
    newRoot: RootMaterial,
  ): string | undefined;
}

/** What needs nobody outside. */
export type LocalCaTools = Omit<CaTools, 'externalAnswers' | 'externalCrossSign'>;
