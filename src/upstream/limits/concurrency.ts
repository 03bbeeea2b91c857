import { Slots } from '../../base/slots.ts';
import {
  holding,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from '../../net/transport.ts';

/** Beside the downloads that may run so many are begun to take the place of one that hardly gets on. */
export const maxStandIns = 2;
/** Who has a place first: what takes another's, then what a client waits for. */
const ranks = { standsIn: 2, urgent: 1, other: 0 };

/** What may be under way at a time: to be shared by whoever asks the same registry. */
export class Places {
  readonly bulk: Slots;
  readonly others: Slots;
  readonly standIns = new Slots(maxStandIns);

  constructor(maxConcurrent: number) {
    this.bulk = new Slots(maxConcurrent);
    this.others = new Slots(maxConcurrent);
  }
}

/**
 * So many downloads of blobs at a time, and as many other requests; the next ones wait, for as long as their signal lets them. To
 * wrap outside of deadlines and circuits: whoever waits here has not asked upstream yet, which is no fault of upstream's.
 */
export class ConcurrencyTransport implements Transport {
  readonly #next: Transport;
  readonly #places: Places;

  constructor(next: Transport, places: number | Places) {
    this.#next = next;
    this.#places = typeof places === 'number' ? new Places(places) : places;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const place = await this.#place(request);
    try {
      return holding(await this.#next.send(request), () => place[Symbol.dispose]());
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
  }

  /** To be disposed of once or more often. */
  async #place({ bulk, turn, signal }: TransportRequest): Promise<Disposable> {
    if (bulk === true && turn?.standsIn === true) return await this.#standIn(signal);
    const slots = bulk === true ? this.#places.bulk : this.#places.others;
    const waits = slots.isFull;
    if (waits) turn?.waits?.(true);
    await slots.take(signal, () => (turn?.isUrgent === false ? ranks.other : ranks.urgent));
    if (waits) turn?.waits?.(false);
    return once(() => slots.giveBack());
  }

  /** Has a place of its own until there is one among the others, which is when the one whose place it takes is disposed of. */
  async #standIn(signal: AbortSignal | undefined): Promise<Disposable> {
    const { bulk, standIns } = this.#places;
    await standIns.take(signal);
    const over = new AbortController();
    let slots = standIns;
    const move = (): void => {
      const unused = over.signal.aborted ? bulk : standIns;
      slots = bulk;
      unused.giveBack();
    };
    bulk.take(over.signal, () => ranks.standsIn).then(move, () => undefined);
    return once(() => {
      over.abort();
      slots.giveBack();
    });
  }
}

function once(release: () => void): Disposable {
  let isHeld = true;
  return {
    [Symbol.dispose]() {
      if (isHeld) release();
      isHeld = false;
    },
  };
}
