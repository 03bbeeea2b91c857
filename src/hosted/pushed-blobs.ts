import type { ClientRequest } from '../oci/client-request.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { BlobHasher } from '../oci/digest.ts';
import type { SentBytes } from '../oci/pushes.ts';
import { type Digest, hostedHost, type RepositoryName } from '../oci/reference.ts';
import { ownBlob, requireContent } from '../storage/operation.ts';
import { MissingContentError } from '../storage/requirements.ts';
import type { Spool } from '../storage/spool-store.ts';
import { appendAll } from './append-all.ts';
import { eventsOf } from './hosted-events.ts';
import { changed, type HostedParts, noRoom } from './hosted-parts.ts';
import { describePushed, leasePushed, linkPushed, storePushed } from './pushed-blob.ts';
import { outOfOrder, wrongDigest } from './refused-uploads.ts';
import { verified } from './upload-hashes.ts';

/** Blobs that come in one request, or from another repository. */
export class PushedBlobs {
  readonly #parts: HostedParts;

  constructor(parts: HostedParts) {
    this.#parts = parts;
  }

  /** Where not all comes nothing stays. */
  async put(
    repository: RepositoryName,
    digest: Digest,
    sent: SentBytes,
    by?: ClientRequest,
  ): Promise<Descriptor> {
    const { rules, room, spools } = this.#parts;
    const { uploadExpiryMs: keptMs } = rules.open(repository);
    if ((sent.at ?? 0) > 0) throw outOfOrder(0);
    if (!room.admits(hostedHost, sent.length)) throw noRoom();
    let begun: Spool | undefined;
    const come = (): number => begun?.ranges.endFrom(0) ?? 0;
    // Given back behind its file, for whoever looks then what the disk has.
    using reserved = await room.reserve(hostedHost, { bytes: 0, come });
    if (reserved === undefined) throw noRoom();
    await using spool = await spools.begin();
    begun = spool;
    const hasher = new BlobHasher();
    await appendAll(spool, sent, hasher, reserved);
    const right = await verified(spool, digest, hasher);
    if (right === undefined) throw wrongDigest(digest);
    const blob = await storePushed(spool, right, this.#parts);
    reserved.settle(blob);
    return await linkPushed(this.#parts, blob, { repository, keptMs, by });
  }

  /** It is looked at in the same transaction: it may go at any moment. */
  async mount(
    repository: RepositoryName,
    digest: Digest,
    from: RepositoryName,
    by?: ClientRequest,
  ): Promise<Descriptor | undefined> {
    const { rules, clock, content } = this.#parts;
    const { uploadExpiryMs } = rules.open(repository);
    const stored = await content.stat(digest);
    if (stored === undefined) return undefined;
    const descriptor = describePushed(digest, stored.size);
    const operations = [
      requireContent(from, { blobs: [digest] }),
      ownBlob(repository, digest, 'push'),
      leasePushed(repository, digest, clock.now() + uploadExpiryMs),
    ];
    const events = eventsOf(by, this.#parts, { kind: 'mount', repository, from, descriptor });
    try {
      await changed(this.#parts, operations, events);
      return descriptor;
    } catch (error) {
      if (error instanceof MissingContentError) return undefined;
      throw error;
    }
  }
}
