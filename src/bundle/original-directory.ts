import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { readBoundedFile } from '../base/bounded-file.ts';
import { jsonReader } from '../json/json-reader.ts';
import { isPassing, LoadError, PassingLoadError, reasonOf } from '../load/load-error.ts';
import { algorithmOf, hexOf } from '../oci/digest.ts';
import type { OriginalManifest } from '../oci/original-manifest.ts';
import type { Digest } from '../oci/reference.ts';
import { longAgo } from '../storage/records.ts';
import type { Found, FoundImage, ImageSource } from './image-source.ts';
import { foundFile } from './layout-folder.ts';
import { manifestFolders } from './original-folders.ts';
import { areAsSeen, type SeenFile, SeenFiles } from './seen-files.ts';

/** A manifest in base64, and what the original has made of it beside it. Bytes. */
const maxFileBytes = 32 * 1024 * 1024;

/** What became of a directory's entries, by their paths in it. */
export interface EntryMemory {
  /** As it was settled; undefined: it was not. */
  stateOf(entry: string): Promise<string | undefined>;
  settle(entry: string, state: string): Promise<void>;
}

/** Of a manifest that was imported or refused: how the files were found that say so. */
interface Settled {
  readonly isRefused: boolean;
  readonly files: readonly SeenFile[];
}

/**
 * The image directory of Ociregistry 1.17: `blobs/<hex>`, and for each manifest `img/<hex>`, or `lts/<hex>` where its tag is `latest`, with its bytes in JSON. Its files are given
 * second names, so that whoever switches has everything twice and nothing is written; nothing of it is changed.
 */
export class OriginalDirectory implements ImageSource {
  readonly name: string;
  readonly isLinked = true;
  readonly #memory: EntryMemory | undefined;
  #passedOver = 0;
  #refused = 0;

  /** `memory`: of what need not be looked at again. */
  constructor(directory: string, memory?: EntryMemory) {
    this.name = directory;
    this.#memory = memory;
  }

  /** So many manifests were as they are remembered. */
  get passedOver(): number {
    return this.#passedOver;
  }

  /** So many of them were refused. */
  get refused(): number {
    return this.#refused;
  }

  async *images(): AsyncGenerator<FoundImage | string> {
    for (const folder of manifestFolders) yield* this.#imagesIn(folder);
  }

  async *#imagesIn(folder: string): AsyncGenerator<FoundImage | string> {
    const path = join(this.name, folder);
    if ((await foundFile(path)) === undefined) return;
    try {
      for await (const { name } of await opendir(path)) {
        if (await this.#isRemembered(join(folder, name))) this.#passedOver += 1;
        else yield await this.#imageAt(folder, name);
      }
    } catch (error) {
      yield `${path} cannot be read: ${reasonOf(error)}`;
    }
  }

  async #isRemembered(entry: string): Promise<boolean> {
    const state = await this.#memory?.stateOf(entry);
    if (state === undefined) return false;
    const { isRefused, files } = JSON.parse(state) as Settled;
    if (!(await areAsSeen(this.name, files))) return false;
    if (isRefused) this.#refused += 1;
    return true;
  }

  async #settle(entry: string, settled: Settled): Promise<void> {
    await this.#memory?.settle(entry, JSON.stringify(settled));
  }

  async #imageAt(folder: string, hex: string): Promise<FoundImage | string> {
    const entry = join(folder, hex);
    const seen = new SeenFiles(this.name);
    await seen.see(entry);
    try {
      return this.#image(entry, await readOriginal(join(this.name, entry), hex), seen);
    } catch (error) {
      if (!(error instanceof PassingLoadError))
        await this.#settle(entry, { isRefused: true, files: seen.all });
      return reasonOf(error);
    }
  }

  #image(entry: string, original: OriginalManifest, seen: SeenFiles): FoundImage {
    const { name, digest, mediaType, pulledAt } = original;
    return {
      ...{ name, root: digest, mediaType },
      checkedAt: pulledAt ?? longAgo,
      find: async (wanted) => await this.#find(wanted, seen),
      // What was imported may go again; what was refused may be mended.
      settled: async ({ problem }) => {
        const isRefused = problem !== undefined;
        await this.#settle(entry, { isRefused, files: isRefused ? seen.all : seen.first });
      },
    };
  }

  async #find(digest: Digest, seen: SeenFiles): Promise<Found | undefined> {
    if (algorithmOf(digest) !== 'sha256') return undefined;
    const hex = hexOf(digest);
    for (const folder of manifestFolders) {
      const entry = join(folder, hex);
      await seen.see(entry);
      const path = join(this.name, entry);
      if ((await foundFile(path)) !== undefined)
        return { bytes: Buffer.from((await readOriginal(path, hex)).base64, 'base64') };
    }
    await seen.see(join('blobs', hex));
    return await foundFile(join(this.name, 'blobs', hex));
  }
}

async function readOriginal(path: string, hex: string): Promise<OriginalManifest> {
  try {
    const bytes = await readBoundedFile(path, maxFileBytes);
    return (await jsonReader.read('import', 'original', bytes, hex)).head;
  } catch (error) {
    const words = `${path}: ${reasonOf(error)}`;
    throw isPassing(error) ? new PassingLoadError(words) : new LoadError(words);
  }
}
