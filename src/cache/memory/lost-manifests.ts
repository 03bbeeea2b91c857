import type { Log } from '../../base/log.ts';
import type { TaskSet } from '../../base/task-set.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import { noteArrival, requireContent } from '../../storage/operation.ts';
import type { StoredManifests } from './stored-manifests.ts';

export interface LostManifestsParts {
  readonly content: Pick<ContentStore, 'stat'>;
  readonly stored: Pick<StoredManifests, 'write'>;
  readonly metadata: Pick<MetadataStore, 'change' | 'getManifest'>;
  /** The repositories of which memory has it by now, and its bytes. */
  readonly holders: (digest: Digest) => readonly RepositoryName[];
  readonly bytesOf: (repository: RepositoryName, digest: Digest) => Uint8Array | undefined;
  readonly tasks: TaskSet;
  readonly log: Log;
}

/**
 * Manifests whose file somebody has put aside, since it was wrong, or has found missing, while memory has their bytes: these may be the last that there
 * are, and are written again, one after the other and once for each loss. What was removed with its image stays removed.
 */
export class LostManifests {
  readonly #parts: LostManifestsParts;
  readonly #waiting = new Set<Digest>();
  #isRunning = false;

  constructor(parts: LostManifestsParts) {
    this.#parts = parts;
  }

  /** Its file has come or gone, and memory has it. */
  look(digest: Digest): void {
    this.#waiting.add(digest);
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#parts.tasks.run('writing lost manifests again', async () => await this.#writeAll());
  }

  async #writeAll(): Promise<void> {
    try {
      for (const digest of this.#waiting) {
        this.#waiting.delete(digest);
        await this.#writeAgain(digest);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  async #writeAgain(digest: Digest): Promise<void> {
    const { log } = this.#parts;
    try {
      if ((await this.#parts.content.stat(digest)) !== undefined) return;
      for (const repository of this.#parts.holders(digest))
        if (await this.#writeFor(repository, digest)) {
          log.warn({ digest, repository }, 'a manifest whose file was lost was written again from memory');
          return;
        }
    } catch (error) {
      log.error({ err: error, digest }, 'a lost manifest could not be written again: memory alone has it');
    }
  }

  /** False: it is none of the repository's any more, or memory has lost it meanwhile. Where its image goes while it is written its file is nobody's, and goes as such. */
  async #writeFor(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const { bytesOf, metadata, stored } = this.#parts;
    if ((await metadata.getManifest(repository, digest)) === undefined) return false;
    const bytes = bytesOf(repository, digest);
    if (bytes === undefined) return false;
    const { size, stamp } = await stored.write(digest, bytes);
    await metadata.change([
      noteArrival(digest, size, stamp),
      requireContent(repository, { manifests: [digest] }),
    ]);
    return true;
  }
}
