import { basename, dirname } from 'node:path';
import type { ExactStatus, File, FileStatus, FileSystem } from '#src/storage/file/file-system.ts';
import type { NewFile } from '#src/storage/file/new-file.ts';
import type { Disk } from './disk.ts';
import type { FileContent } from './file-content.ts';
import type { Life } from './life.ts';
import type { Random } from './random.ts';
import { ThreadPool } from './thread-pool.ts';
import { short } from './trace.ts';

/** How long calls take, in milliseconds, and how many run at once. */
export interface DiskPace {
  readonly callMs: number;
  readonly syncMs: number;
  readonly threads: number;
  /** It says so and does nothing: to see that a simulation would find it. */
  readonly ignoresSync?: boolean;
}

/** They are always there. */
const directories = new Set(['blobs', 'sha256', 'sha512', 'partial', 'uploads']);

export interface SimulatedFilesParts {
  readonly disk: Disk;
  readonly life: Life;
  readonly random: Random;
  readonly pace: DiskPace;
  /** Is there no room? */
  readonly isFull: () => boolean;
  /** Told how many files are open with the new one. */
  readonly onOpen: (open: number) => void;
  /** Told before a name goes away. */
  readonly onRemove: (path: string, content: FileContent) => void;
}

/** The file system as one life of the server sees it: each call takes its time, and ends in the order that the seed gives. */
export class SimulatedFiles implements FileSystem {
  readonly #parts: SimulatedFilesParts;
  readonly #threads: ThreadPool;
  /** Paths of what is open; a partial file keeps its first name. */
  readonly opened = new Set<SimulatedFile>();

  constructor(parts: SimulatedFilesParts) {
    this.#parts = parts;
    this.#threads = new ThreadPool(parts.life, parts.pace.threads);
  }

  hasOpen(content: FileContent): boolean {
    return this.opened.values().some((file) => file.content === content);
  }

  async open(path: string, flags: 'r' | 'r+' | 'wx+'): Promise<File> {
    const { disk, life, onOpen } = this.#parts;
    return await this.call(`open ${shown(path)}`, () => () => {
      const found = disk.get(path);
      if (flags === 'wx+') this.checkRoom(path);
      if (found !== undefined && flags === 'wx+') throw fileError('EEXIST', path);
      if (found === undefined && flags !== 'wx+' && !directories.has(basename(path)))
        throw fileError('ENOENT', path);
      const content = flags === 'wx+' ? disk.create(path, now(life)) : found;
      const file = new SimulatedFile(this, path, content);
      this.opened.add(file);
      onOpen(this.opened.size);
      return file;
    });
  }

  async rename(from: string, to: string): Promise<void> {
    const { disk, onRemove } = this.#parts;
    await this.call(`rename ${shown(from)} to ${shown(to)}`, () => () => {
      const content = disk.get(from);
      if (content === undefined) throw fileError('ENOENT', from);
      onRemove(from, content);
      disk.rename(from, to);
      content.ctimeMs = now(this.#parts.life);
    });
  }

  async rm(path: string, { force = false }: { readonly force?: boolean } = {}): Promise<void> {
    const { disk, onRemove } = this.#parts;
    await this.call(`rm ${shown(path)}`, () => () => {
      const content = disk.get(path);
      if (content === undefined && !force) throw fileError('ENOENT', path);
      if (content === undefined) return;
      onRemove(path, content);
      disk.remove(path);
    });
  }

  async stat(path: string): Promise<FileStatus> {
    return await this.call(undefined, () => () => {
      const content = this.#parts.disk.get(path);
      if (content === undefined) throw fileError('ENOENT', path);
      const { size, mtimeMs } = content;
      return { size, mtimeMs, isFile: () => true, isDirectory: () => false };
    });
  }

  async exactStat(path: string): Promise<ExactStatus> {
    return await this.call(undefined, () => () => {
      const content = this.#parts.disk.get(path);
      if (content === undefined) throw fileError('ENOENT', path);
      return exactly(content);
    });
  }

  /** As a thread makes them that is killed with the process. */
  async make(files: readonly NewFile[]): Promise<readonly NewFile[]> {
    const made = await Promise.all(files.map(async (file) => ((await this.#isMade(file)) ? [file] : [])));
    for (const path of new Set(made.flat().map(({ to }) => dirname(to)))) await this.sync(path, undefined);
    return made.flat();
  }

  async #isMade({ from, to, bytes }: NewFile): Promise<boolean> {
    try {
      await using file = await this.open(from, 'wx+');
      await file.writev([bytes], 0);
      await file.datasync();
      await this.rename(from, to);
      return true;
    } catch {
      await this.rm(from, { force: true });
      return false;
    }
  }

  async access(): Promise<void> {}

  async mkdir(): Promise<void> {
    await this.call(undefined, () => () => {});
  }

  async opendir(path: string): Promise<AsyncIterable<{ readonly name: string }>> {
    const names = await this.call(undefined, () => () => this.#parts.disk.list(path));
    return (async function* () {
      for (const name of names) yield { name: basename(name) };
    })();
  }

  async call<Value>(label: string | undefined, begin: () => () => Value): Promise<Value> {
    const { random, pace } = this.#parts;
    return await this.#threads.call(random.about(pace.callMs), label, begin);
  }

  async sync(path: string, content: FileContent | undefined): Promise<void> {
    const { disk, random, pace } = this.#parts;
    const begin = () => (content === undefined ? disk.syncedDirectory(path) : content.synced());
    const ignore = () => () => {};
    await this.#threads.call(
      random.about(pace.syncMs),
      `synced ${shown(path)}`,
      pace.ignoresSync === true ? ignore : begin,
    );
  }

  checkRoom(path: string): void {
    if (this.#parts.isFull()) throw fileError('ENOSPC', path);
  }

  touch(content: FileContent): void {
    content.mtimeMs = now(this.#parts.life);
    content.changes += 1;
  }
}

/** As a FileHandle of Node: what is called after it was closed fails, and closing waits for what runs. */
class SimulatedFile implements File {
  readonly #files: SimulatedFiles;
  readonly #path: string;
  readonly #content: FileContent | undefined;
  #running = 0;
  #isClosed = false;
  #closing: PromiseWithResolvers<void> | undefined;

  constructor(files: SimulatedFiles, path: string, content: FileContent | undefined) {
    this.#files = files;
    this.#path = path;
    this.#content = content;
  }

  async read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }> {
    return await this.#use(
      async () =>
        await this.#files.call(undefined, () => () => {
          const bytes = this.#bytes.read(position, length);
          buffer.set(bytes, offset);
          return { bytesRead: bytes.length };
        }),
    );
  }

  async writev(chunks: readonly Uint8Array[], position: number): Promise<{ readonly bytesWritten: number }> {
    const total = chunks.reduce((sum, { length }) => sum + length, 0);
    return await this.#use(
      async () =>
        await this.#files.call(`write ${shown(this.#path)} ${position}+${total}`, () => () => {
          this.#files.checkRoom(this.#path);
          let at = position;
          for (const chunk of chunks) {
            this.#bytes.write(chunk, at);
            at += chunk.length;
          }
          this.#files.touch(this.#bytes);
          return { bytesWritten: total };
        }),
    );
  }

  async datasync(): Promise<void> {
    await this.#use(async () => await this.#files.sync(this.#path, this.#content));
  }

  async sync(): Promise<void> {
    await this.datasync();
  }

  async stat(): Promise<ExactStatus> {
    return await this.#use(async () => await this.#files.call(undefined, () => () => exactly(this.#bytes)));
  }

  async close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.withResolvers();
      if (this.#running === 0) this.#finish();
    }
    await this.#closing.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get path(): string {
    return this.#path;
  }

  get content(): FileContent | undefined {
    return this.#content;
  }

  get #bytes(): FileContent {
    if (this.#content === undefined) throw fileError('EISDIR', this.#path);
    return this.#content;
  }

  async #use<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#isClosed) throw fileError('EBADF', this.#path);
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      if (this.#running === 0 && this.#closing !== undefined) this.#finish();
    }
  }

  #finish(): void {
    this.#isClosed = true;
    const closing = this.#closing;
    void this.#files
      .call(undefined, () => () => {
        this.#files.opened.delete(this);
      })
      .then(() => closing?.resolve());
  }
}

function now(life: Life): number {
  return 1_700_000_000_000 + life.time;
}

function fileError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${shown(path)}`), { code });
}

/** Times of a clock as fine as it takes: no two changes of a file are at the same time. */
function exactly({ size, mtimeMs, inode, changes }: FileContent): ExactStatus {
  const mtimeNs = BigInt(Math.round(mtimeMs)) * 1_000_000n;
  const ctimeNs = mtimeNs + BigInt(changes);
  return { size: BigInt(size), ino: BigInt(inode), mtimeNs, ctimeNs, isFile: () => true };
}

/** Without the directory, and without what is random in the name of a partial file. */
function shown(path: string): string {
  return short(path.replace(/^\/cache\//, '').replace(/(\.[0-9a-f]{16})+/, ''));
}
