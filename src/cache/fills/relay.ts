import { abortable } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';
import { TimeLimit } from '../../base/time-limit.ts';
import type { BlobReader } from '../../oci/registry.ts';
import { type Here, Overlap } from './overlap.ts';
import type { Pace } from './pace.ts';

/** So long another reader may take to bring what is not here yet. Milliseconds. */
const maxChallengeMs = 10_000;

export interface RelayParts {
  /** What has been taken so far. */
  readonly here: Here;
  readonly pace: Pace;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Asks upstream once more for what is not here yet; the next place, if there is one. */
  readonly open: (signal: AbortSignal) => Promise<BlobReader>;
  /** Told whose bytes are taken from now on. */
  readonly leads: (reader: BlobReader) => void;
  /** Takes what is not here yet, in order. True: nothing behind it is wanted. */
  readonly take: (chunk: Uint8Array, reader: BlobReader) => Promise<boolean>;
  /** Told why a challenger has lost. */
  readonly lost: (reason: unknown) => void;
}

/**
 * Takes a blob's bytes from one reader. Where that hardly gets on another is begun beside it, which takes its place with the
 * first byte that is not here yet; until then, and if that never comes, all goes on as it was.
 */
export class Relay {
  readonly #parts: RelayParts;
  readonly #end = Promise.withResolvers<BlobReader>();
  readonly #over = new AbortController();
  #lead: BlobReader | undefined;
  #challenger: { readonly reader: BlobReader; readonly won: () => void } | undefined;
  #challenge: Promise<void> | undefined;

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /** Settles when the reader that leads by then has ended, or enough has been taken of it, with that one. Throws what breaks it. All readers are disposed of. */
  async run(first: BlobReader): Promise<BlobReader> {
    const { pace, signal } = this.#parts;
    this.#setLead(first);
    this.#start(first).catch(() => undefined);
    try {
      return await abortable(this.#end.promise, signal);
    } finally {
      pace.rest();
      this.#over.abort(new Error('the transfer has ended without it'));
      await this.#challenge;
      if (signal.aborted) await this.#lead?.[Symbol.asyncDispose]();
    }
  }

  /** Begins another reader beside the one that leads, if none is begun. */
  challenge(): void {
    if (this.#over.signal.aborted) return;
    this.#challenge ??= this.#challengeOnce()
      .catch((error: unknown) => {
        if (!this.#over.signal.aborted) this.#parts.lost(error);
      })
      .finally(() => (this.#challenge = undefined));
  }

  async #challengeOnce(): Promise<void> {
    const { clock, open, signal } = this.#parts;
    const reason = () => new Error(`it brought nothing new within ${maxChallengeMs} ms`);
    const ended = AbortSignal.any([signal, this.#over.signal]);
    using limit = new TimeLimit({ clock, milliseconds: maxChallengeMs, reason, signal: ended });
    this.#lead?.putOffPlace?.();
    const reader = await open(limit.signal);
    const won = Promise.withResolvers<void>();
    this.#challenger = { reader, won: won.resolve };
    try {
      await abortable(Promise.race([won.promise, this.#start(reader)]), limit.signal);
    } finally {
      if (this.#lead !== reader) {
        this.#challenger = undefined;
        await reader[Symbol.asyncDispose]();
      }
    }
  }

  /** Rejects for a challenger alone; how the one that leads ends is how the run does. */
  async #start(reader: BlobReader): Promise<void> {
    try {
      await this.#read(reader);
      if (this.#lead === reader) this.#end.resolve(reader);
    } catch (error) {
      if (this.#lead === reader) this.#end.reject(error);
      else if (this.#challenger?.reader === reader) throw error;
    }
  }

  async #read(opened: BlobReader): Promise<void> {
    const { here, pace, take } = this.#parts;
    await using reader = opened;
    const overlap = new Overlap(here, reader);
    for await (const chunk of reader.body) {
      if (this.#over.signal.aborted) return;
      if (this.#lead !== reader && this.#challenger?.reader !== reader) return;
      const { length } = chunk;
      const fresh = overlap.freshOf(chunk);
      if (this.#lead !== reader) {
        if (fresh.length === 0) continue;
        this.#overtake(reader);
      }
      // What is repeated is new to nobody, and yet its connection is well.
      pace.arrived(length);
      if (fresh.length > 0 && ((await take(fresh, reader)) || this.#lead !== reader)) return;
      pace.waits();
    }
    overlap.end();
  }

  #overtake(reader: BlobReader): void {
    Promise.resolve(this.#lead?.[Symbol.asyncDispose]()).catch(() => undefined);
    this.#challenger?.won();
    this.#challenger = undefined;
    this.#setLead(reader);
  }

  #setLead(reader: BlobReader): void {
    this.#lead = reader;
    this.#parts.leads(reader);
    this.#parts.pace.begin(reader.heldUpMs);
  }
}
