import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Chunk } from './bundle-list.ts';
import { type BundleSink, exactly } from './bundle-sink.ts';
import { partialName, refuseExisting, syncFolder } from './named-files.ts';

/** A bundle that is a folder: an OCI layout as it is. */
export class FolderSink implements BundleSink {
  readonly takesBack = true;
  readonly chunk = 1;
  readonly chunks: readonly Chunk[] = [];
  readonly #path: string;
  readonly #partial: string;
  readonly #made = new Set<string>();
  #isNamed = false;

  private constructor(path: string) {
    this.#path = path.replace(/\/+$/, '');
    this.#partial = partialName(this.#path);
  }

  /** Throws LoadError where something is there; an empty folder is as good as none. */
  static async open(path: string): Promise<FolderSink> {
    const there = await readdir(path).catch(() => undefined);
    if (there?.length !== 0) await refuseExisting(path);
    const sink = new FolderSink(path);
    await mkdir(sink.#partial);
    return sink;
  }

  async add(
    path: string,
    size: number,
    body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    const target = join(this.#partial, path);
    await this.#make(dirname(target));
    await using file = await open(target, 'wx', 0o644);
    try {
      for await (const chunk of exactly(path, size, body)) await file.writeFile(chunk);
      await file.datasync();
    } catch (error) {
      await rm(target, { force: true });
      throw error;
    }
  }

  async finish(): Promise<void> {
    for (const folder of this.#made) await syncFolder(folder);
    await rename(this.#partial, this.#path);
    this.#isNamed = true;
    await syncFolder(dirname(this.#path));
  }

  async #make(folder: string): Promise<void> {
    if (this.#made.has(folder)) return;
    await mkdir(folder, { recursive: true });
    this.#made.add(folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isNamed) await rm(this.#partial, { recursive: true, force: true });
  }
}
