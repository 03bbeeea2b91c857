import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Recurring } from '../base/recurring.ts';
import type { Digest } from '../oci/reference.ts';
import { noteScrub } from '../storage/operation.ts';
import type { AllTotals } from '../storage/records.ts';
import { ByteRate } from './byte-rate.ts';
import type { CheckTally } from './check-tally.ts';
import type { CheckedFile } from './checked-file.ts';
import { FileCheck, type FileCheckParts } from './file-check.ts';

/** A start has better things to do. Milliseconds. */
const restMs = 60_000;
/** In one go; the place behind them is noted. */
const pageSize = 50;
/** A file is read so fast at least, however long the pause behind it: it is open meanwhile. Bytes a second. */
const leastPerSecond = 8 * 1024 * 1024;
/** What opening a file counts for. Bytes. */
const perFile = 64 * 1024;
/** So often it is looked how much there is by now. Milliseconds. */
const mostPauseMs = 3_600_000;

export interface ScrubParts extends FileCheckParts {
  readonly clock: Clock;
  readonly log: Log;
  /** What one pass takes. Milliseconds. */
  readonly passMs: number;
  readonly totals: () => Promise<AllTotals>;
  readonly tally: CheckTally;
}

/**
 * Hashes all that is stored, over and over, each pass spread over its time; begun where an earlier process was. What is wrong is put aside, and fetched
 * again by whoever completes images, or asks. Disposing ends it.
 */
export class Scrub implements AsyncDisposable {
  readonly #parts: ScrubParts;
  readonly #running: Recurring;

  constructor(parts: ScrubParts) {
    this.#parts = parts;
    this.#running = new Recurring(
      'checking what is stored',
      { firstMs: restMs, pauseMs: restMs },
      async (signal) => await this.#goOn(signal),
      parts,
    );
  }

  /** To the end of a pass, or for a while towards the beginning of the next. */
  async #goOn(signal: AbortSignal): Promise<void> {
    const { metadata, clock, passMs } = this.#parts;
    const { after, begunAt } = (await metadata.getScrub()) ?? { after: undefined, begunAt: clock.now() };
    const aheadMs = begunAt - clock.now();
    // What is further ahead was noted by a clock that has been set since.
    if (aheadMs > 0 && aheadMs <= passMs) {
      await this.#pause(aheadMs, signal);
      return;
    }
    for (let place: Digest | undefined = after; ; ) {
      const { digests, next } = await metadata.listStored({ after: place, limit: pageSize });
      await this.#page(digests, signal);
      if (next === undefined) break;
      place = next;
      await metadata.change([noteScrub({ after: place, begunAt })]);
    }
    await metadata.change([
      noteScrub({ after: undefined, begunAt: Math.max(begunAt + passMs, clock.now()) }),
    ]);
  }

  async #page(digests: readonly Digest[], signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const perSecond = Math.max(await this.#perSecond(), leastPerSecond);
    const check = new FileCheck(this.#parts, new ByteRate(clock, perSecond));
    for (const digest of digests) {
      const begunAt = clock.monotonic();
      const found = await check.look(digest, signal);
      if (found === undefined) continue;
      this.#tell(found);
      await this.#untilDue(begunAt, found.size + perFile, signal);
    }
  }

  /** Until so many bytes have had their time. */
  async #untilDue(begunAt: number, bytes: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const dueMs = (bytes / (await this.#perSecond())) * 1000;
      const leftMs = begunAt + dueMs - this.#parts.clock.monotonic();
      if (leftMs <= 0) return;
      await this.#pause(leftMs, signal);
    }
  }

  async #pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    await this.#parts.clock.sleep(Math.min(milliseconds, mostPauseMs), signal);
  }

  /** Bytes, so that all of it takes the time of a pass. */
  async #perSecond(): Promise<number> {
    const { blobs, blobBytes, manifests, manifestBytes } = await this.#parts.totals();
    const all = blobBytes + manifestBytes + (blobs + manifests) * perFile;
    return Math.max((all / this.#parts.passMs) * 1000, 1);
  }

  #tell(found: CheckedFile): void {
    const { log, tally } = this.#parts;
    const { digest, verdict, owners, kept, cause: err } = found;
    tally.add('scrub', verdict);
    if (verdict === 'right') return;
    const repositories = owners.map(({ repository }) => repository);
    log.error(
      { digest, repositories, kept, err },
      `a stored blob is ${verdict}: it is fetched again when it is asked for`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
  }
}
