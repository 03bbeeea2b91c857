import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { imagesOfIndex, type LayoutImage } from '../load/archive/read-archive.ts';
import { reasonOf } from '../load/load-error.ts';
import { algorithmOf, hexOf } from '../oci/digest.ts';
import type { Digest } from '../oci/reference.ts';
import type { Found, FoundImage, ImageSource } from './image-source.ts';

/** The folder of an OCI layout (image-spec "Image Layout"): ours, and of any tool that writes one. */
export class LayoutFolder implements ImageSource {
  readonly name: string;
  readonly isLinked = false;
  readonly #nameOf: (image: LayoutImage) => string | undefined;

  /** `nameOf`: what an entry of its index is called; undefined: nothing. */
  constructor(folder: string, nameOf: (image: LayoutImage) => string | undefined = ({ name }) => name) {
    this.name = folder;
    this.#nameOf = nameOf;
  }

  async *images(): AsyncGenerator<FoundImage | string> {
    const index = join(this.name, 'index.json');
    let count = 0;
    try {
      for await (const image of imagesOfIndex(createReadStream(index), index)) {
        count += 1;
        const name = this.#nameOf(image);
        const { digest, mediaType } = image.descriptor;
        if (name === undefined) yield `${index}: ${digest} has no name there`;
        else yield { name, root: digest, mediaType, find: async (wanted) => await this.#find(wanted) };
      }
      if (count === 0) yield `${index}: there is no image in it`;
    } catch (error) {
      yield `${index} cannot be read: ${reasonOf(error)}`;
    }
  }

  async #find(digest: Digest): Promise<Found | undefined> {
    return await foundFile(join(this.name, 'blobs', algorithmOf(digest), hexOf(digest)));
  }
}

/** Undefined: nothing is there. */
export async function foundFile(path: string): Promise<Found | undefined> {
  return (await stat(path).catch(() => undefined)) === undefined ? undefined : { path };
}
