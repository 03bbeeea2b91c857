import type { Digest } from '../../oci/reference.ts';
import type { MetadataStore } from '../metadata-store.ts';
import { settleDiscarded } from '../operation.ts';
import type { Trash } from './trash.ts';

/**
 * Puts back what was discarded by a process that ended before it had said so: the index says that it is here, and its file is not. Settles when that is done; who
 * asks keeps a client waiting, so that it settles, too, when somebody else has the index locked: it is put back later then. Never rejects.
 */
export async function putBackDiscarded(
  digest: Digest,
  trash: Pick<Trash, 'has'>,
  index: Pick<MetadataStore, 'change'>,
): Promise<void> {
  if (!(await trash.has(digest))) return;
  const { promise: locked, resolve } = Promise.withResolvers<void>();
  // Whoever empties the trash tries it again.
  const settled = index.change([settleDiscarded([digest])], resolve).catch(() => undefined);
  await Promise.race([settled, locked]);
}
