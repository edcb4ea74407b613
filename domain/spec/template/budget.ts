import { limits } from '../../limits.ts';
import { TemplateError } from './error.ts';

/** Characters that cost as much as one step of the evaluation. */
const charactersPerStep = 64;

/**
 * What the templates of one container may cost together. Loops and templates that call each other could go on
 * for ever, and the leader does nothing else meanwhile.
 */
export class Budget {
  #steps = 0;
  #characters = 0;

  /** One step, and the characters that it made. */
  spend(characters: number): void {
    this.#steps += 1 + characters / charactersPerStep;
    this.#characters += characters;
    if (this.#steps > limits.templateStepsMax)
      throw new TemplateError(
        `the expansion takes more than ${limits.templateStepsMax} steps; natswarm allows no more`,
      );
    if (this.#characters > limits.specBytesMax)
      throw new TemplateError('the expansion is too large');
  }
}
