import { setImmediate } from 'node:timers/promises';
import { Claim, reading } from '../../base/claim.ts';
import type { Log } from '../../base/log.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import { jsonReader } from '../../json/json-reader.ts';
import { tooMuchRead } from '../../oci/busy.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { algorithmOf, DigestHasher, digestAside } from '../../oci/digest.ts';
import { blamed } from '../../oci/fault.ts';
import { type ManifestContent, maxManifestSize } from '../../oci/manifest.ts';
import { type Digest, hostOf, type RepositoryName } from '../../oci/reference.ts';
import type { Manifest } from '../../oci/registry.ts';
import {
  BlobUnreadableError,
  type ContentStore,
  type StoredBlob,
  WrongBytesError,
} from '../../storage/content-store.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import { putManifest } from '../../storage/operation.ts';
import type { ManifestRecord } from '../../storage/records.ts';

interface Stores {
  readonly content: ContentStore;
  readonly metadata: MetadataStore;
  readonly log: Log;
}

type Large = Pick<Manifest, 'bytes' | 'room'>;

/** Bytes, in about two milliseconds; then others have their turn. */
const hashedInTurn = 512 * 1024;

/** What is larger is counted. Bytes. */
const maxSmall = 64 * 1024;
/** Pieces, and what they are put together to. */
const timesWhileRead = 2;

/** Manifests in the stores: the bytes of each are a blob, and a record says which repository has them. */
export class StoredManifests {
  readonly #stores: Stores;
  readonly #reads = new SingleFlight<Digest, Large | undefined>();

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  /** Undefined: not stored for this repository, or its bytes are gone or damaged. Throws UNAVAILABLE (503) where a large one has no room in time. */
  async get(repository: RepositoryName, digest: Digest): Promise<Manifest | undefined> {
    const recorded = await this.#stores.metadata.getManifest(repository, digest);
    if (recorded === undefined) return undefined;
    const { mediaType, size } = recorded;
    const stored =
      size <= maxSmall
        ? { bytes: await this.#read(repository, digest) }
        : await this.#readLarge(repository, recorded);
    if (stored?.bytes === undefined) return undefined;
    // Without annotations: megabytes of them would weigh nothing in memory's count.
    return { ...stored, bytes: stored.bytes, descriptor: { mediaType, digest, size } };
  }

  /** Once for all who ask for it at a time: each would have a copy. It is counted for the registry of the first. */
  async #readLarge(repository: RepositoryName, { digest, size }: Descriptor): Promise<Large | undefined> {
    return await this.#reads.run(digest, async () => {
      const room = new Claim(hostOf(repository));
      return await reading(room, async () => {
        if (!(await room.wait(timesWhileRead * size))) throw tooMuchRead();
        const bytes = await this.#read(repository, digest);
        room.settle(bytes?.length ?? 0);
        return bytes && { bytes, room };
      });
    });
  }

  /** The record comes when the bytes are durable. `locked`: as in {@link MetadataStore.change}. */
  async put(
    repository: RepositoryName,
    record: ManifestRecord,
    bytes: Uint8Array,
    locked?: () => void,
  ): Promise<void> {
    // Also where they are there: a file without a record may be one that a power cut would take, and one that is old may be removed meanwhile.
    await this.write(record.descriptor.digest, bytes);
    await this.#stores.metadata.change([putManifest(repository, record)], locked);
  }

  async #read(repository: RepositoryName, digest: Digest): Promise<Uint8Array | undefined> {
    let kept: string | undefined;
    try {
      await using blob = await this.#stores.content.open(digest);
      if (blob === undefined || blob.size > maxManifestSize) return undefined;
      const chunks: Uint8Array[] = [];
      for await (const chunk of blob.read()) chunks.push(Uint8Array.from(chunk));
      const bytes = Buffer.concat(chunks);
      if ((await digestAside(algorithmOf(digest), bytes)) === digest) return bytes;
      kept = await this.#stores.content.setAside(blob);
      throw new WrongBytesError();
    } catch (error) {
      if (!(error instanceof BlobUnreadableError)) throw error;
      this.#stores.log.error(
        { err: error, digest, repository, kept },
        'a cached manifest is damaged on disk: fetching it again',
      );
      // Not deleted: by now the right bytes may be there.
      return undefined;
    }
  }

  /** Settles when the bytes are durable; throws where they are not the digest's. */
  async write(digest: Digest, bytes: Uint8Array): Promise<StoredBlob> {
    const hasher = new DigestHasher(digest);
    for (let at = 0; at < bytes.length; at += hashedInTurn) {
      if (at > 0) await setImmediate();
      hasher.update(bytes.subarray(at, at + hashedInTurn));
    }
    return await this.#stores.content.keep(hasher.verify(), bytes);
  }
}

/** What the store is to know of it. */
export function recordOf({ descriptor }: Manifest, content: ManifestContent): ManifestRecord {
  const { artifactType, annotations, blobs, manifests, subject } = content;
  return {
    descriptor: {
      ...descriptor,
      ...(artifactType && { artifactType }),
      ...(annotations && { annotations }),
    },
    blobs,
    manifests,
    subject,
  };
}

/** What a manifest says, as it was read already or is read now. Its bytes are upstream's, wherever they were meanwhile. */
export async function contentOf(
  repository: RepositoryName,
  { bytes, descriptor, content }: Manifest,
): Promise<ManifestContent> {
  if (content !== undefined) return content;
  try {
    return (await jsonReader.read(hostOf(repository), 'manifest', bytes, descriptor.mediaType)).head;
  } catch (error) {
    throw blamed(error, 'UNAVAILABLE', 'upstream sent');
  }
}
