import type { Clock } from '../../base/clock.ts';
import { Slots } from '../../base/slots.ts';
import { KeptSpools, maxKept } from '../kept-spools.ts';
import type { Owners } from '../owners.ts';
import type { Spool, SpoolNote, SpoolStore } from '../spool-store.ts';
import type { BufferPool } from './buffer-pool.ts';
import { FileSpool, type OpenPartial, type SpoolParts } from './file-spool.ts';
import { codeOf, type File, type FileSystem } from './file-system.ts';
import type { KeptFile } from './kept-file.ts';
import { newId } from './partial-file.ts';
import { PartialFiles, type PartialFilesParts } from './partial-files.ts';
import type { Publisher } from './publisher.ts';
import type { StoreDirectories } from './store-directories.ts';
import { withRoom } from './store-full.ts';
import { SyncAhead } from './sync-ahead.ts';
import type { SyncTurns } from './sync-turns.ts';
import { UploadFiles } from './upload-files.ts';
import { WholeFiles } from './whole-files.ts';

export interface FileSpoolsOptions {
  readonly files: FileSystem;
  readonly directories: StoreDirectories;
  readonly pool: BufferPool;
  readonly publisher: Publisher;
  readonly turns: SyncTurns;
  readonly clock: Clock;
  readonly owners: Owners | undefined;
  readonly maxWriters: number;
  /** Fewer bytes are not worth keeping. */
  readonly worth: number | undefined;
  /** More bytes are not kept. */
  readonly keptBytes: number | undefined;
  readonly brought: PartialFilesParts['brought'];
}

/** What is on its way, in files in `partial/`. */
export class FileSpools implements SpoolStore {
  /** All that lies there. */
  readonly partial: PartialFiles;
  readonly uploads: UploadFiles;
  readonly #options: FileSpoolsOptions;
  readonly #parts: SpoolParts;
  readonly #kept: KeptSpools<KeptFile>;
  readonly #writers: Slots;
  readonly #whole: WholeFiles;
  #generation = 0;

  constructor(options: FileSpoolsOptions) {
    const { directories, clock, turns, maxWriters } = options;
    this.#options = options;
    this.#kept = new KeptSpools(clock, options.worth, options.keptBytes);
    this.#writers = new Slots(maxWriters);
    this.uploads = new UploadFiles({
      ...options,
      place: () => this.#place(),
      spool: (open) => new FileSpool(this.#parts, open),
    });
    this.partial = new PartialFiles({
      ...options,
      directory: directories.partial,
      kept: this.#kept,
      uploads: this.uploads,
    });
    const alone = async (bytes: Uint8Array, target: string) => await this.#publishAlone(bytes, target);
    this.#whole = new WholeFiles({ ...options, partial: this.partial, alone });
    const ahead = new SyncAhead(clock, turns);
    this.#parts = { ...options, ahead, kept: this.#kept, keepers: new Slots(maxKept) };
  }

  /** Takes up what earlier processes have left, and removes what nobody will go on with. */
  async takeUp(): Promise<void> {
    this.#generation = this.#options.directories.generation;
    await this.partial.removeOld();
  }

  async begin(): Promise<Spool> {
    return new FileSpool(this.#parts, await this.#make());
  }

  /** Bytes that are all here get a file of this name. Settles when that will survive a power cut. */
  async publish(bytes: Uint8Array, target: string): Promise<void> {
    await this.#whole.keep(bytes, target);
  }

  async #publishAlone(bytes: Uint8Array, target: string): Promise<void> {
    const { file, partial, place } = await this.#make();
    using _ = place;
    let isNamed = false;
    try {
      await this.#write(file, bytes);
      await this.#options.publisher.publish(file, partial.path, target);
      isNamed = true;
    } finally {
      await file.close();
      await (isNamed ? partial.leave() : partial.remove());
    }
  }

  async #write(file: File, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const write = async () => await file.writev([bytes.subarray(at)], at);
      at += (await this.#kept.withRoom(async () => await withRoom(write))).bytesWritten;
    }
  }

  async #make(): Promise<OpenPartial> {
    const { files, directories } = this.#options;
    using held = new DisposableStack();
    const place = held.use(this.#place());
    const partial = this.partial.file(newId());
    held.use(partial);
    const open = async () => await files.open(partial.path, 'wx+', 0o644);
    const within = async () => await withRoom(async () => await directories.within(open));
    const file = await this.#kept.withRoom(within);
    held.move();
    await this.#foundAgain();
    return { file, partial, place };
  }

  async reopen(note: Pick<SpoolNote, 'digest' | 'scope'>): Promise<Spool | undefined> {
    const kept = await this.#kept.take(note);
    if (kept === undefined) return undefined;
    using held = new DisposableStack();
    try {
      const place = held.use(this.#place());
      const spool = await this.#reopened(kept, place);
      held.move();
      return spool;
    } catch (error) {
      // What is not to be had for now is not lost.
      if (outOfFiles.has(codeOf(error) ?? '')) await this.#kept.add(kept);
      else await kept.discard();
      return undefined;
    }
  }

  hurry(): void {
    this.#parts.ahead.hurry();
  }

  /** What is kept waits for the next process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#whole[Symbol.asyncDispose]();
    await this.uploads.closed();
    using owners = this.#options.owners;
    if (this.#kept.isEmpty) await owners?.forget(owners.mine);
  }

  async #reopened({ partial, note, ranges: recorded }: KeptFile, place: Disposable): Promise<Spool> {
    const file = await this.#options.files.open(partial.path, 'r+');
    try {
      const ranges = recorded.upTo(await lengthOf(file));
      if (ranges.total < this.#kept.worth) throw new Error('what was kept is gone');
      const spool = new FileSpool(this.#parts, { file, partial, ranges, place });
      spool.mark(note);
      return spool;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** A place among those who write, until the file is closed. Throws as the system does where a process has no file left. */
  #place(): Disposable {
    if (!this.#writers.tryTake()) {
      throw Object.assign(new Error('as many blobs are written as this process may have files for'), {
        code: 'EMFILE',
      });
    }
    return { [Symbol.dispose]: () => this.#writers.giveBack() };
  }

  /** Where the directories were made anew nobody sees any more that this process lives. */
  async #foundAgain(): Promise<void> {
    const { directories, owners } = this.#options;
    if (this.#generation === directories.generation) return;
    this.#generation = directories.generation;
    await owners?.renew();
  }
}

const outOfFiles = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

/** Throws for what is no file. */
async function lengthOf(file: File): Promise<number> {
  const status = await file.stat({ bigint: true });
  if (!status.isFile()) throw new Error('what was kept is no file');
  return Number(status.size);
}
