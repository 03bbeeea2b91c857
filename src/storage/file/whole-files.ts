import type { FileSystem } from './file-system.ts';
import type { NewFile } from './new-file.ts';
import { newId } from './partial-file.ts';
import type { PartialFiles } from './partial-files.ts';
import type { SyncTurns } from './sync-turns.ts';

/** What comes last in a batch makes the first in it wait: no more files than this. */
const maxBatch = 64;
/** What is larger is worth calls of its own. Bytes. */
const maxSmall = 64 * 1024;

export interface WholeFilesParts {
  readonly files: FileSystem;
  readonly partial: PartialFiles;
  readonly turns: SyncTurns;
  /** Makes one file, as carefully as it takes: room, directories that are gone, what lies in its place. Throws what keeps it from being made. */
  readonly alone: (bytes: Uint8Array, target: string) => Promise<void>;
}

interface Job {
  readonly bytes: Uint8Array;
  readonly target: string;
  /** False: it was not made, and nobody asks why. */
  readonly made: PromiseWithResolvers<boolean>;
}

/**
 * Small files, made in batches: what comes while one is made goes with the next. What goes wrong in one, for whatever reason, is done again by
 * itself. How much may wait here is the business of those who hand in.
 */
export class WholeFiles implements AsyncDisposable {
  readonly #parts: WholeFilesParts;
  readonly #queue: Job[] = [];
  #running: Promise<void> | undefined;

  constructor(parts: WholeFilesParts) {
    this.#parts = parts;
  }

  /** Settles when the target is there and will survive a power cut. */
  async keep(bytes: Uint8Array, target: string): Promise<void> {
    const { files, alone } = this.#parts;
    const isMade =
      files.make !== undefined && bytes.length <= maxSmall && (await this.#inBatch(bytes, target));
    if (!isMade) await alone(bytes, target);
  }

  async #inBatch(bytes: Uint8Array, target: string): Promise<boolean> {
    const made = Promise.withResolvers<boolean>();
    this.#queue.push({ bytes, target, made });
    this.#running ??= this.#run();
    return await made.promise;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) await this.#make();
    this.#running = undefined;
  }

  async #make(): Promise<void> {
    const { files, partial, turns } = this.#parts;
    using held = new DisposableStack();
    const { count } = held.use(await turns.several());
    const batch = this.#queue.splice(0, maxBatch);
    const wanted = new Map(
      batch.map((job) => [this.#newFile(job, held.use(partial.file(newId())).path), job]),
    );
    // Whoever waits here would wait for ever.
    const made = new Set(await files.make?.([...wanted.keys()], count).catch(() => []));
    for (const [file, job] of wanted) job.made.resolve(made.has(file));
  }

  #newFile({ bytes, target }: Job, from: string): NewFile {
    return { from, to: target, bytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running;
  }
}
