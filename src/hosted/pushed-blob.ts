import type { ClientRequest } from '../oci/client-request.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { VerifiedBlob } from '../oci/digest.ts';
import { blobType } from '../oci/media-type.ts';
import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { StoredBlob } from '../storage/content-store.ts';
import { announceContent, leaseContent, linkBlob, type Operation } from '../storage/operation.ts';
import type { Spool } from '../storage/spool-store.ts';
import { eventsOf } from './hosted-events.ts';
import { changed, type HostedParts } from './hosted-parts.ts';

/** So long it may take until its file has its name and somebody owns it. Milliseconds. */
const announcedMs = 3_600_000;

/** So that no file gets its name without a row that leads to it, whatever becomes of the index, or the process: what nobody owns then is removed. */
export function announcePushed(digest: Digest, { clock }: Pick<HostedParts, 'clock'>): Operation {
  return announceContent([digest], clock.now() + announcedMs);
}

/** Puts it into the store; it is nobody's yet. */
export async function storePushed(
  spool: Spool,
  blob: VerifiedBlob,
  parts: Pick<HostedParts, 'content' | 'metadata' | 'clock'>,
): Promise<StoredBlob> {
  await parts.metadata.change([announcePushed(blob.digest, parts)]);
  return await parts.content.put(spool, blob);
}

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
    leasePushed(repository, digest, parts.clock.now() + keptMs),
    ...also,
  ];
  await changed(parts, operations, eventsOf(by, parts, { kind: 'push', repository, descriptor }));
  return descriptor;
}

/** Nobody says what is in it. */
export function describePushed(digest: Digest, size: number): Descriptor {
  return { mediaType: blobType, digest, size };
}

/** For each repository by itself: one that keeps less long takes nothing from another. */
export function leasePushed(repository: RepositoryName, digest: Digest, until: number): Operation {
  return leaseContent([digest], `push to ${repository}`, until);
}
