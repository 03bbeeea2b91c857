import { constants } from 'node:fs';
import { access, link, lstat, open, opendir, rename, rm, stat } from 'node:fs/promises';
import type { Stamp } from '../stamp.ts';
import { makeAsAbove } from './directory-as-above.ts';
import { FileMaker } from './file-maker.ts';
import type { NewFile } from './new-file.ts';

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
  stat(options: { readonly bigint: true }): Promise<ExactStatus>;
  close(): Promise<void>;
}

/** What is known of a file without reading it, to the nanosecond. */
export interface ExactStatus {
  readonly size: bigint;
  readonly ino: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  isFile(): boolean;
}

export function stampOf({ ino, mtimeNs, ctimeNs }: ExactStatus): Stamp {
  return { inode: ino, modifiedAt: mtimeNs, changedAt: ctimeNs };
}

/** What lies at a path, behind its links. */
export interface FileStatus {
  readonly size: number;
  readonly mtimeMs: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

/**
 * What the store needs of a file system. A seam, so that a simulation decides in which order calls end, and forgets at a crash
 * what was not synced.
 */
export interface FileSystem {
  /** `r+`: of what is there, and no link. */
  open(path: string, flags: 'r' | 'r+' | 'wx+', mode?: number): Promise<File>;
  rename(from: string, to: string): Promise<void>;
  /** Gives a plain file a second name; rejects with ELOOP for what is none. Absent: files here have one name. */
  link?(from: string, to: string): Promise<void>;
  rm(path: string, options?: { readonly force?: boolean }): Promise<void>;
  stat(path: string): Promise<FileStatus>;
  exactStat(path: string): Promise<ExactStatus>;
  /** One directory: those above it are there. */
  mkdir(path: string): Promise<unknown>;
  opendir(path: string): Promise<AsyncIterable<{ readonly name: string }>>;
  /**
   * Makes small files and settles with those that will survive a power cut under their last names; of the others nothing is left under the first
   * one, if the system lets it be removed. So many are synced at a time. Never rejects. Absent: it has nothing better than one call after the other.
   */
  make?(files: readonly NewFile[], syncs: number): Promise<readonly NewFile[]>;
  /** Rejects unless it is a directory, and files in it can be read, made and removed. */
  access(directory: string): Promise<void>;
}

/** A pipe that lies in the place of a file would else hold a thread until somebody writes to it. */
const openFlags = {
  r: constants.O_RDONLY | constants.O_NONBLOCK,
  'r+': constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW,
  'wx+': 'wx+',
};

/** The process has one. */
const maker = new FileMaker();

export const nodeFileSystem: FileSystem = {
  open: async (path, flags, mode) => await open(path, openFlags[flags], mode),
  rename,
  link: linkFile,
  rm,
  stat,
  exactStat: async (path) => await stat(path, { bigint: true }),
  mkdir: makeAsAbove,
  opendir,
  make: async (files, syncs) => await maker.make(files, syncs),
  // What is no directory has no `.` in it, whatever its mode says.
  access: async (directory) =>
    await access(`${directory}/.`, constants.R_OK | constants.W_OK | constants.X_OK),
};

/** What the second name leads to is looked at, since the first may lead elsewhere by now. */
async function linkFile(from: string, to: string): Promise<void> {
  await link(from, to);
  if ((await lstat(to)).isFile()) return;
  await rm(to);
  throw Object.assign(new Error(`${from} is no plain file`), { code: 'ELOOP' });
}

/** Of an error of the system. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
