import type { Selection } from '#src/bundle/cached-names.ts';
import { exportBundle } from '#src/bundle/export-bundle.ts';
import type { ImageRecord } from '#src/storage/records.ts';
import type { JobParts } from './job-parts.ts';
import { type MemoryBundle, MemorySink } from './memory-bundle.ts';

export interface ExportJob {
  readonly matches: Selection['matches'];
  readonly takesBack: boolean;
}

/** Exports as `src/app/export.ts` does it. Returns the images that were whole before and after, and to be exported hence. Throws what it throws. */
export async function exportInto(
  bundle: MemoryBundle,
  { matches, takesBack }: ExportJob,
  { content, metadata, inventory, clock, signal }: JobParts,
): Promise<readonly ImageRecord[]> {
  const earlier = await bundle.earlier?.asEarlier();
  const before = await inventory.images({ limit: 500 });
  await using sink = new MemorySink(bundle, takesBack);
  const selection = { matches, isExact: false, usedSince: undefined };
  const parts = { content, metadata, inventory, clock, signal, sink, earlier, platforms: [] };
  await exportBundle(selection, parts, (image) => bundle.images.push(image));
  const after = await inventory.images({ limit: 500 });
  return before.filter(
    (image) => isWhole(image) && after.some((other) => isSame(image, other) && isWhole(other)),
  );
}

function isWhole({ missing }: ImageRecord): boolean {
  return missing === 0;
}

/** By the same names. */
function isSame(one: ImageRecord, other: ImageRecord): boolean {
  return (
    one.repository === other.repository &&
    one.descriptor.digest === other.descriptor.digest &&
    one.tags.join() === other.tags.join()
  );
}
