import type { DiscardedFiles } from '../storage/discarded-content.ts';
import type { ImageNode } from '../storage/image-graph.ts';
import { CountingHands } from './counting-hands.ts';
import { ImageRemoval } from './image-removal.ts';
import type { RemovalParts } from './removing-hands.ts';

type CountingParts = Pick<RemovalParts, 'graph' | 'clock' | 'graceMs'>;

/**
 * What the file system would have back if an image went, of its blobs: manifests are as nothing beside them. Not what the index counts, since a file may
 * have another name beside the cache. Bytes.
 */
export async function freedBy(
  image: ImageNode,
  parts: CountingParts & { readonly discarded: Pick<DiscardedFiles, 'frees'> },
): Promise<number> {
  const { blobs = [] } = (await counted(image, counting(parts))) ?? {};
  let bytes = 0;
  for (const blob of blobs) bytes += await parts.discarded.frees(blob);
  return bytes;
}

/** Would an image go in vain, since somebody brings or names for now what it alone has? An import does so with all that it has, though it is here already. */
export async function isHeld(image: ImageNode, parts: CountingParts): Promise<boolean> {
  const hands = new CountingHands(parts);
  const { blobs = [] } = (await counted(image, new ImageRemoval(parts.graph, hands))) ?? {};
  return hands.hasMetHeld && blobs.length === 0;
}

/** What the index would count less if all these went, one after the other, until that is enough. Bytes. */
export async function freedByAll(
  images: AsyncIterable<ImageNode>,
  enough: number,
  parts: CountingParts,
): Promise<number> {
  const removal = counting(parts);
  let bytes = 0;
  for await (const image of images) {
    bytes += (await counted(image, removal))?.freed ?? 0;
    if (bytes >= enough) break;
  }
  return bytes;
}

/** One that changes nothing. */
function counting(parts: CountingParts): ImageRemoval {
  return new ImageRemoval(parts.graph, new CountingHands(parts));
}

async function counted({ repository, digest, tags }: ImageNode, removal: ImageRemoval) {
  const names = tags.map(({ tag }) => tag);
  return await removal.remove(repository, digest, names);
}
