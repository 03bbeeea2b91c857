import { Claim } from '../base/claim.ts';
import type { Clock } from '../base/clock.ts';
import { NoAnswer } from '../oci/no-answer.ts';
import { isTransient } from './connection-error.ts';
import { ExchangeLimit } from './exchange-limit.ts';
import { retryAfterMs } from './retry-after.ts';
import { received } from './small-body.ts';
import { holding, type Transport, type TransportRequest, type TransportResponse } from './transport.ts';

export interface RetrySettings {
  readonly clock: Clock;
  /** From 0 to 1, 1 excluded. */
  readonly random: () => number;
  /** No try begins when more than this has passed since the first. 0: there is one try, without a limit of its own. */
  readonly budgetMs: number;
  /**
   * What a try may take until its headers, and the next bytes of a small body, if another can follow: a try that hangs must leave time
   * for it. A body that comes slowly does come: asked for anew it would begin at nothing. After one that hung there is only one more,
   * which may take what it likes: upstream may just be slow.
   */
  readonly tryMs: number;
  /** Ends the pauses between tries, when nothing will be sent any more. */
  readonly closing?: AbortSignal | undefined;
}

const maxTries = 3;
const firstDelayMs = 200;
const maxDelayMs = 5000;
/** A registry that wants a longer pause is heard by the client instead. */
const maxRetryAfterMs = 5000;
const transientStatuses = new Set([408, 500, 502, 503, 504]);

/**
 * Tries idempotent requests again where that may help: three times in all, after a pause of random length (full jitter). A small
 * body is read here, since one that breaks off is worth another try as well. A 429 is waited for once, if its Retry-After is short. A
 * POST is sent again only when its answer was cut: then it has been taken; not what may be sent once. Each try starts from the registry's own URL.
 */
export class RetryingTransport implements Transport {
  readonly #next: Transport;
  readonly #settings: RetrySettings;

  constructor(next: Transport, settings: RetrySettings) {
    this.#next = next;
    this.#settings = settings;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const { clock, budgetMs, tryMs } = this.#settings;
    const giveUpAt = clock.monotonic() + budgetMs;
    let waitedForLimit = false;
    let hung = false;
    for (let tries = 1; ; tries++) {
      const isLast = tries >= maxTries || hung || budgetMs === 0;
      const canFollow = !isLast && clock.monotonic() + tryMs < giveUpAt;
      const outcome = await this.#try(request, !canFollow || request.method === 'POST');
      const limited = 'response' in outcome && outcome.response.status === 429;
      const isFinal = isLast || (limited && waitedForLimit) || request.signal?.aborted === true;
      const delayMs = isFinal ? undefined : this.#delayMs(request, outcome, tries);
      if (delayMs === undefined || clock.monotonic() + delayMs >= giveUpAt) return settled(outcome);
      waitedForLimit ||= limited;
      hung ||= outcome.hung;
      if ('response' in outcome) await outcome.response[Symbol.asyncDispose]();
      await clock.sleep(delayMs, this.#ending(request.signal));
    }
  }

  #ending(signal: AbortSignal | undefined): AbortSignal | undefined {
    const { closing } = this.#settings;
    return signal === undefined || closing === undefined
      ? (signal ?? closing)
      : AbortSignal.any([signal, closing]);
  }

  async #try(request: TransportRequest, unlimited: boolean): Promise<Outcome> {
    if (unlimited) return await this.#outcome(request);
    const { clock, tryMs: milliseconds } = this.#settings;
    const reason = (): NoAnswer => hungError(request.url, milliseconds);
    const limit = new ExchangeLimit({ clock, milliseconds, reason, signal: request.signal });
    const end = (): void => limit[Symbol.dispose]();
    const outcome = await this.#outcome({ ...request, signal: limit.signal }, () => limit.renew());
    limit.stop();
    const hung = limit.signal.aborted && request.signal?.aborted !== true;
    if ('response' in outcome) return { ...outcome, response: holding(outcome.response, end), hung };
    end();
    return { ...outcome, hung };
  }

  async #outcome(request: TransportRequest, onBytes?: () => void): Promise<Outcome> {
    const { method, maxBodyBytes, url } = request;
    try {
      const response = await this.#next.send(request);
      if (maxBodyBytes === undefined || method === 'HEAD' || !isSuccess(response)) {
        return { response, isCut: false, hung: false };
      }
      onBytes?.();
      const room = request.room ?? new Claim(url.host);
      return { ...(await received(response, maxBodyBytes, room, onBytes)), hung: false };
    } catch (error) {
      return { error, hung: false };
    }
  }

  /** Undefined: this outcome is final. */
  #delayMs({ method, once }: TransportRequest, outcome: Outcome, tries: number): number | undefined {
    if (once === true) return undefined;
    // A success that came as its time ran out, with its body, is one.
    if (outcome.hung && ('error' in outcome || outcome.isCut)) return 0;
    if ('response' in outcome && outcome.isCut) return this.#jitterMs(tries);
    if (method === 'POST') return undefined;
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

/** `hung`: it was given up for the time that it took. */
type Outcome = { readonly hung: boolean } & (
  | { readonly response: TransportResponse; readonly isCut: boolean }
  | { readonly error: unknown }
);

/** A body that broke off is thrown to its reader: that upstream has answered is not in question. */
function settled(outcome: Outcome): TransportResponse {
  if ('response' in outcome) return outcome.response;
  throw outcome.error;
}

function isSuccess({ status }: TransportResponse): boolean {
  return status >= 200 && status < 300;
}

function hungError(url: URL, milliseconds: number): NoAnswer {
  return new NoAnswer(url, 'exchange', `no answer from ${url.origin} within ${milliseconds} ms`, {
    status: 504,
  });
}
