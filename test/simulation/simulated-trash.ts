import { basename } from 'node:path';
import type { Digest } from '#src/oci/reference.ts';
import type { DiscardedContent, DiscardedFile, DiscardedFiles } from '#src/storage/discarded-content.ts';
import type { Disk } from './disk.ts';
import type { Life } from './life.ts';

const folder = '/cache/trash';

/** `trash/` of the store, whose calls take no time: nobody has a turn while the index is locked. */
export class SimulatedTrash implements DiscardedContent, DiscardedFiles {
  /** While what was written before is written again, nothing is moved. */
  isUsed = false;
  readonly #disk: Disk;
  readonly #life: Life;

  constructor(disk: Disk, life: Life) {
    this.#disk = disk;
    this.#life = life;
  }

  take(digest: Digest, before: number): 'taken' | 'absent' | 'left' {
    const path = pathOf(digest);
    const content = this.#disk.get(path);
    // Whoever was killed moves nothing any more.
    if (!this.#life.isAlive) return 'left';
    if (!this.isUsed || content === undefined) return 'absent';
    if (Math.max(content.mtimeMs, content.ctimeMs) >= before) return 'left';
    this.#disk.rename(path, `${folder}/${hexOf(digest)}.${content.inode}`);
    return 'taken';
  }

  restore(digest: Digest): boolean {
    if (!this.isUsed) return false;
    if (this.#disk.get(pathOf(digest)) !== undefined) return true;
    const name = this.#nameOf(digest);
    if (name !== undefined) this.#disk.rename(name, pathOf(digest));
    return name !== undefined;
  }

  async has(digest: Digest): Promise<boolean> {
    return this.#nameOf(digest) !== undefined;
  }

  async list(limit: number): Promise<readonly DiscardedFile[]> {
    const names = this.#disk.list(folder).slice(0, limit);
    return names.map((name) => {
      const digest = `sha256:${basename(name).split('.', 1)[0]}` as Digest;
      return { name, digest };
    });
  }

  async remove({ name }: DiscardedFile): Promise<boolean> {
    if (this.#disk.get(name) !== undefined) this.#disk.remove(name);
    return true;
  }

  #nameOf(digest: Digest): string | undefined {
    return this.#disk.list(folder).find((each) => basename(each).startsWith(hexOf(digest)));
  }

  async frees(digest: Digest): Promise<number> {
    return this.#disk.get(pathOf(digest))?.size ?? 0;
  }
}

/** Where the store has a blob. */
export function pathOf(digest: Digest): string {
  return `/cache/blobs/sha256/${hexOf(digest)}`;
}

function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
