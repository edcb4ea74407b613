import { limits } from '../../../domain/limits.ts';
import { registryOf } from '../../../domain/spec/image.ts';
import type { Clock } from '../../../supervisors/clock.ts';
import type { Report } from '../../../supervisors/report.ts';
import { abortedError, EngineError } from '../ports.ts';
import { type Client, linesOf, segment } from './docker-client.ts';
import { isImageId, isPinned } from './docker-config.ts';
import { engineError, EngineReply } from './docker-errors.ts';

export interface ImageOptions {
  /** Use what is here and never ask a registry (DOCKER_SERVICE_PREFER_OFFLINE_IMAGE of Docker's daemon). */
  readonly isOffline: boolean;
  /** For so long, ms, a registry that did not answer is not asked for an image that the engine has. */
  readonly registryRetryMs: number;
  readonly report: Report;
  readonly clock: Clock;
}

/** How a pull ended; undefined is well. */
interface Outcome {
  readonly at: number;
  readonly failure: EngineError | undefined;
}

interface Flight {
  readonly registry: string;
  readonly outcome: Promise<Outcome>;
  readonly abort: AbortController;
  /** Gives the attempt up unless the registry has answered or the image is missing here. */
  readonly hurry: () => void;
  passengers: number;
}

/** How an attempt came out. */
interface Attempt {
  readonly failure?: EngineError;
  /** It had to be waited for, and nothing came of it: nobody else shall wait for this registry now. */
  readonly isSilent?: boolean;
}

/**
 * Pulls, shared by all tasks: one attempt at a time for one reference and one set of credentials, remembered for
 * `pullRememberedMs`, so that neither thirty replicas nor a crash loop make thirty attempts.
 */
export class Images {
  readonly #client: Client;
  readonly #options: ImageOptions;
  readonly #flights = new Map<string, Flight>();
  /** Oldest first; at most `pullsRememberedMax`. */
  readonly #outcomes = new Map<string, Outcome>();
  /** Registries that did not answer, and when that was found; at most `registriesRememberedMax`. */
  readonly #silentSince = new Map<string, number>();

  constructor(client: Client, options: ImageOptions) {
    this.#client = client;
    this.#options = options;
  }

  /**
   * Gives the registry a chance to know a newer image behind a tag. That it cannot be had is no error: the engine
   * says at create whether it has the image. A silent registry delays who has the image for `pullAnswerMs`, and then
   * nobody for `registryRetryMs`. Pinned references have nothing to refresh.
   */
  async refresh(image: string, auth: string | undefined, scope: AbortSignal): Promise<void> {
    if (this.#options.isOffline || isPinned(image) || this.#remembered(image, auth)) return;
    if (this.#isSilent(registryOf(image))) return;
    await this.#pull(image, auth, scope);
  }

  /**
   * Pulls an image that the engine does not have. Gives undefined once it is there, else the reason, '' for none.
   * Rejects when the engine is away.
   */
  async fetch(
    image: string,
    auth: string | undefined,
    scope: AbortSignal,
  ): Promise<string | undefined> {
    if (this.#options.isOffline || isImageId(image)) return '';
    const before = this.#remembered(image, auth)?.failure;
    const failure = before ?? (await this.#pull(image, auth, scope)).failure;
    if (failure?.retryable === true) throw failure;
    return failure?.message;
  }

  #remembered(image: string, auth: string | undefined): Outcome | undefined {
    const outcome = this.#outcomes.get(keyOf(image, auth));
    const isFresh = outcome && this.#options.clock.now() - outcome.at < limits.pullRememberedMs;
    return isFresh === true ? outcome : undefined;
  }

  #isSilent(registry: string): boolean {
    const since = this.#silentSince.get(registry);
    const { clock, registryRetryMs } = this.#options;
    return since !== undefined && clock.now() - since < registryRetryMs;
  }

  /** Joins the attempt under way or begins one. The attempt ends early when all who waited for it have left. */
  async #pull(image: string, auth: string | undefined, scope: AbortSignal): Promise<Outcome> {
    const key = keyOf(image, auth);
    const flight = this.#flights.get(key) ?? this.#begin(key, image, auth);
    flight.passengers += 1;
    try {
      return await unlessAborted(flight.outcome, scope);
    } finally {
      flight.passengers -= 1;
      if (flight.passengers === 0) flight.abort.abort();
    }
  }

  #begin(key: string, image: string, auth: string | undefined): Flight {
    const abort = new AbortController();
    const silence = new AbortController();
    const registry = registryOf(image);
    const outcome = this.#attempt(image, auth, abort.signal, silence).then((attempt) => {
      const { failure } = attempt;
      const ended = { at: this.#options.clock.now(), failure };
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
      // `retryable`: the engine was away, or nobody waited to the end; that says nothing of the registry
      if (failure?.retryable === true) return ended;
      putBounded(this.#outcomes, key, ended, limits.pullsRememberedMax);
      if (failure !== undefined)
        this.#options.report('image_not_pulled', { image, error: failure.message });
      this.#judge(registry, attempt.isSilent === true);
      return ended;
    });
    const hurry = (): void => {
      void this.#isHere(image, silence.signal).then((isHere) => isHere && silence.abort());
    };
    const flight: Flight = { registry, outcome, abort, hurry, passengers: 0 };
    // whoever comes after the last has left begins anew
    abort.signal.addEventListener('abort', () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    this.#flights.set(key, flight);
    return flight;
  }

  /** Whoever waits for a registry that turned out to be silent waits no longer, where the engine has the image. */
  #judge(registry: string, isSilent: boolean): void {
    if (!isSilent) return void this.#silentSince.delete(registry);
    const { clock, registryRetryMs, report } = this.#options;
    if (!this.#isSilent(registry))
      report('registry_silent', { registry, retryMs: registryRetryMs });
    putBounded(this.#silentSince, registry, clock.now(), limits.registriesRememberedMax);
    for (const flight of this.#flights.values()) if (flight.registry === registry) flight.hurry();
  }

  /** Never rejects. */
  async #attempt(
    image: string,
    auth: string | undefined,
    left: AbortSignal,
    silence: AbortController,
  ): Promise<Attempt> {
    const { clock } = this.#options;
    const giveUp = (): void => silence.abort();
    left.addEventListener('abort', giveUp);
    const begunAt = clock.now();
    const timer = clock.setTimeout(() => {
      void this.#isHere(image, silence.signal).then((isHere) => isHere && giveUp());
    }, limits.pullAnswerMs);
    try {
      const stream = await this.#client.open({
        method: 'POST',
        path: '/images/create',
        query: { fromImage: image },
        ...(auth === undefined ? {} : { registryAuth: auth }),
        scope: silence.signal,
      });
      for await (const line of linesOf(stream)) {
        clock.clearTimeout(timer); // the registry has answered: from now on it may take its time
        const { error } = JSON.parse(line) as { readonly error?: string };
        if (error !== undefined) return { failure: new EngineError(error, false) };
      }
      return {};
    } catch (error) {
      if (silence.signal.aborted && !left.aborted)
        return {
          failure: new EngineError('the registry did not answer in time', false),
          isSilent: true,
        };
      const failure = engineError(error, left);
      const tookMs = clock.now() - begunAt;
      // the engine itself gave up; an answer of the registry (denied, not found) is no 5xx
      const isSilent =
        failure instanceof EngineReply && failure.status >= 500 && tookMs >= limits.pullQuickMs;
      return { failure, isSilent };
    } finally {
      clock.clearTimeout(timer);
      left.removeEventListener('abort', giveUp);
    }
  }

  async #isHere(image: string, scope: AbortSignal): Promise<boolean> {
    try {
      await this.#client.request({ path: `/images/${segment(image)}/json`, scope });
      return true;
    } catch {
      // a pull will tell what is wrong, if anything is
      return false;
    }
  }
}

/** The last one put is the last one forgotten. */
function putBounded<V>(map: Map<string, V>, key: string, value: V, max: number): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next().value;
  if (map.size > max && oldest !== undefined) map.delete(oldest);
}

const keyOf = (image: string, auth: string | undefined): string => `${image} ${auth ?? ''}`;

function unlessAborted<T>(promise: Promise<T>, scope: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (scope.aborted) return reject(abortedError());
    const abort = (): void => reject(abortedError());
    scope.addEventListener('abort', abort, { once: true });
    void promise.then(resolve, reject).finally(() => scope.removeEventListener('abort', abort));
  });
}
