import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { FileSystem } from './file-system.ts';

/** A transfer that runs writes at least every half minute (the stall limit); this leaves no doubt. Milliseconds. */
const abandonedMs = 10 * 60_000;
/** Of so many files it is remembered how they were. */
const maxSeen = 10_000;

/**
 * Partial files that nobody writes any more. Which those are is told by their age alone: another process of this machine may be
 * writing, and process ids say nothing across containers.
 */
export class PartialFiles {
  readonly #files: FileSystem;
  readonly #directory: string;
  /** Names of what this process writes. */
  readonly #own = new Set<string>();
  /** How the others were when they were last looked at. */
  #seen = new Map<string, string>();

  constructor(files: FileSystem, directory: string) {
    this.#files = files;
    this.#directory = directory;
  }

  /** It is written here, until that is disposed of. */
  own(name: string): Disposable {
    this.#own.add(name);
    return { [Symbol.dispose]: () => void this.#own.delete(name) };
  }

  /** At the start, when nobody knows yet how they were. `now` in milliseconds since the epoch. */
  async removeOld(now: number): Promise<void> {
    for await (const { name, mtimeMs } of this.#others()) {
      if (now - mtimeMs > abandonedMs) await this.#remove(name);
    }
  }

  /** Those that are as they were when this was called before, ten minutes ago or longer: no clock that somebody sets counts. */
  async removeUnchanged(): Promise<void> {
    const seen = new Map<string, string>();
    for await (const { name, size, mtimeMs } of this.#others()) {
      const how = `${size} ${mtimeMs}`;
      if (this.#seen.get(name) === how) await this.#remove(name);
      else if (seen.size < maxSeen) seen.set(name, how);
    }
    this.#seen = seen;
  }

  async *#others(): AsyncGenerator<{ name: string; size: number; mtimeMs: number }> {
    for await (const { name } of await this.#files.opendir(this.#directory)) {
      if (this.#own.has(name)) continue;
      const status = await this.#files.stat(join(this.#directory, name)).catch(() => undefined);
      if (status !== undefined) yield { name, size: status.size, mtimeMs: status.mtimeMs };
    }
  }

  /** What cannot be removed, a directory for one, stays and keeps nobody from the others. */
  async #remove(name: string): Promise<void> {
    await this.#files.rm(join(this.#directory, name), { force: true }).catch(() => undefined);
  }
}

/** Looks for what was abandoned as long as the server runs. */
export class PartialSweep implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(partial: PartialFiles, clock: Clock) {
    this.#running = this.#run(partial, clock);
  }

  async #run(partial: PartialFiles, clock: Clock): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      // The directory may be away for a while.
      await partial.removeUnchanged().catch(() => undefined);
      await clock.sleep(abandonedMs, signal).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
