/** Where who opens sockets gets places for them. */
export interface SocketPlaces {
  /** A place for a socket that is about to be opened, until that is closed. Throws as the system does where a process has no file left. */
  take(): Disposable;
  /** It is kept unused, and may be closed. */
  unused(connection: Disposable): void;
  /** It is used again, or closed. */
  taken(connection: Disposable): void;
}

/**
 * So many sockets to upstreams at a time, of all registries together: others need files too. One that is kept unused makes room
 * for one that is needed.
 */
export class SocketLimit implements SocketPlaces {
  /** These places, and where all are taken so many more: for small questions that requests of all kinds wait for, and that are soon over. */
  readonly reserve: SocketPlaces;
  readonly #most: number;
  #open = 0;
  /** The one that was used the longest ago first. */
  readonly #unused = new Set<Disposable>();

  constructor(most: number, reserved = 0) {
    this.#most = most;
    this.reserve = {
      take: () => this.#take(most + reserved),
      unused: (connection) => this.unused(connection),
      taken: (connection) => this.taken(connection),
    };
  }

  take(): Disposable {
    return this.#take(this.#most);
  }

  unused(connection: Disposable): void {
    this.#unused.add(connection);
  }

  taken(connection: Disposable): void {
    this.#unused.delete(connection);
  }

  #take(most: number): Disposable {
    if (this.#open >= most && !this.#closeUnused()) {
      const message = 'as many connections to upstreams are open as this process may have files for';
      throw Object.assign(new Error(message), { code: 'EMFILE' });
    }
    this.#open += 1;
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#open -= 1;
        isHeld = false;
      },
    };
  }

  /** Its file is closed at once, though its place is given back only when all of it is over. */
  #closeUnused(): boolean {
    const [oldest] = this.#unused;
    if (oldest === undefined) return false;
    this.#unused.delete(oldest);
    oldest[Symbol.dispose]();
    return true;
  }
}
