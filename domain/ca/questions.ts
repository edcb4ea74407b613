/**
 * What a decision about the CA wants to know of external CAs. Decisions do not wait, so it is run twice: first on tools
 * that note the questions and take every answer for good, then, once the questions were put, on the answers.
 */
import type { CaTools, LocalCaTools, RootMaterial } from './ports.ts';

export type CaQuestion =
  | { readonly ask: 'answers'; readonly rootPem: string; readonly urls: readonly string[] }
  | {
      readonly ask: 'cross-sign';
      readonly rootPem: string;
      readonly urls: readonly string[];
      readonly newRoot: RootMaterial;
    };

/** Whether an external CA answers; or the certificate that it made. */
export type CaAnswer = boolean | string | undefined;

/** Both runs must be about the same new root: an external CA signs the one that the first run has made. */
function withOneRoot(tools: LocalCaTools): LocalCaTools {
  let made: RootMaterial | undefined;
  return {
    normalize: tools.normalize,
    readRoot: (certPem, keyPem) => tools.readRoot(certPem, keyPem),
    issuerOf: (rootPem) => tools.issuerOf(rootPem),
    crossSign: (signer, certPem) => tools.crossSign(signer, certPem),
    newRoot: () => (made ??= tools.newRoot()),
  };
}

const keyOf = (question: CaQuestion): string => JSON.stringify(question);

/** The tools of one command in its two runs. */
export class CaInquiry {
  readonly #tools: LocalCaTools;
  readonly #questions = new Map<string, CaQuestion>();
  readonly #answers = new Map<string, CaAnswer>();

  constructor(tools: LocalCaTools) {
    this.#tools = withOneRoot(tools);
  }

  /** For the first run. Its outcome is nobody's; a fault that it throws will be thrown by the second run as well. */
  asking(): CaTools {
    const note = (question: CaQuestion): void => {
      this.#questions.set(keyOf(question), question);
    };
    return {
      ...this.#tools,
      externalAnswers: (rootPem, urls) => {
        note({ ask: 'answers', rootPem, urls });
        return true;
      },
      externalCrossSign: (rootPem, urls, newRoot) => {
        note({ ask: 'cross-sign', rootPem, urls, newRoot });
        return '';
      },
    };
  }

  get questions(): readonly CaQuestion[] {
    return [...this.#questions.values()];
  }

  answer(question: CaQuestion, answer: CaAnswer): void {
    this.#answers.set(keyOf(question), answer);
  }

  /** For the second run, and for its repetitions. What was not asked has no answer: the state has changed meanwhile. */
  knowing(): CaTools {
    return {
      ...this.#tools,
      externalAnswers: (rootPem, urls) =>
        this.#answers.get(keyOf({ ask: 'answers', rootPem, urls })) === true,
      externalCrossSign: (rootPem, urls, newRoot) => {
        const answer = this.#answers.get(keyOf({ ask: 'cross-sign', rootPem, urls, newRoot }));
        return typeof answer === 'string' ? answer : undefined;
      },
    };
  }
}
