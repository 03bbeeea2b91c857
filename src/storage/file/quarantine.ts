import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import { algorithmOf, hexOf } from '../../oci/digest.ts';
import type { Digest } from '../../oci/reference.ts';
import type { StoredBlob } from '../content-store.ts';
import { isSameStamp } from '../stamp.ts';
import { type ExactStatus, type FileSystem, stampOf } from './file-system.ts';
import { makeDirectory } from './make-directory.ts';
import type { StoreDirectories } from './store-directories.ts';
import { isMissing } from './store-full.ts';

/** So many stay, and so many bytes of them; those that came first go first. */
const maxKept = 16;
const maxBytes = 1024 ** 3;
/** Somebody else may have laid anything there. */
const maxLooked = 1000;

interface KeptWrong {
  readonly path: string;
  readonly size: number;
  readonly since: bigint;
}

/**
 * `quarantine/`: files that had not their digest's bytes, for whoever wants to see what became of them. A blob's file may be replaced by the right one
 * at any moment, by another process too: what turns out to be another goes back.
 */
export class Quarantine {
  readonly #files: FileSystem;
  readonly #directories: StoreDirectories;
  /** One at a time, so that they do not count each other's. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(files: FileSystem, directories: StoreDirectories) {
    this.#files = files;
    this.#directories = directories;
  }

  /** As {@link ContentStore.setAside}. */
  async take(wrong: StoredBlob): Promise<string | undefined> {
    const taken = this.#last.then(async () => await this.#take(wrong).catch(() => undefined));
    this.#last = taken;
    return await taken;
  }

  async #take(wrong: StoredBlob): Promise<string | undefined> {
    const path = this.#directories.blob(wrong.digest);
    const there = await this.#files.exactStat(path);
    if (wrong.stamp === undefined || !isSameStamp(wrong.stamp, stampOf(there))) return undefined;
    const hasRoom = await this.#makeRoom(wrong.size).catch(() => false);
    const aside = join(
      hasRoom ? this.#directories.quarantine : this.#directories.partial,
      nameOf(wrong.digest),
    );
    await this.#files.rename(path, aside);
    if (isOther(there, await this.#files.exactStat(aside))) {
      await this.#files.rename(aside, path);
      return undefined;
    }
    if (hasRoom) return aside;
    await this.#files.rm(aside, { force: true });
    return undefined;
  }

  /** False: it is larger than all that may be there. Throws where nothing can be. */
  async #makeRoom(size: number): Promise<boolean> {
    if (size > maxBytes) return false;
    await makeDirectory(this.#files, this.#directories.quarantine);
    const kept = await this.#kept();
    const [count, bytes] = [kept.length, kept.reduce((sum, file) => sum + file.size, 0)];
    let [tooMany, tooLarge] = [count + 1 - maxKept, bytes + size - maxBytes];
    for (const oldest of kept) {
      if (tooMany <= 0 && tooLarge <= 0) break;
      await this.#files.rm(oldest.path, { force: true });
      tooMany -= 1;
      tooLarge -= oldest.size;
    }
    return true;
  }

  /** The one that came first is the first. */
  async #kept(): Promise<readonly KeptWrong[]> {
    const kept: KeptWrong[] = [];
    for await (const { name } of await this.#files.opendir(this.#directories.quarantine)) {
      if (!isNameOfOurs(name)) continue;
      const file = await this.#looked(join(this.#directories.quarantine, name));
      if (file !== undefined) kept.push(file);
      if (kept.length >= maxLooked) break;
    }
    return kept.sort((one, other) => Number(one.since - other.since));
  }

  async #looked(path: string): Promise<KeptWrong | undefined> {
    try {
      const { size, ctimeNs } = await this.#files.exactStat(path);
      return { path, size: Number(size), since: ctimeNs };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
}

/** By what a new name does not change. */
function isOther(one: ExactStatus, other: ExactStatus): boolean {
  return one.ino !== other.ino || one.mtimeNs !== other.mtimeNs;
}

function nameOf(digest: Digest): string {
  return `${algorithmOf(digest)}-${hexOf(digest)}.${randomBytes(4).toString('hex')}`;
}

function isNameOfOurs(name: string): boolean {
  return /^sha(?:256|512)-[0-9a-f]+\.[0-9a-f]{8}$/.test(basename(name));
}
