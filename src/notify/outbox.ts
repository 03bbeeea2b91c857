import type { Clock } from '../base/clock.ts';
import { CountedLines } from '../base/counted-lines.ts';
import type { Log } from '../base/log.ts';
import type { ContentEvent } from '../observe/content-event.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { type Addressing, addressed } from './addressed-events.ts';

export interface OutboxParts {
  readonly metadata: Pick<MetadataStore, 'change'>;
  readonly addressing: Addressing;
  readonly clock: Clock;
  readonly log: Log;
}

/** So many wait to be written, some 500 bytes each. */
const maxPending = 5000;
/** In one operation. */
const sliceLength = 100;
/** From one write to the next, so that many small events are few transactions; after one that failed. Milliseconds. */
const pauseMs = 100;
const retryMs = 5000;

/**
 * Events on their way into the index: whoever tells of one goes on at once. What was told is written with the next turn of the event loop where nothing
 * was written lately, and within a tenth of a second else; a power cut may take what is younger than a second (decision 12).
 */
export class Outbox implements AsyncDisposable {
  /** Events that nobody will be told of, since too many waited to be written. */
  lost = 0;
  readonly #parts: OutboxParts;
  readonly #lines: CountedLines;
  readonly #stop = new AbortController();
  #pending: ContentEvent[] = [];
  #writing: Promise<void> | undefined;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    const { clock, log } = parts;
    this.#lines = new CountedLines({ clock, write: (fields, message) => log.warn(fields, message) });
  }

  /** On the way of requests: keeps it, if somebody wants it. */
  readonly tell = (event: ContentEvent): void => {
    if (this.#parts.addressing.addresseesOf(event.kind).length === 0) return;
    if (this.#pending.length >= maxPending) this.#lose(1);
    else {
      this.#pending.push(event);
      this.#writing ??= this.#write();
    }
  };

  #lose(count: number): void {
    this.lost += count;
    this.#lines.write({ lost: this.lost }, 'events are lost: too many wait to be written to the index');
  }

  /** Until nothing is left: one at a time. */
  async #write(): Promise<void> {
    const { signal } = this.#stop;
    // Whoever tells goes on first.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const isWritten = await this.#writeAll();
      if (!isWritten && signal.aborted) break;
      await this.#parts.clock.sleep(isWritten ? pauseMs : retryMs, signal).catch(() => undefined);
    }
    this.#writing = undefined;
  }

  async #writeAll(): Promise<boolean> {
    while (this.#pending.length > 0) {
      const slice = this.#pending.slice(0, sliceLength);
      try {
        await this.#queue(slice);
      } catch (error) {
        this.#lines.write({ err: error }, 'events cannot be written to the index: they wait in memory');
        return false;
      }
      this.#pending.splice(0, slice.length);
    }
    return true;
  }

  async #queue(events: readonly ContentEvent[]): Promise<void> {
    const { metadata, addressing } = this.#parts;
    const { operations, committed } = addressed(events, addressing);
    await metadata.change(operations);
    committed();
  }

  /** Has what is left written, once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#writing;
    this.#lines[Symbol.dispose]();
    if (this.#pending.length > 0)
      this.#parts.log.error({ lost: this.#pending.length }, 'events are lost: they could not be written');
  }
}
