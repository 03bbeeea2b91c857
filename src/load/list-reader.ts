import type { Worker } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import { memoryLimit } from '../base/memory-limit.ts';
import { startThread } from '../base/thread.ts';
import { type ImageInput, textOf } from './image-input.ts';
import type { ListedImage } from './image-list.ts';
import { type FileOfImages, listedImages } from './listed-images.ts';
import type { Listing, ListingAnswer, ListingSettings } from './listing-thread.ts';
import { LoadError } from './load-error.ts';

/** What is longer is not read here: a server may be at work beside it. Bytes. */
const maxHere = 16 * 1024;
/** What takes longer is ended. Milliseconds. */
const maxReadingMs = 300_000;
const mebibyte = 1024 * 1024;
const ended = 'its reader has ended';
/** Of the thread's heap, in megabytes: half of all memory, if that is less. */
const heapMb = Math.min(2048, Math.floor(memoryLimit() / mebibyte / 2));
/**
 * V8 ends the whole process where a thread's heap is too small for one text of JSON: so much is not begun. kubectl's JSON of a large cluster has some ten
 * kilobytes for each pod, which take some four times as much when they are read; a value takes a hundred bytes, rarely more; of YAML each character fifty.
 */
const settings: ListingSettings = {
  maxBytes: Math.floor(Math.min(256, heapMb / 8) * mebibyte),
  maxJsonValues: heapMb * 5000,
  maxYamlChars: Math.floor(Math.min(16, heapMb / 100) * mebibyte),
};

/** Reads files that name images: what is small here, what is large in a thread of its own, which goes with it. One after the other. */
export class ListReader implements AsyncDisposable {
  readonly #settings: ListingSettings;
  readonly #heapMb: number;
  #thread: Worker | undefined;

  /** `heap`: of its thread, in megabytes. */
  constructor(limits = settings, heap = heapMb) {
    this.#settings = limits;
    this.#heapMb = heap;
  }

  /** Throws LoadError. The images are to be taken before another file is read. */
  async read(input: ImageInput): Promise<FileOfImages> {
    const { name, size = 0 } = input;
    const chunks = size > maxHere ? undefined : await textOf(input, this.#settings.maxBytes);
    if (chunks !== undefined && sizeOf(chunks) <= maxHere)
      return await listedImages(Buffer.concat(chunks).toString('utf8'), name, this.#settings);
    const head = await this.#ask({ name, chunks }, name);
    if (!('problems' in head)) throw new Error('the thread has answered what was not asked');
    return { ...head, images: this.#images(name) };
  }

  async *#images(name: string): AsyncGenerator<ListedImage> {
    for (let isLast = false; !isLast; ) {
      const answer = await this.#ask('more', name);
      if (!('images' in answer)) throw new Error('the thread has answered what was not asked');
      yield* answer.images;
      isLast = answer.isLast;
    }
  }

  async #ask(question: Listing | 'more', name: string) {
    // A new one knows nothing of what the last one has read.
    if (question === 'more' && this.#thread === undefined) throw unread(name, new LoadError(ended));
    this.#thread ??= this.#started();
    const answer = await answerOf(this.#thread, question).catch(async (error: unknown) => {
      await this[Symbol.asyncDispose]();
      throw unread(name, error);
    });
    if ('fault' in answer) throw new LoadError(answer.fault);
    return answer;
  }

  #started(): Worker {
    const thread = start(this.#settings, this.#heapMb);
    thread.on('exit', () => {
      if (this.#thread === thread) this.#thread = undefined;
    });
    return thread;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }
}

function sizeOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}

function start(data: ListingSettings, maxOldGenerationSizeMb: number): Worker {
  const thread = startThread(import.meta, 'listing-thread', { limits: { maxOldGenerationSizeMb }, data });
  // Whoever asks is told; nobody else has to be.
  thread.on('error', () => undefined);
  return thread;
}

async function answerOf(thread: Worker, question: Listing | 'more'): Promise<ListingAnswer> {
  const answered = Promise.withResolvers<ListingAnswer>();
  const exited = (): void => answered.reject(new LoadError(ended));
  thread.once('message', answered.resolve).once('error', answered.reject).once('exit', exited);
  using _limit = systemClock.after(maxReadingMs, () => answered.reject(new LoadError('that takes too long')));
  try {
    const chunks = question === 'more' ? [] : (question.chunks ?? []);
    thread.postMessage(question, chunks.map(({ buffer }) => buffer) as ArrayBuffer[]);
    return await answered.promise;
  } finally {
    thread.off('message', answered.resolve).off('error', answered.reject).off('exit', exited);
  }
}

function unread(name: string, error: unknown): LoadError {
  return new LoadError(`${JSON.stringify(name)} cannot be read: ${whyNot(error)}`);
}

function whyNot(error: unknown): string {
  if (error instanceof LoadError) return error.message;
  return 'it takes more memory than there is for it: have it in several files';
}
