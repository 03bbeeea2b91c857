import { errors } from 'undici';
import { idleMs } from '../connection/connection-limits.ts';
import { Slots } from '../transport/slots.ts';
import { BulkConnection, type BulkSettings } from './bulk-connection.ts';

/** The connections to one origin. */
interface Origin {
  readonly slots: Slots;
  readonly idle: BulkConnection[];
  /** Who has a slot or waits for one. */
  users: number;
}

/** A connection for one exchange; dispose it once, when that is over. */
export interface Lease extends Disposable {
  readonly connection: BulkConnection;
  /** Did it carry an exchange before? Then the peer may be about to close it. */
  readonly isReused: boolean;
}

/** Keep-alive connections, at most `maxConcurrent` to one origin. */
export class BulkPool implements Disposable {
  readonly #settings: BulkSettings;
  readonly #maxConcurrent: number;
  readonly #origins = new Map<string, Origin>();
  readonly #open = new Set<BulkConnection>();
  readonly #closing = new AbortController();

  constructor(settings: BulkSettings, maxConcurrent: number) {
    this.#settings = settings;
    this.#maxConcurrent = maxConcurrent;
  }

  /** Throws what connecting throws, or the signal's reason. `fresh`: not one that was used before. */
  async lease(url: URL, signal: AbortSignal | undefined, fresh = false): Promise<Lease> {
    const origin = this.#origin(url);
    origin.users += 1;
    try {
      this.#closing.signal.throwIfAborted();
      if (!origin.slots.tryTake()) await origin.slots.take(this.#ending(signal));
    } catch (error) {
      this.#leave(url, origin);
      throw error;
    }
    try {
      const reused = fresh ? undefined : newestFree(origin.idle);
      const connection = reused ?? (await BulkConnection.open(this.#settings, url, this.#ending(signal)));
      this.#open.add(connection);
      return {
        connection,
        isReused: reused !== undefined,
        [Symbol.dispose]: () => this.#giveBack(url, origin, connection),
      };
    } catch (error) {
      origin.slots.giveBack();
      this.#leave(url, origin);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#closing.abort(new errors.ClientDestroyedError());
    for (const connection of this.#open) connection[Symbol.dispose]();
  }

  /** For waiting and connecting. */
  #ending(signal: AbortSignal | undefined): AbortSignal {
    const closing = this.#closing.signal;
    return signal === undefined ? closing : AbortSignal.any([signal, closing]);
  }

  #origin({ origin }: URL): Origin {
    const known = this.#origins.get(origin);
    if (known !== undefined) return known;
    const made = { slots: new Slots(this.#maxConcurrent), idle: [], users: 0 };
    this.#origins.set(origin, made);
    return made;
  }

  #giveBack(url: URL, origin: Origin, connection: BulkConnection): void {
    if (connection.isFree && !this.#closing.signal.aborted) {
      origin.idle.push(connection);
      connection.idle(idleMs, () => this.#forget(url, origin, connection));
    } else this.#close(connection);
    origin.slots.giveBack();
    this.#leave(url, origin);
  }

  #forget(url: URL, origin: Origin, connection: BulkConnection): void {
    this.#close(connection);
    const at = origin.idle.indexOf(connection);
    if (at !== -1) origin.idle.splice(at, 1);
    this.#forgetUnused(url, origin);
  }

  /** With the last connection the memory goes that all of them received into. */
  #close(connection: BulkConnection): void {
    this.#open.delete(connection);
    if (this.#open.size === 0) this.#settings.buffers.clear();
  }

  #leave(url: URL, origin: Origin): void {
    origin.users -= 1;
    this.#forgetUnused(url, origin);
  }

  /** Redirects may lead to many origins in a process's life. */
  #forgetUnused(url: URL, origin: Origin): void {
    if (origin.users === 0 && origin.idle.length === 0) this.#origins.delete(url.origin);
  }
}

function newestFree(idle: BulkConnection[]): BulkConnection | undefined {
  for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
    if (connection.isFree) return connection;
  }
  return undefined;
}
