import { RegistryError } from '../oci/error.ts';
import { type Digest, imageText, isHosted, type RepositoryName, type Tag } from '../oci/reference.ts';
import { type Choice, imagesOf, type Shelf } from './named-images.ts';

/** Asks upstream where a tag points, however fresh it is, and fetches what it points at. `was`: where it pointed before. Throws what upstream answers. */
export type Refresh = (
  repository: RepositoryName,
  tag: Tag,
) => Promise<{ readonly was: Digest | undefined; readonly digest: Digest }>;

/** What became of a tag. */
export interface RefreshedTag {
  readonly reference: string;
  readonly outcome: 'unchanged' | 'moved' | 'gone' | 'failed';
  /** Where it points now, or still. */
  readonly digest: Digest;
  /** Why it failed, in words. */
  readonly problem?: string | undefined;
}

/** So many at a time: their registries have their own limits besides. */
const width = 4;

/** Every cached tag that matches is asked for again; what fails is told, the others go on. Ends between two when the signal is aborted. */
export async function* refreshImages(
  { matches, only }: Choice,
  { refresh, ...shelf }: Shelf & { readonly refresh: Refresh },
  signal: AbortSignal,
): AsyncGenerator<readonly RefreshedTag[]> {
  for await (const page of imagesOf(shelf, only)) {
    // What lives here has no upstream.
    const cached = page.filter(({ repository }) => !isHosted(repository));
    const found = cached.flatMap(({ repository, tags, descriptor: { digest } }) =>
      tags
        .map((tag) => ({ repository, tag, digest, reference: imageText({ repository, reference: tag }) }))
        .filter(({ reference }) => matches(reference)),
    );
    for (let at = 0; at < found.length; at += width) {
      signal.throwIfAborted();
      yield await Promise.all(found.slice(at, at + width).map(async (tag) => await refreshed(tag, refresh)));
    }
  }
}

async function refreshed(
  cached: {
    readonly repository: RepositoryName;
    readonly tag: Tag;
    readonly digest: Digest;
    readonly reference: string;
  },
  refresh: Refresh,
): Promise<RefreshedTag> {
  const { repository, tag, reference, digest: before } = cached;
  try {
    const { was, digest } = await refresh(repository, tag);
    return { reference, digest, outcome: was === digest ? 'unchanged' : 'moved' };
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    const isGone = error.status === 404;
    return { reference, digest: before, outcome: isGone ? 'gone' : 'failed', problem: error.message };
  }
}
