import { digestLike } from '../../oci/digest.ts';
import { maxManifestSize } from '../../oci/manifest.ts';
import type { Digest } from '../../oci/reference.ts';
import type { ContentStore } from '../../storage/content-store.ts';

/** A manifest or config out of the store. Undefined: it is not there, is too large, or is damaged. */
export async function storedBytes(content: ContentStore, digest: Digest): Promise<Uint8Array | undefined> {
  await using blob = await content.open(digest);
  if (blob === undefined || blob.size > maxManifestSize) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of blob.read()) chunks.push(Uint8Array.from(chunk));
  const bytes = Buffer.concat(chunks);
  return digestLike(digest, bytes) === digest ? bytes : undefined;
}
