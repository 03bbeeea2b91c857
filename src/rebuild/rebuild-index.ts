import type { Log } from '../base/log.ts';
import { RegistryError } from '../oci/error.ts';
import type { ListedName } from './listed-names.ts';
import { NotRebuilt, type WhyNotRebuilt } from './not-rebuilt.ts';
import { type RebuildParts, rebuildImage } from './rebuild-image.ts';

/** So many images are kept in the log that could not be made known again; the rest is counted. */
const maxTold = 100;
/** Where more manifests cannot be read that is no matter of theirs. */
const maxUnread = 10_000;

export interface Rebuilt {
  readonly images: number;
  readonly failed: number;
  /** Those of them whose manifests cannot be read for now. */
  readonly unread: readonly ListedName[];
  /** Is all of the others known that is there? */
  readonly isWhole: boolean;
}

/**
 * Makes known what these names lead to and the directory has, image by image, beside whoever serves from it. `again`: they could not be read before, and that is no news.
 * Throws where the names cannot be read, the index not be written, or so little of the directory can be read that it may be away, and the signal's reason.
 */
export async function rebuildIndex(
  names: AsyncIterable<ListedName> | Iterable<ListedName>,
  parts: RebuildParts & { readonly log: Log },
  signal: AbortSignal,
  again = false,
): Promise<Rebuilt> {
  const unread: ListedName[] = [];
  let [images, failed, isWhole] = [0, 0, true];
  for await (const listed of names) {
    signal.throwIfAborted();
    try {
      if (await rebuildImage(listed, parts)) images += 1;
    } catch (error) {
      const why = whyOf(error);
      failed += 1;
      if (why === 'unread') unread.push(listed);
      if (why === 'too large') isWhole = false;
      if (unread.length > maxUnread)
        throw new Error(`more than ${maxUnread} manifests cannot be read`, { cause: error });
      const { repository, tag, digest } = listed;
      if (failed <= maxTold && !(again && why === 'unread'))
        parts.log.warn({ repository, tag, digest, err: error }, 'an image could not be made known again');
    }
  }
  return { images, failed, unread, isWhole };
}

/** Throws what is not about an image. */
function whyOf(error: unknown): WhyNotRebuilt {
  if (error instanceof NotRebuilt) return error.why;
  // There was no room to read it.
  if (error instanceof RegistryError) return 'unread';
  throw error;
}
