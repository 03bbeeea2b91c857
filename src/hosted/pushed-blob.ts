import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { StoredBlob } from '../storage/content-store.ts';
import { leaseContent, linkBlob, type Operation } from '../storage/operation.ts';
import { changed, type HostedParts } from './hosted-parts.ts';

/** The repository owns it from now on; until a manifest names it, it is kept so long as an unfinished upload is. */
export async function linkPushed(
  parts: HostedParts,
  repository: RepositoryName,
  { digest, size, stamp }: StoredBlob,
  keptMs: number,
  also: readonly Operation[] = [],
): Promise<void> {
  await changed(parts, [
    linkBlob(repository, digest, size, 'push', stamp),
    leasePushed(repository, digest, parts.clock.now() + keptMs),
    ...also,
  ]);
}

/** For each repository by itself: one that keeps less long takes nothing from another. */
export function leasePushed(repository: RepositoryName, digest: Digest, until: number): Operation {
  return leaseContent([digest], `push to ${repository}`, until);
}
