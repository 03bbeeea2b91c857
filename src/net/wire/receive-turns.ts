import type { Clock } from '../../base/clock.ts';

/**
 * So long all connections of the process receive in one turn of the event loop, with all that is made of the bytes at once: they are hashed and sent on.
 * Milliseconds.
 */
const longMs = 4;
/** Of those that have had their turn so many go on in the next: each brings a piece before it is asked again. */
const maxAtOnce = 4;
/** Behind less than this the socket has no more for now; of TLS comes a record at a time. Bytes. */
const largePiece = 16 * 1024;

/**
 * When connections stop to receive, so that everybody else has a turn. libuv reads a socket 32 times on end while that fills what it is given: eight
 * megabytes, and as much of the next, which with many fast transfers held up the event loop for seconds.
 */
export class ReceiveTurns {
  readonly #waiting = new Set<() => void>();
  #endsAt: number | undefined;
  #isScheduled = false;

  /** To be asked behind each piece of so many bytes. True: no more for now; `goOn` is called once, in a later turn. */
  isOver(bytes: number, clock: Pick<Clock, 'monotonic'>, goOn: () => void): boolean {
    if (bytes < largePiece) return false;
    const now = clock.monotonic();
    this.#endsAt ??= now + longMs;
    this.#schedule();
    if (now < this.#endsAt) return false;
    this.#waiting.add(goOn);
    return true;
  }

  /** It does not want to go on any more. */
  leave(goOn: () => void): void {
    this.#waiting.delete(goOn);
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#isScheduled = false;
    this.#endsAt = undefined;
    let left = maxAtOnce;
    for (const goOn of this.#waiting) {
      if (left === 0) break;
      left -= 1;
      this.#waiting.delete(goOn);
      goOn();
    }
    if (this.#waiting.size > 0) this.#schedule();
  }
}

/** The process has one event loop. */
export const receiveTurns = new ReceiveTurns();
