import type { BroughtBlob, BroughtContent } from '../load/archive/import-image.ts';
import { LackedContentError, LoadError } from '../load/load-error.ts';
import type { Digest } from '../oci/reference.ts';
import { BlobUnreadableError, type ContentStore } from '../storage/content-store.ts';
import type { BundleList, ListedBlob } from './bundle-list.ts';
import { proofOf } from './possession.ts';

/**
 * What was brought, and what a bundle names without bringing it: because an earlier one has it, or a tar of it is not there. Of the latter what the store has is
 * given where the bundle proves that whoever made it had the bytes; a digest alone proves nothing.
 */
export class EarlierContent implements BroughtContent {
  readonly #brought: BroughtContent;
  readonly #lists: readonly BundleList[];
  readonly #content: ContentStore;
  /** What was proved in this run, with its size. */
  readonly #proved: Map<Digest, BroughtBlob>;

  constructor(
    brought: BroughtContent,
    lists: readonly BundleList[],
    { content, proved }: { readonly content: ContentStore; readonly proved: Map<Digest, BroughtBlob> },
  ) {
    this.#brought = brought;
    this.#lists = lists;
    this.#content = content;
    this.#proved = proved;
  }

  async bring(digest: Digest): Promise<BroughtBlob | undefined> {
    const blob = (await this.#brought.bring(digest)) ?? (await this.#provedBlob(digest));
    if (blob !== undefined) return blob;
    for (const list of this.#lists) {
      const listed = list.blobs.get(digest);
      if (listed !== undefined) throw lacking(list, listed);
    }
    return undefined;
  }

  async #provedBlob(digest: Digest): Promise<BroughtBlob | undefined> {
    const known = this.#proved.get(digest);
    if (known !== undefined && (await this.#content.stat(digest))?.size === known.size) return known;
    for (const { head, blobs } of this.#lists) {
      const listed = blobs.get(digest);
      if (listed === undefined || !(await this.#isProved(listed, head.nonce))) continue;
      const blob = { size: listed.size };
      this.#proved.set(digest, blob);
      return blob;
    }
    return undefined;
  }

  async #isProved({ digest, size, proof }: ListedBlob, nonce: string): Promise<boolean> {
    try {
      await using blob = await this.#content.open(digest);
      return blob?.size === size && (await proofOf(blob, nonce)) === proof;
    } catch (error) {
      if (error instanceof BlobUnreadableError) return false;
      throw error;
    }
  }
}

/** What this bundle should have is lacked because of a fault of it; what an earlier one has is not. */
function lacking({ head, chunks }: BundleList, { digest, chunk }: ListedBlob): LoadError {
  const words = `it lacks ${digest}, which`;
  if (chunk === undefined) {
    const earlier = `an earlier bundle has${head.since === undefined ? '' : ` (${head.since})`}`;
    return new LoadError(`${words} ${earlier}: import that first`);
  }
  const file = chunks[chunk - 1]?.file;
  const where = file === undefined ? 'the bundle' : JSON.stringify(file);
  return new LackedContentError(digest, `${words} ${where} should have`);
}
