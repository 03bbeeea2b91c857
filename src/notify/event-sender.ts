import type { Clock } from '../base/clock.ts';
import { CountedLines } from '../base/counted-lines.ts';
import type { Log } from '../base/log.ts';
import type { EventQueue, QueuedEvent } from '../storage/event-queue.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { settleEvents, takeEventTurn } from '../storage/operation.ts';
import type { Verdict } from './delivery.ts';

export interface EventSenderParts {
  /** Of the queue. */
  readonly name: string;
  /** For the log: no more of the endpoint than its host. */
  readonly host: string;
  readonly queue: EventQueue;
  readonly metadata: Pick<MetadataStore, 'change'>;
  readonly deliver: (texts: readonly string[], signal: AbortSignal) => Promise<Verdict>;
  /** A try takes no longer. Milliseconds. */
  readonly timeoutMs: number;
  /** Of this process. */
  readonly holder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
}

/** In one envelope; bytes, unless one event has more. */
const maxEvents = 50;
const maxBytes = 128 * 1024;
/** What another process has queued is found in that time. Milliseconds. */
const lookMs = 2000;
/** Pauses behind failures double from the one to the other, and what an endpoint asks for is believed up to the third. Milliseconds. */
const firstPauseMs = 1000;
const maxPauseMs = 300_000;
const maxAskedMs = 3_600_000;
/** One event that is refused so often for what it is keeps the others waiting no longer. */
const maxRefusals = 3;
/** A turn ends so long after a try has. Milliseconds. */
const marginMs = 2000;

/**
 * Sends what waits for one endpoint, in its order and one envelope at a time, until it was taken: more than once where an answer, or the process, was lost.
 * Others that use the same directory do not send meanwhile. Nobody waits for it.
 */
export class EventSender implements AsyncDisposable {
  sent = 0;
  /** Tries that failed. */
  failed = 0;
  /** Events that the endpoint will not have. */
  refused = 0;
  readonly #parts: EventSenderParts;
  readonly #lines: CountedLines;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  /** What was settled, though the index may not know it yet. */
  #settled = 0;
  /** How many have given way to later ones; undefined: nobody has looked yet. */
  #dropped: number | undefined;
  #failures = 0;
  /** So many are sent one by one, to find which it is that is refused; and how often the next of them was. */
  #singly = 0;
  #refusals = 0;
  #wake = Promise.withResolvers<void>();

  constructor(parts: EventSenderParts) {
    this.#parts = parts;
    const { clock, log, host } = parts;
    const write = (fields: object, message: string): void => log.warn({ endpoint: host, ...fields }, message);
    this.#lines = new CountedLines({ clock, write });
  }

  begin(): void {
    this.#running ??= this.#run();
  }

  /** Something waits. */
  wake(): void {
    this.#wake.resolve();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      const pauseMs = await this.#step(signal).catch((error: unknown) => this.#broken(error));
      if (pauseMs === 'idle') await this.#sleep(lookMs, this.#wake.promise);
      else if (pauseMs > 0) await this.#sleep(pauseMs);
    }
  }

  /** What comes next: at once (0), after a pause (milliseconds), or when something waits. */
  async #step(signal: AbortSignal): Promise<number | 'idle'> {
    if ((await this.#next()).length === 0) return 'idle';
    if (!(await this.#takeTurn())) return lookMs;
    // Another may have sent them while we waited for our turn.
    const events = await this.#next();
    if (events.length === 0) return 0;
    const verdict = await this.#parts.deliver(
      events.map(({ text }) => text),
      signal,
    );
    if (verdict.kind === 'taken') return await this.#taken(events);
    return verdict.kind === 'refused' ? await this.#refuse(events, verdict.problem) : this.#fail(verdict);
  }

  /** What is sent in one envelope. */
  async #next(): Promise<readonly QueuedEvent[]> {
    const { queue, name } = this.#parts;
    const limit = this.#singly > 0 ? 1 : maxEvents;
    const events = await queue.waiting(name, { after: this.#settled, limit });
    let bytes = 0;
    const end = events.findIndex(({ text }, at) => {
      bytes += text.length;
      return at > 0 && bytes > maxBytes;
    });
    return end === -1 ? events : events.slice(0, end);
  }

  async #takeTurn(): Promise<boolean> {
    const { name, holder, timeoutMs, clock, metadata, queue } = this.#parts;
    await metadata.change([takeEventTurn(name, holder, clock.now() + timeoutMs + marginMs)]);
    const turn = await queue.turnOf(name);
    this.#tellOfDropped(turn?.dropped ?? 0);
    return turn?.holder === holder;
  }

  /** What an earlier process has told is not told again. */
  #tellOfDropped(dropped: number): void {
    if (dropped > (this.#dropped ?? dropped))
      this.#lines.write({ dropped }, 'events were dropped: too many wait for the endpoint');
    this.#dropped = dropped;
  }

  /** So that the next process need not wait until it is over. */
  async #giveBack(): Promise<void> {
    const { name, holder, metadata, queue } = this.#parts;
    if ((await queue.turnOf(name))?.holder !== holder) return;
    await metadata.change([settleEvents(name, this.#settled, holder)]);
  }

  async #taken(events: readonly QueuedEvent[]): Promise<number> {
    if (this.#failures > 0)
      this.#parts.log.info({ endpoint: this.#parts.host }, 'events are delivered again');
    this.#failures = 0;
    this.sent += events.length;
    return await this.#settle(events);
  }

  async #settle(events: readonly QueuedEvent[]): Promise<number> {
    const { name, holder, metadata } = this.#parts;
    this.#settled = events.at(-1)?.id ?? this.#settled;
    this.#singly = Math.max(0, this.#singly - 1);
    this.#refusals = 0;
    await metadata.change([settleEvents(name, this.#settled, holder)]);
    return 0;
  }

  async #refuse(events: readonly QueuedEvent[], problem: string): Promise<number> {
    if (events.length > 1) {
      this.#singly = events.length;
      return 0;
    }
    this.#refusals += 1;
    if (this.#refusals < maxRefusals) return this.#fail({ problem, waitMs: undefined });
    this.refused += 1;
    this.#lines.write(
      { problem, refused: this.refused },
      'an event was refused again and again: it is left out',
    );
    return await this.#settle(events);
  }

  #fail({ problem, waitMs = 0 }: { readonly problem: string; readonly waitMs: number | undefined }): number {
    const { random, clock } = this.#parts;
    this.#failures += 1;
    this.failed += 1;
    const most = Math.min(maxPauseMs, firstPauseMs * 2 ** Math.min(this.#failures - 1, 16));
    const pauseMs = Math.max(most * (0.5 + random() / 2), Math.min(waitMs, maxAskedMs));
    this.#lines.write(
      { problem, nextTry: new Date(clock.now() + pauseMs).toISOString() },
      'events cannot be delivered',
    );
    return pauseMs;
  }

  /** The index takes nothing now: what was sent stays sent. */
  #broken(error: unknown): number {
    if (this.#stop.signal.aborted) return 0;
    this.#lines.write({ err: error }, 'the queue of events cannot be used');
    return firstPauseMs * 5;
  }

  async #sleep(milliseconds: number, wake?: Promise<void>): Promise<void> {
    const over = new AbortController();
    const slept = this.#parts.clock
      .sleep(milliseconds, AbortSignal.any([over.signal, this.#stop.signal]))
      .catch(() => undefined);
    await (wake === undefined ? slept : Promise.race([slept, wake]));
    over.abort();
    await slept;
  }

  /** What is under way is sent again the next time. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the server is stopping'));
    await this.#running;
    await this.#giveBack().catch(() => undefined);
    this.#lines[Symbol.dispose]();
  }
}
