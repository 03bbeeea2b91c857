import { Slots } from '../../base/slots.ts';
import { idleMs } from '../connection-limits.ts';
import { errors } from '../undici-core.ts';
import { Connection, type ConnectionSettings } from './connection.ts';
import type { Patience } from './patience.ts';

export interface PoolSettings extends ConnectionSettings {
  /** Connections to one origin that are in use; who wants more waits. As many are kept unused. */
  readonly maxConcurrent: number;
  /** How long a connection is listened to behind an answer that does not show its end. */
  readonly restMs: number;
  readonly patience: Patience;
}

/** The connections to one origin. */
interface Origin {
  readonly slots: Slots;
  /** Oldest first. */
  readonly idle: Connection[];
  /** Who has a slot or waits for one. */
  users: number;
}

/** A connection for one exchange; dispose it once, when that is over. */
export interface Lease extends Disposable {
  readonly connection: Connection;
  /** Did it carry an exchange before? Then the peer may be about to close it, or have forgotten it. */
  readonly isReused: boolean;
}

/** Keep-alive connections, and which of them may be used again. */
export class ConnectionPool implements Disposable {
  readonly #settings: PoolSettings;
  readonly #origins = new Map<string, Origin>();
  readonly #open = new Set<Connection>();
  readonly #closing = new AbortController();

  constructor(settings: PoolSettings) {
    this.#settings = settings;
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
    const lease = await this.#take(url, origin, { signal, fresh });
    if (signal?.aborted !== true) return lease;
    lease[Symbol.dispose]();
    throw signal.reason;
  }

  async #take(
    url: URL,
    origin: Origin,
    { signal, fresh }: { signal: AbortSignal | undefined; fresh: boolean },
  ): Promise<Lease> {
    try {
      const reused = fresh ? undefined : await this.#kept(origin);
      const connection = reused ?? (await Connection.open(this.#settings, url, this.#ending(signal)));
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
    const made = { slots: new Slots(this.#settings.maxConcurrent), idle: [], users: 0 };
    this.#origins.set(origin, made);
    return made;
  }

  /** One that was used before, and on which all that had come when it was asked for has been read, and was nothing. */
  async #kept({ idle }: Origin): Promise<Connection | undefined> {
    for (;;) {
      const at = idle.findLastIndex((connection) => this.#isRested(connection));
      const [connection] = at === -1 ? [] : idle.splice(at, 1);
      if (connection === undefined) return undefined;
      this.#settings.sockets?.taken(connection);
      if (!this.#settings.patience.trusts(connection.heardAt)) connection[Symbol.dispose]();
      else await networkTurn();
      if (connection.isFree) return connection;
    }
  }

  #isRested({ showedItsEnd, heardAt }: Connection): boolean {
    return showedItsEnd || this.#settings.clock.monotonic() - heardAt >= this.#settings.restMs;
  }

  #giveBack(url: URL, origin: Origin, connection: Connection): void {
    if (connection.isFree && !this.#closing.signal.aborted) {
      origin.idle.push(connection);
      this.#settings.sockets?.unused(connection);
      connection.idle(idleMs, () => this.#forget(url, origin, connection));
      if (origin.idle.length > this.#settings.maxConcurrent) origin.idle[0]?.[Symbol.dispose]();
    } else this.#close(connection);
    origin.slots.giveBack();
    this.#leave(url, origin);
  }

  #forget(url: URL, origin: Origin, connection: Connection): void {
    this.#close(connection);
    const at = origin.idle.indexOf(connection);
    if (at !== -1) origin.idle.splice(at, 1);
    this.#forgetUnused(url, origin);
  }

  /** With the last connection the memory goes that all of them received into. */
  #close(connection: Connection): void {
    this.#open.delete(connection);
    this.#settings.sockets?.taken(connection);
    if (this.#open.size === 0) this.#settings.buffers?.clear();
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

/** Ends when the network was looked at once from the beginning: the first immediate may end a look that had begun before. */
async function networkTurn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
}
