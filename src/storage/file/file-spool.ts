import type { Slots } from '../../base/slots.ts';
import type { ByteRange } from '../../oci/registry.ts';
import { StoreBusyError, WrongBytesError } from '../content-store.ts';
import type { KeptSpools } from '../kept-spools.ts';
import { Ranges } from '../ranges.ts';
import type { Spool, SpoolNote } from '../spool-store.ts';
import type { Stamp } from '../stamp.ts';
import type { BufferPool } from './buffer-pool.ts';
import { type File, type FileSystem, stampOf } from './file-system.ts';
import { KeptFile } from './kept-file.ts';
import type { Publisher } from './publisher.ts';
import { readLoop } from './read-loop.ts';
import { Recording, type RecordingParts } from './recording.ts';
import type { SpoolPlace } from './spool-place.ts';
import { withRoom } from './store-full.ts';
import type { FileAhead, SyncAhead } from './sync-ahead.ts';

/** What the spools of a store share. */
export interface SpoolParts extends Pick<RecordingParts, 'files' | 'turns' | 'clock'> {
  readonly files: FileSystem;
  readonly pool: BufferPool;
  readonly publisher: Publisher;
  readonly ahead: SyncAhead;
  readonly kept: KeptSpools<KeptFile>;
  /** So many are kept at a time: at the end of the process nobody waits for more. */
  readonly keepers: Slots;
}

export interface OpenPartial {
  readonly file: File;
  readonly partial: SpoolPlace;
  /** What is on the disk already. */
  readonly ranges?: Ranges;
  /** Disposed of when the file is closed. */
  readonly place: Disposable;
}

/** A partial file. */
export class FileSpool implements Spool {
  readonly ranges: Ranges;
  readonly #parts: SpoolParts;
  readonly #open: OpenPartial;
  readonly #ahead: FileAhead;
  readonly #recording: Recording;
  /** Calls that write, and what waits for their end. */
  #running = 0;
  #idle: PromiseWithResolvers<void> | undefined;
  /** What failed may be there in part, or be said to be there: it is nothing to go on with. */
  #hasFailed = false;
  #isOver = false;
  #fate: 'discarded' | 'published' | 'kept' = 'discarded';
  #publishing: Promise<Stamp | undefined> | undefined;
  /** When it was last written to by this process, once nothing more is. */
  #sealedAt: bigint | undefined;
  #keeping: Promise<void> | undefined;
  #disposed: Promise<void> | undefined;

  constructor(parts: SpoolParts, open: OpenPartial) {
    this.#parts = parts;
    this.#open = open;
    this.ranges = open.ranges ?? new Ranges();
    this.#ahead = parts.ahead.begin(open.file, () => this.#recording.syncing());
    const [{ ranges }, { partial }] = [this, open];
    const sync = () => this.#ahead.early();
    this.#recording = new Recording({ ...parts, partial, ranges, worth: parts.kept.worth, sync });
  }

  async write(at: number, ...chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#isOver) throw new Error('nothing more is written to this spool');
    this.#running += 1;
    try {
      await this.#write(at, chunks);
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#idle?.resolve();
    }
  }

  /** When all of it is here it is nobody's to write to any more: then this throws WrongBytesError before the end of the range where somebody has. */
  read(range: ByteRange): AsyncIterable<Uint8Array> {
    const unwritten = async (): Promise<void> => {
      if (this.#sealedAt !== undefined && (await this.#modifiedAt()) !== this.#sealedAt)
        throw new WrongBytesError('its file was written to while it was read');
    };
    return readLoop(this.#open.file, range, this.#parts.pool, undefined, unwritten);
  }

  /** Gives it its final name, when all of it is on the disk. Undefined, too, where somebody else has written to it since: it is hashed when it is first read. */
  async publish(target: string): Promise<Stamp | undefined> {
    if (this.#keeping !== undefined) throw new Error('this spool is kept for another');
    this.#isOver = true;
    this.#publishing = this.#publish(target);
    return await this.#publishing;
  }

  mark(note: SpoolNote): void {
    this.#recording.mark(note);
  }

  async keep(): Promise<void> {
    this.#keeping ??= this.#announced(this.#keep());
    await this.#keeping;
  }

  giveUp(): void {
    this.#ahead.letGo();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    await this.#disposed;
  }

  async #publish(target: string): Promise<Stamp | undefined> {
    const { file, partial } = this.#open;
    await this.#recording.stop();
    const stamp = await this.#orFailed(async () => {
      await withRoom(async () => await this.#ahead.finish());
      this.#sealedAt = await this.#modifiedAt();
      return await this.#parts.publisher.publish(file, partial.path, target);
    });
    this.#fate = 'published';
    this.#ahead.letGo();
    return stamp?.modifiedAt === this.#sealedAt ? stamp : undefined;
  }

  /** In nanoseconds. Undefined: it cannot be told. */
  async #modifiedAt(): Promise<bigint | undefined> {
    return await this.#open.file.stat({ bigint: true }).then(
      (status) => stampOf(status).modifiedAt,
      () => undefined,
    );
  }

  async #write(at: number, chunks: readonly Uint8Array[]): Promise<void> {
    let left = chunks;
    for (let to = at; left.length > 0; ) {
      const bytesWritten = await this.#orFailed(async () => await this.#writeSome(to, left));
      this.ranges.add(to, to + bytesWritten);
      this.#recording.wrote(bytesWritten);
      to += bytesWritten;
      left = without(left, bytesWritten);
      await withRoom(async () => await this.#ahead.wrote(bytesWritten));
    }
  }

  async #writeSome(at: number, chunks: readonly Uint8Array[]): Promise<number> {
    const write = async () => await this.#open.file.writev(chunks, at);
    const { bytesWritten } = await this.#parts.kept.withRoom(async () => await withRoom(write));
    return bytesWritten;
  }

  /** Of what becomes a blob there is nothing to wait for. */
  async #announced(keeping: Promise<void>): Promise<void> {
    const { note } = this.#recording;
    if (note !== undefined && this.#publishing === undefined) this.#parts.kept.comes(note, keeping);
    await keeping;
  }

  async #keep(): Promise<void> {
    this.#isOver = true;
    // Whoever waits with his write for the disk does so for nothing.
    if (this.#publishing === undefined) this.#ahead.letGo();
    await this.#untilIdle();
    await this.#publishing?.catch(() => undefined);
    const { kept, keepers } = this.#parts;
    const { note } = this.#recording;
    if (note === undefined || this.#fate === 'published' || this.#hasFailed) return;
    if (this.ranges.total < kept.worth || !keepers.tryTake()) return;
    try {
      const found = new KeptFile(this.#open.partial, note, await this.#synced());
      if (found.bytes < kept.worth) return;
      this.#fate = 'kept';
      await kept.add(found);
    } catch {
      // A disk that fails keeps nothing.
    } finally {
      keepers.giveBack();
    }
  }

  /** What can be gone on with: where nobody will read a record it need not be on the disk, and else what came there in time. */
  async #synced(): Promise<Ranges> {
    if (this.#open.partial.record === undefined) return new Ranges(this.ranges);
    await this.#ahead.rest().catch((error: unknown) => {
      if (!(error instanceof StoreBusyError)) throw error;
    });
    return new Ranges(await this.#recording.finish());
  }

  async #untilIdle(): Promise<void> {
    if (this.#running === 0) return;
    this.#idle = Promise.withResolvers();
    await this.#idle.promise;
  }

  async #dispose(): Promise<void> {
    const { file, partial, place } = this.#open;
    using _ = place;
    this.#isOver = true;
    await this.#keeping;
    await this.#recording.stop();
    await this.#ahead[Symbol.asyncDispose]();
    await file.close();
    if (this.#fate === 'published') await partial.leave();
    if (this.#fate === 'discarded') await partial.remove(this.#ahead.hasFailed);
  }

  async #orFailed<Value>(work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }
}

/** What is left of the chunks behind their first so many bytes. */
function without(chunks: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let done = bytes;
  return chunks.flatMap((chunk) => {
    const rest = chunk.subarray(Math.min(done, chunk.length));
    done -= chunk.length - rest.length;
    return rest.length === 0 ? [] : [rest];
  });
}
