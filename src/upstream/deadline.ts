import type { Clock } from '../clock.ts';
import { RegistryError } from '../oci/error.ts';
import type { Transport, TransportRequest, TransportResponse } from './transport.ts';

/**
 * Bounds the wait for status line and headers, whatever the transport inside does meanwhile (tries, tokens,
 * redirects). The body may take as long as it likes. Throws UNAVAILABLE (504).
 */
export class DeadlineTransport implements Transport {
  readonly #next: Transport;
  readonly #clock: Clock;
  readonly #milliseconds: number;

  constructor(next: Transport, { clock, milliseconds }: { clock: Clock; milliseconds: number }) {
    this.#next = next;
    this.#clock = clock;
    this.#milliseconds = milliseconds;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const late = new AbortController();
    const answered = new AbortController();
    this.#clock.sleep(this.#milliseconds, answered.signal).then(
      () => late.abort(this.#error(request.url)),
      () => undefined,
    );
    try {
      return await this.#next.send({ ...request, signal: either(request.signal, late.signal) });
    } finally {
      answered.abort();
    }
  }

  #error(url: URL): RegistryError {
    const message = `no answer from ${url.origin} within ${this.#milliseconds} ms`;
    return new RegistryError('UNAVAILABLE', message, { status: 504 });
  }
}

function either(one: AbortSignal | undefined, other: AbortSignal): AbortSignal {
  return one === undefined ? other : AbortSignal.any([one, other]);
}
