import { Slots } from './slots.ts';
import { holding, type Transport, type TransportRequest, type TransportResponse } from './transport.ts';

/**
 * So many downloads of blobs at a time, and as many other requests; the next ones wait, for as long as their signal lets them. To
 * wrap outside of deadlines and circuits: whoever waits here has not asked upstream yet, which is no fault of upstream's.
 */
export class ConcurrencyTransport implements Transport {
  readonly #next: Transport;
  readonly #bulk: Slots;
  readonly #others: Slots;

  constructor(next: Transport, maxConcurrent: number) {
    this.#next = next;
    this.#bulk = new Slots(maxConcurrent);
    this.#others = new Slots(maxConcurrent);
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const slots = request.bulk === true ? this.#bulk : this.#others;
    await slots.take(request.signal);
    try {
      return held(await this.#next.send(request), slots);
    } catch (error) {
      slots.giveBack();
      throw error;
    }
  }
}

/** Until it is disposed of. */
function held(response: TransportResponse, slots: Slots): TransportResponse {
  let isHeld = true;
  return holding(response, () => {
    if (isHeld) slots.giveBack();
    isHeld = false;
  });
}
