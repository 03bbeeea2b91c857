import type { Descriptor } from '../oci/descriptor.ts';
import { BlobHasher } from '../oci/digest.ts';
import type { SentBytes } from '../oci/pushes.ts';
import { type Digest, hostedHost, type RepositoryName } from '../oci/reference.ts';
import { ownBlob, requireContent } from '../storage/operation.ts';
import { MissingContentError } from '../storage/requirements.ts';
import { appendAll } from './append-all.ts';
import { changed, type HostedParts, noRoom } from './hosted-parts.ts';
import { leasePushed, linkPushed } from './pushed-blob.ts';
import { verified } from './upload-hashes.ts';
import { wrongDigest } from './uploads.ts';

/** Blobs that come in one request, or from another repository. */
export class PushedBlobs {
  readonly #parts: HostedParts;

  constructor(parts: HostedParts) {
    this.#parts = parts;
  }

  /** Where not all comes nothing stays. */
  async put(repository: RepositoryName, digest: Digest, { chunks, length }: SentBytes): Promise<Descriptor> {
    const { rules, room, spools, content } = this.#parts;
    const { uploadExpiryMs } = rules.open(repository);
    await using spool = await spools.begin();
    const come = (): number => spool.ranges.endFrom(0);
    using reserved = await room.reserve(hostedHost, { bytes: length, come });
    if (reserved === undefined) throw noRoom();
    const hasher = new BlobHasher();
    await appendAll(spool, chunks, hasher, reserved);
    const right = await verified(spool, digest, hasher);
    if (right === undefined) throw wrongDigest(digest);
    const blob = await content.put(spool, right);
    reserved.settle(blob);
    await linkPushed(this.#parts, repository, blob, uploadExpiryMs);
    return describe(digest, blob.size);
  }

  /** It is looked at in the same transaction: it may go at any moment. */
  async mount(
    repository: RepositoryName,
    digest: Digest,
    from: RepositoryName,
  ): Promise<Descriptor | undefined> {
    const { rules, clock, content } = this.#parts;
    const { uploadExpiryMs } = rules.open(repository);
    const stored = await content.stat(digest);
    if (stored === undefined) return undefined;
    try {
      await changed(this.#parts, [
        requireContent(from, { blobs: [digest] }),
        ownBlob(repository, digest, 'push'),
        leasePushed(repository, digest, clock.now() + uploadExpiryMs),
      ]);
      return describe(digest, stored.size);
    } catch (error) {
      if (error instanceof MissingContentError) return undefined;
      throw error;
    }
  }
}

function describe(digest: Digest, size: number): Descriptor {
  return { mediaType: 'application/octet-stream', digest, size };
}
