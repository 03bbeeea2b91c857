/**
 * So many sockets to upstreams at a time, of all registries together: others need files too. One that is kept unused makes room
 * for one that is needed.
 */
export class SocketLimit {
  readonly #most: number;
  #open = 0;
  /** The one that was used the longest ago first. */
  readonly #unused = new Set<Disposable>();

  constructor(most: number) {
    this.#most = most;
  }

  /** A place for a socket that is about to be opened, until that is closed. Throws as the system does where a process has no file left. */
  take(): Disposable {
    if (this.#open >= this.#most && !this.#closeUnused()) {
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

  /** It is kept unused, and may be closed. */
  unused(connection: Disposable): void {
    this.#unused.add(connection);
  }

  /** It is used again, or closed. */
  taken(connection: Disposable): void {
    this.#unused.delete(connection);
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
