import type { Clock } from '../base/clock.ts';
import type { ContentStore } from '../storage/content-store.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { CheckedFile } from './checked-file.ts';

/** Whoever serves from the directory is told of a loss within a third of a second, and writes it then. Milliseconds. */
const graceMs = 2000;
const pauseMs = 50;
/** So many wait for that together. */
const maxWaiting = 1000;

export interface LateLookParts {
  readonly content: Pick<ContentStore, 'stat'>;
  readonly metadata: Pick<MetadataStore, 'getChecked'>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Files that were found lost, until it is known whether a server has brought them again, mostly from its memory: they are looked at once more when it has had its time, and
 * the check goes on meanwhile. In the order in which they were found.
 */
export class LateLook<File extends Pick<CheckedFile, 'digest'>> {
  readonly #parts: LateLookParts;
  readonly #waiting: { readonly file: File; readonly until: number }[] = [];

  constructor(parts: LateLookParts) {
    this.#parts = parts;
  }

  add(file: File): void {
    this.#waiting.push({ file, until: this.#parts.clock.monotonic() + graceMs });
  }

  /** Those whose time is over, with whether they are here again; `all`: waits for the others too. Rejects with the signal's reason. */
  async *over(all: boolean): AsyncGenerator<{ readonly file: File; readonly isHere: boolean }> {
    const { clock, signal } = this.#parts;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const { file, until } = first;
      const mustWait = all || this.#waiting.length > maxWaiting;
      if (!mustWait && clock.monotonic() < until) return;
      while (!(await this.#isHere(file)) && clock.monotonic() < until) await clock.sleep(pauseMs, signal);
      this.#waiting.shift();
      yield { file, isHere: await this.#isHere(file) };
    }
  }

  /** Has it a file, and does the index say so? */
  async #isHere({ digest }: File): Promise<boolean> {
    const { content, metadata } = this.#parts;
    return (await content.stat(digest)) !== undefined && (await metadata.getChecked(digest))?.isHere === true;
  }
}
