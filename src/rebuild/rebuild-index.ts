import type { Log } from '../base/log.ts';
import { RegistryError } from '../oci/error.ts';
import { ListedNames } from './listed-names.ts';
import { NotRebuilt } from './not-rebuilt.ts';
import { type RebuildParts, rebuildImage } from './rebuild-image.ts';

/** So many images are kept in the log that could not be made known again; the rest is counted. */
const maxTold = 100;

export interface Rebuilt {
  readonly images: number;
  readonly failed: number;
  /** Is all known that can be? Not where the list has no end, or a manifest could not be read, for now. */
  readonly isWhole: boolean;
}

/**
 * Makes known what the list at `path` names and the directory has, image by image, beside whoever serves from it. Throws where the list cannot be read or the
 * index not be written, and the signal's reason.
 */
export async function rebuildIndex(
  path: string,
  parts: RebuildParts & { readonly log: Log },
  signal: AbortSignal,
): Promise<Rebuilt> {
  const list = new ListedNames(path);
  let [images, failed, isWhole] = [0, 0, true];
  for await (const listed of list.read()) {
    signal.throwIfAborted();
    try {
      if (await rebuildImage(listed, parts)) images += 1;
    } catch (error) {
      if (!(error instanceof NotRebuilt || error instanceof RegistryError)) throw error;
      failed += 1;
      if (!(error instanceof NotRebuilt && error.isLost)) isWhole = false;
      const { repository, tag, digest } = listed;
      if (failed <= maxTold)
        parts.log.warn({ repository, tag, digest, err: error }, 'an image could not be made known again');
    }
  }
  return { images, failed, isWhole: isWhole && list.isWhole };
}
