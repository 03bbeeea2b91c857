import { randomBytes } from 'node:crypto';
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { RepositoryName } from '../../oci/reference.ts';
import type { TagRecord } from '../records.ts';

/** A hundred thousand tags are 25 MB: not more often than this. Milliseconds. */
const intervalMs = 60_000;

export interface ImageLayoutOptions {
  /** The versioned directory, with `partial/` below it. */
  readonly directory: string;
  readonly clock: Clock;
  /** Every cached tag, read in small slices. */
  readonly tags: () => AsyncIterable<TagRecord & { readonly repository: RepositoryName }>;
  readonly onError: (error: unknown) => void;
}

/**
 * Makes the directory an OCI image layout (image-spec "Image Layout"): skopeo and crane read the cache as it lies there, and
 * a lost index can be rebuilt. `index.json` is written in the background after tags changed.
 */
export class ImageLayout implements AsyncDisposable {
  readonly #options: ImageLayoutOptions;
  readonly #stop = new AbortController();
  #isDirty = false;
  #running: Promise<void> | undefined;

  constructor(options: ImageLayoutOptions) {
    this.#options = options;
  }

  /** Marks the layout of a directory that may be new; in one that is not, an earlier process may have died before it wrote. */
  async begin(): Promise<void> {
    const { directory } = this.#options;
    try {
      await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}', { flag: 'wx' });
      await this.#write();
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') this.changed();
      else this.#options.onError(error);
    }
  }

  /** Says that a tag is new or points elsewhere. */
  changed(): void {
    this.#isDirty = true;
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    const { clock, onError } = this.#options;
    await clock.sleep(intervalMs, this.#stop.signal).catch(() => {});
    this.#isDirty = false;
    await this.#write().catch(onError);
    this.#running = undefined;
    // What changed while it was written is written next time.
    if (this.#changedMeanwhile() && !this.#stop.signal.aborted) this.changed();
  }

  #changedMeanwhile(): boolean {
    return this.#isDirty;
  }

  async #write(): Promise<void> {
    const { directory } = this.#options;
    // Of a random name, since process ids say nothing across containers, and where what is abandoned is removed.
    const partial = join(directory, 'partial', `index.json.${randomBytes(8).toString('hex')}`);
    try {
      {
        await using file = await open(partial, 'w', 0o644);
        for await (const slice of this.#slices()) await file.write(slice);
      }
      await rename(partial, join(directory, 'index.json'));
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  }

  async *#slices(): AsyncGenerator<string> {
    let slice = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[';
    let separator = '\n';
    for await (const { repository, tag, descriptor } of this.#options.tags()) {
      const annotations = { 'org.opencontainers.image.ref.name': `${repository}:${tag}` };
      const { mediaType, digest, size } = descriptor;
      slice += separator + JSON.stringify({ mediaType, digest, size, annotations });
      separator = ',\n';
      if (slice.length > 65_536) {
        yield slice;
        slice = '';
      }
    }
    yield `${slice}\n]}\n`;
  }

  /** Writes what is still to be written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
