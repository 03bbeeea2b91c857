import type { Clock } from '../../clock.ts';
import { isTransient } from '../connection/connection-error.ts';
import { retryAfterMs } from './retry-after.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';

export interface RetrySettings {
  readonly clock: Clock;
  /** From 0 to 1, 1 excluded. */
  readonly random: () => number;
  /** No try begins when more than this has passed since the first. */
  readonly budgetMs: number;
}

const maxTries = 3;
const firstDelayMs = 200;
const maxDelayMs = 5000;
/** A registry that wants a longer pause is heard by the client instead. */
const maxRetryAfterMs = 5000;
const transientStatuses = new Set([408, 500, 502, 503, 504]);

/**
 * Tries idempotent requests again where that may help: three times in all, after a pause of random length (full
 * jitter). A 429 is waited for once, if its Retry-After is short. Each try starts from the registry's own URL.
 */
export class RetryingTransport implements Transport {
  readonly #next: Transport;
  readonly #settings: RetrySettings;

  constructor(next: Transport, settings: RetrySettings) {
    this.#next = next;
    this.#settings = settings;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    if (request.method === 'POST') return this.#next.send(request);
    const { clock, budgetMs } = this.#settings;
    const giveUpAt = clock.monotonic() + budgetMs;
    let waitedForLimit = false;
    for (let tries = 1; ; tries++) {
      const outcome = await this.#try(request);
      const limited = 'response' in outcome && outcome.response.status === 429;
      const delayMs = limited && waitedForLimit ? undefined : this.#delayMs(outcome, tries);
      if (delayMs === undefined || clock.monotonic() + delayMs >= giveUpAt) return settled(outcome);
      waitedForLimit ||= limited;
      if ('response' in outcome) await outcome.response[Symbol.asyncDispose]();
      await clock.sleep(delayMs, request.signal);
    }
  }

  async #try(request: TransportRequest): Promise<Outcome> {
    try {
      return { response: await this.#next.send(request) };
    } catch (error) {
      return { error };
    }
  }

  /** Undefined: this outcome is final. */
  #delayMs(outcome: Outcome, tries: number): number | undefined {
    if (tries >= maxTries) return undefined;
    if ('error' in outcome) return isTransient(outcome.error) ? this.#jitterMs(tries) : undefined;
    const { status, headers } = outcome.response;
    if (status === 429) {
      const waitMs = retryAfterMs(headers['retry-after'], this.#settings.clock.now());
      return waitMs !== undefined && waitMs <= maxRetryAfterMs ? waitMs : undefined;
    }
    return transientStatuses.has(status) ? this.#jitterMs(tries) : undefined;
  }

  #jitterMs(tries: number): number {
    return this.#settings.random() * Math.min(maxDelayMs, firstDelayMs * 2 ** (tries - 1));
  }
}

type Outcome = { readonly response: TransportResponse } | { readonly error: unknown };

function settled(outcome: Outcome): TransportResponse {
  if ('response' in outcome) return outcome.response;
  throw outcome.error;
}
