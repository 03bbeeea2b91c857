import { memoryShare } from '../base/memory-limit.ts';

/** So much of each counts for nothing: hardly a manifest or a page of a list has more, and those are never refused. Bytes. */
const uncounted = 64 * 1024;
/** Of all that are held at a time, and of one host's; in a small container there is room for the largest page of a list. Bytes. */
const maxBytes = memoryShare(64 * 1024 * 1024);
const maxBytesOfOne = Math.max(8 * 1024 * 1024, memoryShare(24 * 1024 * 1024));

/** Small bodies that are in memory from their first byte until they were made something of. */
class HeldBodies {
  readonly #ofHosts = new Map<string, number>();
  #bytes = 0;

  /** One that a host gives. */
  begin(host: string): HeldBody {
    return new HeldBody((bytes) => this.#take(host, bytes));
  }

  /** Less than none gives back. False: there is no room. */
  #take(host: string, bytes: number): boolean {
    const own = (this.#ofHosts.get(host) ?? 0) + bytes;
    if (bytes > 0 && (own > maxBytesOfOne || this.#bytes + bytes > maxBytes)) return false;
    this.#bytes += bytes;
    if (own > 0) this.#ofHosts.set(host, own);
    else this.#ofHosts.delete(host);
    return true;
  }
}

/** To be disposed of once or more often. */
export class HeldBody implements Disposable {
  readonly #take: (bytes: number) => boolean;
  #size = 0;
  #counted = 0;
  #isRefused = false;

  constructor(take: (bytes: number) => boolean) {
    this.#take = take;
  }

  /** Was there no room for the last bytes? */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** False: there is no room for so many more bytes. */
  add(bytes: number): boolean {
    this.#size += bytes;
    const more = Math.max(0, this.#size - uncounted) - this.#counted;
    this.#isRefused = !this.#take(more);
    if (!this.#isRefused) this.#counted += more;
    return !this.#isRefused;
  }

  [Symbol.dispose](): void {
    this.#take(-this.#counted);
    this.#counted = 0;
  }
}

/** The process has one, as it has one memory. */
export const heldBodies = new HeldBodies();
