import { setImmediate } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import { memoryShare } from '../base/memory-limit.ts';
import { release } from '../base/release.ts';
import { startThread } from '../base/thread.ts';
import { TurnQueue } from '../base/turn-queue.ts';
import { tooMuchRead } from '../oci/busy.ts';
import { Fault } from '../oci/fault.ts';
import { type ArgumentsOf, type Readings, readings } from '../oci/readings.ts';
import { readLines } from './json-pieces.ts';
import type { Answer, Question } from './json-thread.ts';

/** What is longer is not read here: of some texts that takes ten milliseconds, half a second of the worst of a megabyte. Bytes. */
const maxHere = 64 * 1024;
/** No text that is read takes a second; what takes longer is ended. Milliseconds. */
const maxReadingMs = 10_000;
/** A thread without work gives its memory back. Milliseconds. */
const restMs = 30_000;
/**
 * Of the thread's heap: three times what the worst text takes, for beyond it V8 ends the whole process; more where there is more, so that V8 collects
 * less often. Megabytes.
 */
const limits = {
  maxOldGenerationSizeMb: Math.max(160, memoryShare(512)),
  maxYoungGenerationSizeMb: 8,
};

interface Job extends Question {
  readonly owner: string;
  readonly answered: PromiseWithResolvers<Answer>;
}

/**
 * Reads JSON of others: what is small here, what is large in a thread of its own, one at a time, the owners (registries) in turn. Made
 * when it is first needed, and never what keeps the process alive by itself.
 */
export class JsonReader {
  readonly #queue = new TurnQueue<Job>();
  #thread: Worker | undefined;
  #job: Job | undefined;
  #limit: Disposable | undefined;

  /** Does the thread run? */
  get hasThread(): boolean {
    return this.#thread !== undefined;
  }

  /**
   * Throws what the reading does: a {@link Fault}. Also where it took too long; UNAVAILABLE (503) where too much waits already.
   * The bytes are looked at until it settles.
   */
  async read<Name extends keyof Readings>(
    owner: string,
    name: Name,
    bytes: Uint8Array,
    ...args: ArgumentsOf<Name>
  ): Promise<ReturnType<Readings[Name]>> {
    if (bytes.length <= maxHere) {
      const read = readings[name] as (bytes: Uint8Array, ...args: unknown[]) => ReturnType<Readings[Name]>;
      return read(bytes, ...args);
    }
    const answer = await this.#ask({ owner, name, bytes, args, answered: Promise.withResolvers() });
    if ('fault' in answer) throw new Fault(answer.fault);
    const items = await itemsIn(answer.lines);
    return { head: answer.head, items } as unknown as ReturnType<Readings[Name]>;
  }

  async #ask(job: Job): Promise<Answer> {
    if (!this.#queue.add(job)) throw tooMuchRead();
    this.#next();
    return await job.answered.promise;
  }

  #next(): void {
    if (this.#job !== undefined) return;
    this.#limit?.[Symbol.dispose]();
    this.#job = this.#queue.take();
    const thread = this.#thread;
    if (this.#job !== undefined) this.#begin(this.#job);
    else if (thread !== undefined) this.#rest(thread);
  }

  #begin({ name, bytes, args }: Job): void {
    const thread = this.#thread ?? this.#started();
    if (thread === undefined) {
      this.#end((job) => job.answered.reject(tooMuchRead()));
      return;
    }
    thread.ref();
    this.#limit = systemClock.after(maxReadingMs, () => this.#drop(thread, isUnreadable()));
    // A copy that can be handed over: the buffer may be a part of another, and is wanted here.
    const question = { name, bytes: new Uint8Array(bytes), args } satisfies Question;
    thread.postMessage(question, [question.bytes.buffer]);
  }

  #rest(thread: Worker): void {
    thread.unref();
    this.#limit = systemClock.after(restMs, () => this.#drop(thread, undefined));
  }

  /** Undefined: the system gives no thread. */
  #started(): Worker | undefined {
    try {
      this.#thread = this.#start();
    } catch {
      this.#thread = undefined;
    }
    return this.#thread;
  }

  #start(): Worker {
    const thread = startThread(import.meta, 'json-thread', { limits });
    thread.on('message', (answer: Answer) => {
      if (this.#thread === thread) this.#end((job) => job.answered.resolve(answer));
    });
    thread.on('error', (error) => this.#drop(thread, isOutOfMemory(error) ? isUnreadable() : error));
    thread.on('exit', () => this.#drop(thread, isUnreadable()));
    return thread;
  }

  /** Ends a thread, unless it was ended already, and with it what it reads; the next reading begins with a new one. */
  #drop(thread: Worker, reason: unknown): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    void thread.terminate();
    this.#end((job) => job.answered.reject(reason));
  }

  #end(settle: (job: Job) => void): void {
    const job = this.#job;
    this.#job = undefined;
    if (job !== undefined) settle(job);
    this.#next();
  }
}

/** The process has one, as it has one pool of threads for files and compression. */
export const jsonReader = new JsonReader();

/** The lines are gone then. */
async function itemsIn(lines: Uint8Array): Promise<unknown[]> {
  const items: unknown[] = [];
  for (const some of readLines(lines)) {
    if (items.length > 0) await setImmediate();
    for (const item of some) items.push(item);
  }
  release(lines);
  return items;
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
}

function isUnreadable(): Fault {
  return new Fault('JSON that takes too long to read');
}
