import type { Digest } from '../oci/reference.ts';
import type { ImageGraph } from '../storage/image-graph.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { ImageRecord, WantedBlob } from '../storage/records.ts';
import type { CheckedFile } from './checked-file.ts';

/** In one go. */
const pageSize = 100;

export interface LostParts {
  readonly metadata: Pick<MetadataStore, 'listWantedBlobs' | 'blobSize'>;
  readonly inventory: Pick<Inventory, 'images'>;
  readonly graph: Pick<ImageGraph, 'content'>;
}

/** What was here and was lost before: an earlier check, or whoever asked for it, has found that it is wrong or gone, and nobody has fetched it since. */
export async function* lostContent(parts: LostParts, signal: AbortSignal): AsyncGenerator<CheckedFile> {
  yield* lostBlobs(parts, signal);
  yield* lostManifests(parts, signal);
}

/** What an image names and never had is no loss: it is not known how large it is. */
async function* lostBlobs({ metadata }: LostParts, signal: AbortSignal): AsyncGenerator<CheckedFile> {
  for (let after: WantedBlob | undefined; ; ) {
    const page = await metadata.listWantedBlobs({ after, limit: pageSize });
    for (const { digest, repository } of page) {
      signal.throwIfAborted();
      if ((await metadata.blobSize(digest)) === undefined) continue;
      yield missing(digest, [{ repository, as: 'blob' }]);
    }
    after = page[pageSize - 1];
    if (after === undefined) return;
  }
}

async function* lostManifests(
  { inventory, graph }: LostParts,
  signal: AbortSignal,
): AsyncGenerator<CheckedFile> {
  for (let last: ImageRecord | undefined; ; ) {
    const after = last && { repository: last.repository, digest: last.descriptor.digest };
    const page = await inventory.images({ after, limit: pageSize });
    for (const { repository, descriptor } of page) {
      signal.throwIfAborted();
      if ((await graph.content(descriptor.digest))?.storedAt !== undefined) continue;
      yield missing(descriptor.digest, [{ repository, as: 'manifest' }]);
    }
    last = page[pageSize - 1];
    if (last === undefined) return;
  }
}

function missing(digest: Digest, owners: CheckedFile['owners']): CheckedFile {
  return { digest, verdict: 'missing', size: 0, owners };
}
