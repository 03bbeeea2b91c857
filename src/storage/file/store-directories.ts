import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Log } from '../../base/log.ts';
import { algorithmOf, hexOf } from '../../oci/digest.ts';
import type { Digest } from '../../oci/reference.ts';
import { codeOf, type FileSystem } from './file-system.ts';
import { makeDirectory, NoDirectoryError } from './make-directory.ts';

export const algorithms = ['sha256', 'sha512'];

/** Each behind what it lies in. */
const folders = ['blobs', ...algorithms.map((algorithm) => `blobs/${algorithm}`), 'partial'];

/** Where a blob lies, below the versioned directory. */
export function blobPath(root: string, digest: Digest): string {
  return join(root, 'blobs', algorithmOf(digest), hexOf(digest));
}

/** What the system says of a path that leads through what is missing, or is no directory: a file, a pipe, a link to itself. */
const noDirectoryCodes = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/**
 * The directories of the store, which somebody may remove, or replace by something else, while the server runs: then they are made
 * anew.
 */
export class StoreDirectories {
  readonly #files: FileSystem;
  readonly #root: string;
  readonly #blobs: string;
  readonly #log: Log | undefined;
  #making: Promise<void> | undefined;
  #generation = 0;

  constructor(files: FileSystem, root: string, log?: Log) {
    this.#files = files;
    this.#root = root;
    this.#blobs = join(root, 'blobs');
    this.#log = log;
  }

  /** Moves on whenever they were made: what was open before may be another. */
  get generation(): number {
    return this.#generation;
  }

  get partial(): string {
    return join(this.#root, 'partial');
  }

  /** As the next. */
  get uploads(): string {
    return join(this.#root, 'uploads');
  }

  /** Made when something is put into it. */
  get quarantine(): string {
    return join(this.#root, 'quarantine');
  }

  blobs(algorithm: string): string {
    return `${this.#blobs}/${algorithm}`;
  }

  blob(digest: Digest): string {
    // `join` looks at each letter again: for a small image, several times for each blob, that is a hundredth of all that it costs.
    return `${this.#blobs}/${algorithmOf(digest)}/${hexOf(digest)}`;
  }

  /** Makes what is missing. What lies in the place of one of them, or in its way, is put aside. Throws the file error as it is. */
  async make(): Promise<void> {
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    await this.#making;
  }

  /** Does file work, and once more where a directory was missing, or was none. */
  async within<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error) {
      if (!noDirectoryCodes.has(codeOf(error) ?? '')) throw error;
      await this.make();
      return await work();
    }
  }

  /** Gives a finished file its name, in the place of what has it. */
  async move(from: string, to: string): Promise<void> {
    await this.within(async () => await this.#rename(from, to));
  }

  /** Only a directory does not make room. */
  async #rename(from: string, to: string): Promise<void> {
    try {
      await this.#files.rename(from, to);
    } catch (error) {
      if (codeOf(error) !== 'EISDIR') throw error;
      await this.putAside(to);
      await this.#files.rename(from, to);
    }
  }

  /** What is no file of ours keeps its bytes, under a name beside its own. */
  async putAside(path: string): Promise<void> {
    const aside = `${path}.aside-${randomBytes(4).toString('hex')}`;
    await this.#files.rename(path, aside);
    this.#log?.warn({ path, aside }, 'what lay in the place of a file of the cache was put aside');
  }

  /** Rejects unless all of them are there and can be used. */
  async check(): Promise<void> {
    await this.within(async () => {
      for (const folder of folders) await this.#files.access(join(this.#root, folder));
    });
  }

  async #make(): Promise<void> {
    await this.#makeOne(this.#root);
    for (const folder of folders) await this.#makeOne(join(this.#root, folder));
    this.#generation += 1;
  }

  async #makeOne(path: string): Promise<void> {
    try {
      await makeDirectory(this.#files, path);
    } catch (error) {
      if (!(error instanceof NoDirectoryError)) throw error;
      await this.putAside(path);
      await makeDirectory(this.#files, path);
    }
  }
}
