import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { StoreBusyError } from '../content-store.ts';
import type { Owners } from '../owners.ts';
import { Ranges } from '../ranges.ts';
import type { Spool } from '../spool-store.ts';
import type { UploadBytes, UploadSpools } from '../upload-spools.ts';
import type { OpenPartial } from './file-spool.ts';
import { codeOf, type File, type FileStatus, type FileSystem } from './file-system.ts';
import { makeDirectory } from './make-directory.ts';
import type { SpoolPlace } from './spool-place.ts';
import type { StoreDirectories } from './store-directories.ts';
import { isMissing, withRoom } from './store-full.ts';

const namePattern = /^([0-9a-f]{32})(?:\.([0-9a-f]{16}))?$/;
/** Whose process nobody can tell has ended if nothing came for so long. Milliseconds. */
const abandonedMs = 10 * 60_000;

/** Who is at it renames it: so often it is looked for again before it counts as taken. */
const maxLooks = 20;

interface UploadName {
  readonly id: string;
  /** Undefined: nobody has it open. */
  readonly owner: string | undefined;
  readonly path: string;
}

export interface UploadFilesParts {
  readonly files: FileSystem;
  readonly directories: StoreDirectories;
  readonly clock: Clock;
  /** Undefined: there is no other process. */
  readonly owners: Owners | undefined;
  /** A place among those who write. */
  readonly place: () => Disposable;
  /** Makes a spool of an open file. */
  readonly spool: (open: OpenPartial) => Spool;
}

/**
 * Uploads, in files in `uploads/`: one that nobody has open is called by its id, one that is open has its process behind it. Who opens one gives it that
 * name, and of two who try it one can.
 */
export class UploadFiles implements UploadSpools {
  readonly #parts: UploadFilesParts;
  readonly #directory: string;
  /** Ids that this process has open, and who is to be told that it has them no more. */
  readonly #open = new Map<string, PromiseWithResolvers<void>>();

  constructor(parts: UploadFilesParts) {
    this.#parts = parts;
    this.#directory = parts.directories.uploads;
  }

  async make(id: string): Promise<void> {
    await this.#make(this.#idle(id)).catch(() => undefined);
  }

  async open(id: string): Promise<Spool | undefined> {
    if (this.#open.has(id)) return undefined;
    this.#open.set(id, Promise.withResolvers());
    using held = new DisposableStack();
    held.defer(() => this.#closed(id));
    const place = held.use(this.#parts.place());
    if (!(await this.#take(id))) return undefined;
    const file = await this.#opened(id);
    const spool = this.#parts.spool({
      file,
      partial: this.#lasting(id),
      ranges: await rangesOf(file),
      place,
    });
    held.move();
    return spool;
  }

  async stat(id: string): Promise<UploadBytes | undefined> {
    for (const path of [this.#own(id), this.#idle(id)]) {
      const status = await this.#statusOf(path);
      if (status !== undefined) return bytesOf(status);
    }
    for (let looks = 0; looks < maxLooks; looks += 1) {
      const names = await this.#namesOf(id);
      if (names.length === 0) return undefined;
      const found = await Promise.all(names.map(async ({ path }) => await this.#statusOf(path)));
      const all = found.filter((status) => status !== undefined).map(bytesOf);
      // Who begins it beside somebody else sees that, and takes his away.
      if (all.length > 0) return all.reduce((one, other) => (other.size > one.size ? other : one));
    }
    throw new StoreBusyError('the upload is taken by one and another');
  }

  async discard(id: string): Promise<void> {
    if (this.#open.has(id)) return;
    await this.#parts.files.rm(this.#idle(id), { force: true }).catch(() => undefined);
  }

  async *list(): AsyncIterable<string> {
    const seen = new Set<string>();
    for await (const { id } of this.#names()) {
      if (seen.has(id)) continue;
      seen.add(id);
      yield id;
    }
  }

  /** What processes had open that have ended waits for whoever goes on with it. To be called before they are forgotten. */
  async takeOver(): Promise<void> {
    const { owners, files } = this.#parts;
    if (owners === undefined) return;
    const dead = new Map<string, boolean>();
    for await (const { id, owner, path } of this.#names()) {
      if (owner === undefined || owner === owners.mine) continue;
      const isDead = dead.get(owner) ?? (await owners.lifeOf(owner)) === 'dead';
      dead.set(owner, isDead);
      if (isDead) await files.rename(path, this.#idle(id)).catch(() => undefined);
    }
  }

  /** Settles when this process has none open any more: who looks then finds all of them by their ids. */
  async closed(): Promise<void> {
    await Promise.all([...this.#open.values()].map(async ({ promise }) => await promise));
  }

  /** False: somebody else has it. */
  async #take(id: string): Promise<boolean> {
    for (let looks = 0; looks < maxLooks; looks += 1) {
      if (await this.#renamed(this.#idle(id), this.#own(id))) return true;
      const names = await this.#namesOf(id);
      if (names.length === 0) return await this.#begun(id);
      const held = names.find(({ owner }) => owner !== undefined);
      // Else it was let go of meanwhile.
      if (held === undefined) continue;
      if (held.path === this.#own(id)) return true;
      if (!(await this.#hasEnded(held.owner ?? '', held.path))) return false;
      return await this.#renamed(held.path, this.#own(id));
    }
    return false;
  }

  /**
   * It could not be made when it was begun, or an earlier release has begun it. It is made under our name before it is looked who else has it, so that of two who do so one sees the
   * other. False: another has it.
   */
  async #begun(id: string): Promise<boolean> {
    await this.#make(this.#own(id));
    const names = await this.#namesOf(id);
    if (names.every(({ path }) => path === this.#own(id))) return true;
    await this.#parts.files.rm(this.#own(id), { force: true });
    return false;
  }

  /** Another may have been first. */
  async #make(path: string): Promise<void> {
    const { files } = this.#parts;
    const make = async (): Promise<void> => await (await files.open(path, 'wx+', 0o644)).close();
    try {
      await withRoom(async () => {
        await make().catch(async (error: unknown) => {
          if (!isMissing(error)) throw error;
          await makeDirectory(files, this.#directory);
          await make();
        });
      });
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }

  async #opened(id: string): Promise<File> {
    try {
      return await this.#parts.files.open(this.#own(id), 'r+');
    } catch (error) {
      await this.#giveBack(id);
      throw error;
    }
  }

  /** Not before it has its old name others may take it. */
  async #giveBack(id: string): Promise<void> {
    await this.#renamed(this.#own(id), this.#idle(id)).catch(() => false);
    this.#closed(id);
  }

  #closed(id: string): void {
    this.#open.get(id)?.resolve();
    this.#open.delete(id);
  }

  /** What was not put waits for the next request. */
  #lasting(id: string): SpoolPlace {
    return {
      path: this.#own(id),
      record: undefined,
      hasRecord: false,
      remove: async (isDoubtful) => {
        if (isDoubtful === true) await this.#parts.files.rm(this.#own(id), { force: true });
        await this.#giveBack(id);
      },
      leave: async () => this.#closed(id),
    };
  }

  async #hasEnded(owner: string, path: string): Promise<boolean> {
    const { owners, clock } = this.#parts;
    const life = (await owners?.lifeOf(owner)) ?? 'unknown';
    if (life !== 'unknown') return life === 'dead';
    const status = await this.#statusOf(path);
    return status !== undefined && clock.now() - status.mtimeMs > abandonedMs;
  }

  /** False: it is not there. */
  async #renamed(from: string, to: string): Promise<boolean> {
    if (from === to) return (await this.#statusOf(from)) !== undefined;
    try {
      await this.#parts.files.rename(from, to);
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** Of one upload: one, mostly; as they are at one moment, unless there are hundreds of uploads. */
  async #namesOf(id: string): Promise<readonly UploadName[]> {
    const found: UploadName[] = [];
    for await (const name of this.#names()) if (name.id === id) found.push(name);
    return found;
  }

  async *#names(): AsyncGenerator<UploadName> {
    const entries = await this.#parts.files.opendir(this.#directory).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (entries === undefined) return;
    for await (const { name } of entries) {
      const [, id, owner] = namePattern.exec(name) ?? [];
      if (id !== undefined) yield { id, owner, path: join(this.#directory, name) };
    }
  }

  async #statusOf(path: string): Promise<FileStatus | undefined> {
    const status = await this.#parts.files.stat(path).catch(() => undefined);
    return status?.isFile() === true ? status : undefined;
  }

  #idle(id: string): string {
    return join(this.#directory, id);
  }

  #own(id: string): string {
    const { owners } = this.#parts;
    return owners === undefined ? this.#idle(id) : `${this.#idle(id)}.${owners.mine}`;
  }
}

async function rangesOf(file: File): Promise<Ranges> {
  const { size } = await file.stat({ bigint: true });
  return size === 0n ? new Ranges() : new Ranges([{ first: 0, last: Number(size) - 1 }]);
}

function bytesOf({ size, mtimeMs }: FileStatus): UploadBytes {
  return { size, writtenAt: mtimeMs };
}
