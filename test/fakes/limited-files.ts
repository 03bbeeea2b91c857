import type { File, FileSystem } from '#src/storage/file/file-system.ts';
import { nodeFileSystem } from '#src/storage/file/file-system.ts';
import { failure } from './scripted-files.ts';

/** The real file system, with as much room for what is written as a test says. */
export class LimitedFiles implements FileSystem {
  /** Bytes of all files. */
  capacity = Number.POSITIVE_INFINITY;
  readonly #sizes = new Map<string, number>();
  readonly stat = nodeFileSystem.stat;
  readonly exactStat = nodeFileSystem.exactStat;
  readonly access = nodeFileSystem.access;
  readonly mkdir = nodeFileSystem.mkdir;
  readonly opendir = nodeFileSystem.opendir;

  get used(): number {
    return [...this.#sizes.values()].reduce((sum, size) => sum + size, 0);
  }

  async open(path: string, flags: 'r' | 'r+' | 'wx+', mode?: number): Promise<File> {
    const file = await nodeFileSystem.open(path, flags, mode);
    return {
      read: async (...call) => await file.read(...call),
      writev: async (chunks, position) => {
        const size = position + chunks.reduce((sum, { length }) => sum + length, 0);
        const grows = size - (this.#sizes.get(path) ?? 0);
        if (this.used + grows > this.capacity) throw failure('ENOSPC');
        if (grows > 0) this.#sizes.set(path, size);
        return await file.writev(chunks, position);
      },
      datasync: async () => await file.datasync(),
      sync: async () => await file.sync(),
      stat: async (options) => await file.stat(options),
      close: async () => await file.close(),
      [Symbol.asyncDispose]: async () => await file.close(),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    await nodeFileSystem.rename(from, to);
    this.#sizes.set(to, this.#sizes.get(from) ?? 0);
    this.#sizes.delete(from);
  }

  async rm(path: string, options?: { readonly force?: boolean }): Promise<void> {
    await nodeFileSystem.rm(path, options);
    this.#sizes.delete(path);
  }
}
