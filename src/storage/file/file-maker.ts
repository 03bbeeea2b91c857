import type { Worker } from 'node:worker_threads';
import { type Clock, systemClock } from '../../base/clock.ts';
import { startThread } from '../../base/thread.ts';
import type { NewFile } from './new-file.ts';

/** What the thread is asked: bytes of files, one behind the other, each with its names and where it ends. */
export interface Order {
  readonly id: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly files: readonly OrderedFile[];
  /** So many at a time. */
  readonly syncs: number;
}

export interface OrderedFile {
  readonly from: string;
  readonly to: string;
  readonly end: number;
}

/** What it answers: which of the files were made, by their places. */
export interface Made {
  readonly id: number;
  readonly made: readonly number[];
}

/** A thread without work gives its memory back. Milliseconds. */
const restMs = 30_000;
/** What is worth one: more files than this within so long (milliseconds). An image has a manifest or two, a config, and few small layers. */
const few = 8;
const fewMs = 1000;
const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 };

/**
 * Makes small files in a thread of its own: there each takes five calls of the system and nothing else, where Node's own way has each of them
 * done by another thread, and half of the time goes to telling it so. Made when many files come, since beginning it takes a processor from the client who waits
 * for the first byte behind a manifest (docs/decisions/0011). Only work keeps the process alive.
 */
export class FileMaker {
  readonly #orders = new Map<number, (made: readonly number[]) => void>();
  #thread: Worker | undefined;
  #count = 0;
  #rest: Disposable | undefined;
  readonly #clock: Clock;
  /** Files that came without a thread, and the first of them when. */
  #lately = { count: 0, since: Number.NEGATIVE_INFINITY };

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** As {@link FileSystem.make}. Makes none where there is no thread, and few files come. */
  async make(files: readonly NewFile[], syncs: number): Promise<readonly NewFile[]> {
    const thread = this.#thread ?? (this.#areMany(files.length) ? this.#started() : undefined);
    if (thread === undefined) return [];
    this.#rest?.[Symbol.dispose]();
    thread.ref();
    this.#count += 1;
    const done = Promise.withResolvers<readonly number[]>();
    this.#orders.set(this.#count, done.resolve);
    const order = orderOf(this.#count, files, syncs);
    thread.postMessage(order, [order.bytes.buffer]);
    const made = new Set(await done.promise);
    return files.filter((_, at) => made.has(at));
  }

  #areMany(count: number): boolean {
    const now = this.#clock.monotonic();
    if (now - this.#lately.since > fewMs) this.#lately = { count: 0, since: now };
    this.#lately.count += count;
    return this.#lately.count > few;
  }

  /** Undefined: the system gives no thread. */
  #started(): Worker | undefined {
    try {
      const thread = startThread(import.meta, 'file-making-thread', { limits });
      thread.on('message', (answer: Made) => this.#answered(thread, answer));
      thread.on('error', () => this.#drop(thread));
      thread.on('exit', () => this.#drop(thread));
      this.#thread = thread;
    } catch {
      this.#thread = undefined;
    }
    return this.#thread;
  }

  #answered(thread: Worker, { id, made }: Made): void {
    this.#orders.get(id)?.(made);
    this.#orders.delete(id);
    if (this.#orders.size > 0 || this.#thread !== thread) return;
    thread.unref();
    this.#rest = this.#clock.after(restMs, () => this.#drop(thread));
  }

  /** What it was asked for and has not told of counts as not made. */
  #drop(thread: Worker): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    void thread.terminate();
    for (const settle of this.#orders.values()) settle([]);
    this.#orders.clear();
  }
}

/** A copy that can be handed over, in one piece. */
function orderOf(id: number, files: readonly NewFile[], syncs: number): Order {
  const bytes = new Uint8Array(files.reduce((sum, file) => sum + file.bytes.length, 0));
  let end = 0;
  const ordered = files.map((file) => {
    bytes.set(file.bytes, end);
    end += file.bytes.length;
    return { from: file.from, to: file.to, end };
  });
  return { id, bytes, files: ordered, syncs };
}
