import { hexOf } from '../oci/digest.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { BlobRecord } from '../storage/records.ts';
import type { Entry } from './send-entries.ts';

const pageSize = 200;

export const blobHeader = 'URL REFCNT\n';

/** Every stored blob whose digest has `part` in it, with how many manifests name it. */
export async function* blobEntries(inventory: Inventory, part: string): AsyncGenerator<readonly Entry[]> {
  let page: readonly BlobRecord[];
  let after: BlobRecord | undefined;
  do {
    page = await inventory.blobs({ after: after?.digest, limit: pageSize });
    yield page.filter(({ digest }) => digest.includes(part)).map(entryOf);
    after = page.at(-1);
  } while (page.length === pageSize);
}

function entryOf({ digest, size, references }: BlobRecord): Entry {
  return {
    text: `${hexOf(digest)} ${references}\n`,
    object: { digest, size: size ?? null, references },
  };
}
