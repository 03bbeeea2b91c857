import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '#src/oci/digest.ts';
import { type Digest, parseDigest, type RepositoryName } from '#src/oci/reference.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';

/** What is said to be here is here, and is what it is said to be; how many blobs that was. */
export async function assertWhole(imagePath: string): Promise<number> {
  const v1 = join(imagePath, 'v1');
  await using store = await SqliteMetadataStore.open(v1);
  const fileOf = async (digest: Digest) => sha256(await readStored(v1, digest));
  let seen = 0;
  for (const image of await store.inventory.images({ limit: 500 })) {
    const owner: RepositoryName = image.repository;
    const { digest } = image.descriptor;
    assert.equal(await fileOf(digest), digest);
    const missing = (await store.listMissingBlobs(owner, digest, 100)) ?? assert.fail();
    const named = await store.graph.named(owner, digest, { limit: 100 });
    for (const blob of named) {
      if (missing.some((each) => each.digest === blob.digest)) continue;
      assert.equal(await store.hasBlob(owner, blob.digest), true);
      assert.equal(await fileOf(parseDigest(blob.digest)), blob.digest);
      seen += 1;
    }
  }
  return seen;
}

/** Whoever is killed between the move of a file and the word of it leaves it in the trash, whence the next look puts it back. */
async function readStored(v1: string, digest: Digest): Promise<Buffer> {
  try {
    return await readFile(join(v1, 'blobs', ...digest.split(':')));
  } catch (error) {
    const trash = join(v1, 'trash');
    const moved = (await readdir(trash)).find((name) => name.startsWith(digest.replace(':', '-')));
    if (moved === undefined) throw error;
    return await readFile(join(trash, moved));
  }
}
