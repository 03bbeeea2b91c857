import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, Connection } from '../connection.ts';
import { type Expected, exchange } from '../load.ts';
import { quantile } from '../ratios.ts';

const clients = 8;
/** Between two pulls of a client, twice as long at most. Milliseconds. */
const pauseMs = 10;

/** How long pulls took. Milliseconds. */
export interface Waits {
  readonly count: number;
  readonly p99Ms: number;
  readonly mostMs: number;
}

/** Clients that pull, and pause: what they wait for is the server, and not each other. */
export class SteadyPulls implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  #times: number[] = [];
  #failure: Error | undefined;

  /** `next`: what is asked for one after the other in one pull. */
  constructor(server: Address, next: () => readonly Expected[]) {
    const one = async (): Promise<void> =>
      await this.#pull(server, next).catch((error: unknown) => {
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
      });
    this.#running = Promise.all(Array.from({ length: clients }, one));
  }

  /** Of those that have ended since this was last asked. Throws what a client had that was no right answer. */
  take(): Waits {
    if (this.#failure !== undefined) throw this.#failure;
    const times = this.#times;
    this.#times = [];
    return { count: times.length, p99Ms: quantile(times, 0.99), mostMs: quantile(times, 1) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #pull(server: Address, next: () => readonly Expected[]): Promise<void> {
    const { signal } = this.#stop;
    using connection = new Connection(server);
    while (!signal.aborted) {
      const begunAt = performance.now();
      for (const expected of next()) await exchange(connection, expected);
      this.#times.push(performance.now() - begunAt);
      await sleep(2 * pauseMs * Math.random());
    }
  }
}
