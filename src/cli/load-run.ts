import { systemClock } from '../base/clock.ts';
import type { LoadedImage } from '../load/load-images.ts';
import { LoadProgress } from '../load/load-progress.ts';
import type { LoadState } from './load-frame.ts';
import type { LoadReport } from './load-report.ts';

/** A load as it goes on: what is to be done, what became of it so far. */
export class LoadRun {
  readonly progress = new LoadProgress();
  readonly #begunAt = systemClock.monotonic();
  readonly #signal: AbortSignal;
  readonly #ended: LoadedImage[] = [];
  #failed = 0;
  #total = 0;
  #problems: readonly string[] = [];

  /** The signal ends it. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** What the files name, and what could not be read of them. */
  begin(total: number, problems: readonly string[]): void {
    this.#total = total;
    this.#problems = problems;
  }

  end(image: LoadedImage): void {
    this.#ended.push(image);
    if (image.problem !== undefined) this.#failed += 1;
  }

  get state(): LoadState {
    const done = this.#ended.length;
    const { fetched, running } = this.progress;
    // A tar may have many.
    const total = Math.max(done, this.#total);
    return { total, done, failed: this.#failed, fetched, running, seconds: this.#seconds };
  }

  get report(): LoadReport {
    const isInterrupted = this.#signal.aborted;
    return { images: this.#ended, problems: this.#problems, seconds: this.#seconds, isInterrupted };
  }

  get #seconds(): number {
    return (systemClock.monotonic() - this.#begunAt) / 1000;
  }
}
