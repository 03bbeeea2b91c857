import type { Clock } from '../base/clock.ts';
import { NoAnswer } from '../oci/no-answer.ts';
import { ExchangeLimit } from './exchange-limit.ts';
import { holding, type Transport, type TransportRequest, type TransportResponse } from './transport.ts';

export interface DeadlineSettings {
  readonly clock: Clock;
  readonly milliseconds: number;
  /** The same time for headers and body together, where the body is not bulk. */
  readonly withBody?: boolean;
}

/**
 * Bounds the wait for what the transport inside answers, whatever it does meanwhile (tries, tokens, redirects): status line and
 * headers, and a small body where it is read for the sake of another try. Any other body may take as long as it likes, unless the
 * settings say otherwise. Throws UNAVAILABLE (504).
 */
export class DeadlineTransport implements Transport {
  readonly #next: Transport;
  readonly #settings: DeadlineSettings;

  constructor(next: Transport, settings: DeadlineSettings) {
    this.#next = next;
    this.#settings = settings;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const { clock, milliseconds, withBody = false } = this.#settings;
    const reason = () => this.#error(request.url);
    const limit = new ExchangeLimit({ clock, milliseconds, reason, signal: request.signal });
    const end = (): void => limit[Symbol.dispose]();
    try {
      const response = await this.#next.send({ ...request, signal: limit.signal });
      if (!withBody || request.bulk === true) limit.stop();
      return holding(response, end);
    } catch (error) {
      end();
      throw error;
    }
  }

  #error(url: URL): NoAnswer {
    const message = `no answer from ${url.origin} within ${this.#settings.milliseconds} ms`;
    return new NoAnswer(url, 'exchange', message, { status: 504 });
  }
}
