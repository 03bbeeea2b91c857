import type { Transport, TransportRequest, TransportResponse } from './transport.ts';
import type { ExchangeEvent, OnWireEvent } from './wire-event.ts';

/** Tells of each exchange and changes nothing. To wrap the wire itself: what is wrapped inside is not seen. */
export class ObservedTransport implements Transport {
  readonly #next: Transport;
  readonly #to: ExchangeEvent['to'];
  readonly #observe: OnWireEvent;

  constructor(next: Transport, to: ExchangeEvent['to'], observe: OnWireEvent) {
    this.#next = next;
    this.#to = to;
    this.#observe = observe;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const begun = performance.now();
    const tell = (answer: ExchangeEvent['answer']): void =>
      this.#observe({
        kind: 'exchange',
        to: this.#to,
        method: request.method,
        url: request.url,
        authorization: /^\w+/.exec(request.headers?.['authorization'] ?? '')?.[0].toLowerCase(),
        answer,
        ms: performance.now() - begun,
      });
    try {
      const response = await this.#next.send(request);
      tell({ status: response.status, headers: response.headers });
      return response;
    } catch (error) {
      tell({ error });
      throw error;
    }
  }
}
