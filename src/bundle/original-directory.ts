import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readBoundedFile } from '../base/bounded-file.ts';
import { jsonReader } from '../json/json-reader.ts';
import { LoadError, reasonOf } from '../load/load-error.ts';
import { algorithmOf, hexOf } from '../oci/digest.ts';
import type { OriginalManifest } from '../oci/original-manifest.ts';
import type { Digest } from '../oci/reference.ts';
import type { Found, FoundImage, ImageSource } from './image-source.ts';
import { foundFile } from './layout-folder.ts';

/** A manifest in base64, and what the original has made of it beside it. Bytes. */
const maxFileBytes = 32 * 1024 * 1024;
/** Where manifests lie: those of the tag `latest`, and the others. */
const folders = ['lts', 'img'];
/** All that it has. */
export const originalFolders: readonly string[] = ['blobs', ...folders];

/**
 * The image directory of Ociregistry 1.17: `blobs/<hex>`, and for each manifest `img/<hex>`, or `lts/<hex>` where its tag is `latest`, with its bytes in JSON. Its files are given
 * second names, so that whoever switches has everything twice and nothing is written; nothing of it is changed.
 */
export class OriginalDirectory implements ImageSource {
  readonly name: string;
  readonly isLinked = true;

  constructor(directory: string) {
    this.name = directory;
  }

  /** Is a directory one? */
  static async isIn(directory: string): Promise<boolean> {
    const status = async (name: string) => await stat(join(directory, name)).catch(() => undefined);
    const [blobs, ...manifests] = await Promise.all(['blobs', ...folders].map(status));
    return blobs?.isDirectory() === true && manifests.some((folder) => folder?.isDirectory() === true);
  }

  async *images(): AsyncGenerator<FoundImage | string> {
    for (const folder of folders) yield* this.#imagesIn(join(this.name, folder));
  }

  async *#imagesIn(folder: string): AsyncGenerator<FoundImage | string> {
    if ((await foundFile(folder)) === undefined) return;
    try {
      for await (const { name } of await opendir(folder)) yield await this.#imageAt(join(folder, name), name);
    } catch (error) {
      yield `${folder} cannot be read: ${reasonOf(error)}`;
    }
  }

  async #imageAt(path: string, hex: string): Promise<FoundImage | string> {
    try {
      return this.#image(await readOriginal(path, hex));
    } catch (error) {
      return reasonOf(error);
    }
  }

  #image({ name, digest, mediaType, pulledAt }: OriginalManifest): FoundImage {
    const find = async (wanted: Digest) => await this.#find(wanted);
    // What nobody knows the time of is older than all else.
    return { name, root: digest, mediaType, checkedAt: pulledAt ?? 1, find };
  }

  async #find(digest: Digest): Promise<Found | undefined> {
    if (algorithmOf(digest) !== 'sha256') return undefined;
    const hex = hexOf(digest);
    for (const folder of folders) {
      const path = join(this.name, folder, hex);
      if ((await foundFile(path)) !== undefined)
        return { bytes: Buffer.from((await readOriginal(path, hex)).base64, 'base64') };
    }
    return await foundFile(join(this.name, 'blobs', hex));
  }
}

async function readOriginal(path: string, hex: string): Promise<OriginalManifest> {
  try {
    const bytes = await readBoundedFile(path, maxFileBytes);
    return (await jsonReader.read('import', 'original', bytes, hex)).head;
  } catch (error) {
    throw new LoadError(`${path}: ${reasonOf(error)}`);
  }
}
