import { Buffer } from 'node:buffer';
import { dirname } from 'node:path';
import type { ExactStatus, File, FileStatus, FileSystem } from '#src/storage/file/file-system.ts';

interface Content {
  readonly chunks: Buffer[];
  length: number;
  readonly inode: bigint;
  /** Counts changes. */
  modifiedAt: bigint;
  changedAt: bigint;
}

/** For all of them together. */
let changes = 0n;

function emptyContent(): Content {
  changes += 1n;
  return { chunks: [], length: 0, inode: changes, modifiedAt: changes, changedAt: changes };
}

/** A file system in memory that tests can watch, stop at a gate and make fail. */
export class ScriptedFiles implements FileSystem {
  /** Every call in turn, as it begins: `open /partial/x`, `fstat`, `write`, `datasync`, `rename` (by its old name), `sync`, `close`, `rm`. */
  readonly calls: string[] = [];
  /** Awaited before each call is done; may throw. */
  script: (call: string) => Promise<unknown> | unknown = () => undefined;
  readonly #files = new Map<string, Content>();
  readonly #directories = new Set<string>();

  /** The paths of all files. */
  get paths(): string[] {
    return [...this.#files.keys()].sort();
  }

  async open(path: string, flags: 'r' | 'r+' | 'wx+'): Promise<File> {
    await this.#call(`open ${path}`);
    if (flags === 'wx+') this.#files.set(path, emptyContent());
    else if (!this.#directories.has(path)) this.#existing(path);
    return this.#opened(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#call(`rename ${from}`);
    const content = this.#existing(from);
    changes += 1n;
    content.changedAt = changes;
    this.#files.set(to, content);
    this.#files.delete(from);
  }

  async rm(path: string): Promise<void> {
    await this.#call(`rm ${path}`);
    this.#files.delete(path);
  }

  async stat(path: string): Promise<FileStatus> {
    const isDirectory = this.#directories.has(path);
    const size = isDirectory ? 4096 : this.#existing(path).length;
    return { size, mtimeMs: 0, isFile: () => !isDirectory, isDirectory: () => isDirectory };
  }

  async exactStat(path: string): Promise<ExactStatus> {
    return exactly(this.#existing(path));
  }

  /** Somebody writes to a file behind the store's back. */
  spoil(path: string, change: (bytes: Buffer) => Buffer): void {
    this.rot(path, change);
    this.touch(path);
  }

  /** The disk forgets what it was told: no time tells of it. */
  rot(path: string, change: (bytes: Buffer) => Buffer): void {
    const content = this.#existing(path);
    const bytes = change(Buffer.concat(content.chunks));
    content.chunks.splice(0, content.chunks.length, bytes);
    content.length = bytes.length;
  }

  /** Somebody changes its times and nothing else. */
  touch(path: string): void {
    const content = this.#existing(path);
    changes += 1n;
    content.modifiedAt = changes;
    content.changedAt = changes;
  }

  async access(): Promise<void> {}

  async mkdir(path: string): Promise<void> {
    this.#directories.add(path);
  }

  async opendir(path: string): Promise<AsyncIterable<{ name: string }>> {
    const names = this.paths.filter((file) => dirname(file) === path);
    return (async function* () {
      for (const name of names) yield { name: name.slice(path.length + 1) };
    })();
  }

  #opened(path: string): File {
    // Its name may change, its bytes are its own.
    const content = this.#files.get(path) ?? emptyContent();
    const close = async () => await this.#call(`close ${path}`);
    return {
      read: async (buffer, offset, length, position) => ({
        bytesRead: Buffer.concat(content.chunks).copy(buffer, offset, position, position + length),
      }),
      writev: async (chunks, position) => {
        await this.#call(`write ${path}`);
        const bytes = Buffer.concat(chunks);
        write(content, bytes, position);
        return { bytesWritten: bytes.length };
      },
      datasync: async () => await this.#call(`datasync ${path}`),
      sync: async () => await this.#call(`sync ${path}`),
      stat: async () => {
        await this.#call(`fstat ${path}`);
        return exactly(content);
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  #existing(path: string): Content {
    const content = this.#files.get(path);
    if (content === undefined) throw failure('ENOENT');
    return content;
  }

  async #call(call: string): Promise<void> {
    this.calls.push(call);
    await this.script(call);
  }
}

function exactly({ length, inode, modifiedAt, changedAt }: Content): ExactStatus {
  return {
    ...{ size: BigInt(length), ino: inode, mtimeNs: modifiedAt, ctimeNs: changedAt },
    isFile: () => true,
  };
}

/** As to a file: what is before it and not there is zeros. */
function write(content: Content, bytes: Buffer, position: number): void {
  const end = position + bytes.length;
  if (position === content.length) content.chunks.push(bytes);
  else {
    const all = Buffer.alloc(Math.max(content.length, end));
    Buffer.concat(content.chunks).copy(all);
    bytes.copy(all, position);
    content.chunks.splice(0, content.chunks.length, all);
  }
  content.length = Math.max(content.length, end);
  changes += 1n;
  content.modifiedAt = changes;
  content.changedAt = changes;
}

/** A failure of the system with its code, as from `node:fs`. */
export function failure(code: string): Error {
  return Object.assign(new Error(`${code}: it was scripted`), { code });
}
