import type { Worker } from 'node:worker_threads';
import { systemClock } from '../../base/clock.ts';
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
const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 };

/**
 * Makes small files in a thread of its own: there each takes five calls of the system and nothing else, where Node's own way has each of them
 * done by another thread, and half of the time goes to telling it so. Made when it is first needed, and only work keeps the process alive.
 */
export class FileMaker {
  readonly #orders = new Map<number, (made: readonly number[]) => void>();
  #thread: Worker | undefined;
  #count = 0;
  #rest: Disposable | undefined;

  /** As {@link FileSystem.make}. */
  async make(files: readonly NewFile[], syncs: number): Promise<readonly NewFile[]> {
    const thread = this.#thread ?? this.#started();
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
    this.#rest = systemClock.after(restMs, () => this.#drop(thread));
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
