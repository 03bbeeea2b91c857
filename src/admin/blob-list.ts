import { walk } from '../base/walk.ts';
import { hexOf } from '../oci/digest.ts';
import type { BlobRecord } from '../storage/records.ts';
import type { Shelf } from './named-images.ts';
import type { Entry } from './send-entries.ts';

export const blobHeader = 'URL REFCNT\n';

/** Every stored blob whose digest has `part` in it, with how many manifests name it. */
export async function* blobEntries(
  { inventory, clock }: Shelf,
  part: string,
): AsyncGenerator<readonly Entry[]> {
  const pages = walk<BlobRecord>(
    async (last, limit) => await inventory.blobs({ after: last?.digest, limit }),
    clock,
  );
  for await (const page of pages) yield page.filter(({ digest }) => digest.includes(part)).map(entryOf);
}

function entryOf({ digest, size, references }: BlobRecord): Entry {
  return {
    text: `${hexOf(digest)} ${references}\n`,
    object: { digest, size: size ?? null, references },
  };
}
