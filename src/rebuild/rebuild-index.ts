import { rm } from 'node:fs/promises';
import type { Log } from '../base/log.ts';
import { LoadError } from '../load/load-error.ts';
import { RegistryError } from '../oci/error.ts';
import { listedTags } from './listed-tags.ts';
import { type RebuildParts, rebuildImage } from './rebuild-image.ts';

/** So many images are kept in the log that could not be made known again; the rest is counted. */
const maxTold = 100;

export interface Rebuilt {
  readonly images: number;
  readonly failed: number;
}

/**
 * Makes known what the list at `path` names and the directory has, image by image, beside whoever serves from it; the list goes when all of it was done. What
 * was pulled by digest alone stands in no list. Throws where the list cannot be read or the index not be written, and the signal's reason.
 */
export async function rebuildIndex(
  path: string,
  parts: RebuildParts & { readonly log: Log },
  signal: AbortSignal,
): Promise<Rebuilt> {
  let [images, failed] = [0, 0];
  for await (const listed of listedTags(path)) {
    signal.throwIfAborted();
    try {
      await rebuildImage(listed, parts);
      images += 1;
    } catch (error) {
      if (!(error instanceof LoadError || error instanceof RegistryError)) throw error;
      failed += 1;
      const { repository, tag, digest } = listed;
      if (failed <= maxTold)
        parts.log.warn({ repository, tag, digest, err: error }, 'an image could not be made known again');
    }
  }
  await rm(path, { force: true });
  return { images, failed };
}
