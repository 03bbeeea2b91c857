import { mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises';

/** An open file, or a directory that is open to be synced. Errors are those of `node:fs`, with their codes. */
export interface File extends AsyncDisposable {
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  writev(chunks: readonly Uint8Array[], position: number): Promise<{ readonly bytesWritten: number }>;
  /** The bytes survive a power cut when this has settled, and of a new file its name only when its directory was synced too. */
  datasync(): Promise<void>;
  sync(): Promise<void>;
  stat(): Promise<{ readonly size: number }>;
  close(): Promise<void>;
}

/**
 * What the store needs of a file system. A seam, so that a simulation decides in which order calls end, and forgets at a crash
 * what was not synced.
 */
export interface FileSystem {
  open(path: string, flags: 'r' | 'wx+', mode?: number): Promise<File>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options?: { readonly force?: boolean }): Promise<void>;
  stat(path: string): Promise<{ readonly size: number; readonly mtimeMs: number }>;
  mkdir(path: string, options: { readonly recursive: true }): Promise<unknown>;
  opendir(path: string): Promise<AsyncIterable<{ readonly name: string }>>;
}

export const nodeFileSystem: FileSystem = { open, rename, rm, stat, mkdir, opendir };
