import { randomBytes } from 'node:crypto';
import { open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { listEnd, listHead, nameKey, originKey, pinnedKey } from '../name-annotations.ts';
import type { KnownName } from '../records.ts';
import { codeOf } from './file-system.ts';
import type { StoreDirectories } from './store-directories.ts';

/** From a change to `index.json`; milliseconds. A hundred thousand tags are 25 MB: it may take a fiftieth of the time, of a disk that is slow less. */
const leastPauseMs = 1000;
const mostPauseMs = 60_000;
const pausePerWriting = 50;

export interface ImageLayoutOptions {
  /** The versioned directory, with `partial/` below it. */
  readonly directory: string;
  /** Those in it. */
  readonly directories: StoreDirectories;
  readonly clock: Clock;
  /** By which all that is cached is found, read in small slices. */
  readonly names: () => AsyncIterable<KnownName>;
  readonly onError: (error: unknown) => void;
}

/**
 * Makes the directory an OCI image layout (image-spec "Image Layout"): skopeo and crane read the cache as it lies there, and
 * a lost index can be rebuilt. `index.json` is written in the background after names changed, a second later, or a minute where there are many.
 */
export class ImageLayout implements AsyncDisposable {
  readonly #options: ImageLayoutOptions;
  readonly #stop = new AbortController();
  #isDirty = false;
  #pauseMs = leastPauseMs;
  #running: Promise<void> | undefined;

  constructor(options: ImageLayoutOptions) {
    this.#options = options;
  }

  /** Marks the layout of a directory that may be new; in one that is not, an earlier process may have died before it wrote. */
  async begin(): Promise<void> {
    try {
      if (await this.#mark()) await this.#write();
      else this.changed();
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** Says that a name is new, points elsewhere, or was pinned. */
  changed(): void {
    this.#isDirty = true;
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    await this.#options.clock.sleep(this.#pauseMs, this.#stop.signal).catch(() => {});
    this.#isDirty = false;
    await this.#writeInTime();
    this.#running = undefined;
    // What changed while it was written is written next time.
    if (this.#changedMeanwhile() && !this.#stop.signal.aborted) this.changed();
  }

  /** What fails is tried again. */
  async #writeInTime(): Promise<void> {
    const { clock, onError } = this.#options;
    const began = clock.monotonic();
    try {
      await this.#mark();
      await this.#write();
      const took = clock.monotonic() - began;
      this.#pauseMs = Math.min(Math.max(leastPauseMs, took * pausePerWriting), mostPauseMs);
    } catch (error) {
      onError(error);
      this.#isDirty = true;
      this.#pauseMs = mostPauseMs;
    }
  }

  #changedMeanwhile(): boolean {
    return this.#isDirty;
  }

  /** True: it was not, or what lay there was no file. */
  async #mark(): Promise<boolean> {
    const { directory, directories } = this.#options;
    const path = join(directory, 'oci-layout');
    if (await directories.within(async () => await makeMark(path))) return true;
    if (await isFile(path)) return false;
    await directories.putAside(path);
    return await makeMark(path);
  }

  async #write(): Promise<void> {
    const { directory, directories } = this.#options;
    // Of a random name, since process ids say nothing across containers, and where what is abandoned is removed.
    const partial = join(directories.partial, `index.json.${randomBytes(8).toString('hex')}`);
    try {
      await directories.within(async () => {
        await using file = await open(partial, 'w', 0o644);
        for await (const slice of this.#slices()) await file.write(slice);
      });
      await directories.move(partial, join(directory, 'index.json'));
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  async *#slices(): AsyncGenerator<string> {
    let slice = listHead;
    let separator = '\n';
    for await (const name of this.#options.names()) {
      slice += separator + entryOf(name);
      separator = ',\n';
      if (slice.length > 65_536) {
        yield slice;
        slice = '';
      }
    }
    yield `${slice}\n${listEnd}\n`;
  }

  /** Writes what is still to be written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

function entryOf({ repository, tag, descriptor, isPinned, origin }: KnownName): string {
  const { mediaType, digest, size } = descriptor;
  const annotations = {
    // Of what lives here with the host that it has inside: by it the name is found again where the index was lost.
    [nameKey]: `${repository}${tag === undefined ? `@${digest}` : `:${tag}`}`,
    ...(isPinned && { [pinnedKey]: 'true' }),
    ...(origin !== 'upstream' && { [originKey]: origin }),
  };
  return JSON.stringify({ mediaType, digest, size, annotations });
}

/** False: something is there. */
async function makeMark(path: string): Promise<boolean> {
  try {
    await writeFile(path, '{"imageLayoutVersion":"1.0.0"}', { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (status) => status.isFile(),
    () => false,
  );
}
