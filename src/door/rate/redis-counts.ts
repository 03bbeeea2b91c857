import { createClient } from '@redis/client';
import type { SharedCounts } from './shared-window.ts';

/** Milliseconds. */
const connectMs = 500;
/** Without a byte for so long, though it is asked for one more often, it is taken for away. Milliseconds. */
const silentMs = 1500;
const pingMs = 500;
const longestPauseMs = 1000;

/**
 * Counts in a Redis server. It connects by itself, and again; as long as it is away every call rejects, at once or within some seconds. Whoever calls bounds how
 * many wait: the client's own bound is of commands, four of them a count.
 */
export class RedisCounts implements SharedCounts, AsyncDisposable {
  readonly #client;

  /** `url`: with user and password, as the case may be. */
  constructor(url: string) {
    this.#client = createClient({
      url,
      disableOfflineQueue: true,
      pingInterval: pingMs,
      socket: {
        connectTimeout: connectMs,
        socketTimeout: silentMs,
        reconnectStrategy: (tries) => Math.min(50 * 2 ** tries, longestPauseMs),
      },
    });
    // Whoever counts is told by the call.
    this.#client.on('error', () => {});
    this.#client.connect().catch(() => {});
  }

  async increment(key: string, expirySeconds: number): Promise<number> {
    const [count] = await this.#client.multi().incr(key).expire(key, expirySeconds).exec();
    if (typeof count !== 'number') throw new Error('the counter has answered what it was not asked for');
    return count;
  }

  async read(key: string): Promise<number> {
    const text = await this.#client.get(key);
    const count = Number(text ?? 0);
    if (!Number.isSafeInteger(count)) throw new Error('the counter has answered what it was not asked for');
    return count;
  }

  async run(script: string, keys: readonly string[], values: readonly string[]): Promise<unknown> {
    return await this.#client.eval(script, { keys: [...keys], arguments: [...values] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
  }
}
