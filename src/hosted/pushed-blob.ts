import type { ClientRequest } from '../oci/client-request.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { blobType } from '../oci/media-type.ts';
import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { StoredBlob } from '../storage/content-store.ts';
import { leaseContent, linkBlob, type Operation } from '../storage/operation.ts';
import { eventsOf } from './hosted-events.ts';
import { changed, type HostedParts } from './hosted-parts.ts';

interface Pushed {
  readonly repository: RepositoryName;
  /** Until a manifest names it. Milliseconds. */
  readonly keptMs: number;
  readonly by: ClientRequest | undefined;
}

/** The repository owns it from now on; until a manifest names it, it is kept so long as an unfinished upload is. */
export async function linkPushed(
  parts: HostedParts,
  { digest, size, stamp }: StoredBlob,
  { repository, keptMs, by }: Pushed,
  also: readonly Operation[] = [],
): Promise<Descriptor> {
  const descriptor = describePushed(digest, size);
  const operations = [
    linkBlob(repository, digest, size, 'push', stamp),
    leasePushed(digest, parts.clock.now() + keptMs),
    ...also,
  ];
  await changed(parts, operations, eventsOf(by, parts, { kind: 'push', repository, descriptor }));
  return descriptor;
}

/** Nobody says what is in it. */
export function describePushed(digest: Digest, size: number): Descriptor {
  return { mediaType: blobType, digest, size };
}

export function leasePushed(digest: Digest, until: number): Operation {
  return leaseContent([digest], 'push', until);
}
