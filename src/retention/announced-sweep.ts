import type { AnnouncedContent } from '../storage/image-graph.ts';
import { discardAnnounced } from '../storage/operation.ts';
import { allPages } from './all-pages.ts';
import type { RemovalParts } from './removing-hands.ts';

/** Each has a file that is moved while the index is locked. */
const contentsAtOnce = 24;

/** Removes what an import brought that has ended, however it did, without an image that names it. */
export async function sweepAnnounced(
  { graph, metadata, clock, graceMs, changed }: RemovalParts,
  signal?: AbortSignal,
): Promise<void> {
  const now = clock.now();
  const all = allPages<AnnouncedContent, AnnouncedContent>(
    async (page) => await graph.announced({ ...page, now }),
    (content) => content,
  );
  let some: AnnouncedContent[] = [];
  const discard = async (): Promise<void> => {
    signal?.throwIfAborted();
    if (some.length === 0) return;
    const operations = [
      discardAnnounced(
        some.map(({ digest }) => digest),
        clock.now() - graceMs,
      ),
    ];
    some = [];
    await metadata.change(operations);
    changed(operations);
  };
  for await (const content of all) if (some.push(content) === contentsAtOnce) await discard();
  await discard();
}
