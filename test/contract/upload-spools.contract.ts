import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DigestHasher, sha256, type VerifiedBlob } from '#src/oci/digest.ts';
import type { ContentStore } from '#src/storage/content-store.ts';
import type { UploadSpools } from '#src/storage/upload-spools.ts';
import { bytes, collect } from '#test/fakes/images.ts';

const content = bytes(100_000);
const id = '0123456789abcdef'.repeat(2);
const otherId = 'f'.repeat(32);

export interface MadeUploads extends AsyncDisposable {
  readonly store: ContentStore & { readonly uploads: UploadSpools };
}

function verified(): VerifiedBlob {
  const hasher = new DigestHasher(sha256(content));
  hasher.update(content);
  return hasher.verify();
}

/** Some more of the content, behind what is there. */
async function append(uploads: UploadSpools, bytesMore: number): Promise<void> {
  await using spool = await uploads.open(id);
  assert.ok(spool);
  const at = spool.ranges.endFrom(0);
  await spool.write(at, content.subarray(at, at + bytesMore));
}

/** What every UploadSpools promises. */
export function uploadSpoolsContract(name: string, create: () => Promise<MadeUploads>): void {
  describe(`${name} as UploadSpools`, () => {
    it('keeps bytes from one opening to the next, and tells how many there are', async () => {
      await using made = await create();
      const { uploads } = made.store;
      assert.equal(await uploads.stat(id), undefined);
      await append(uploads, 40_000);
      assert.equal((await uploads.stat(id))?.size, 40_000);
      await append(uploads, 60_000);
      await using spool = await uploads.open(id);
      assert.ok(spool);
      assert.deepEqual([...spool.ranges], [{ first: 0, last: 99_999 }]);
      assert.deepEqual(await collect(spool.read({ first: 0, last: 99_999 })), Buffer.from(content));
      assert.deepEqual(await Array.fromAsync(uploads.list()), [id]);
    });

    it('has one of which nothing has come yet, for whoever opens it', async () => {
      await using made = await create();
      const { uploads } = made.store;
      await uploads.make(id);
      assert.equal((await uploads.stat(id))?.size, 0);
      await append(uploads, 10);
      assert.deepEqual([(await uploads.stat(id))?.size, await Array.fromAsync(uploads.list())], [10, [id]]);
      await uploads.make(otherId);
      await uploads.discard(otherId);
      assert.equal(await uploads.stat(otherId), undefined);
    });

    it('gives one to one at a time', async () => {
      await using made = await create();
      const { uploads } = made.store;
      {
        await using first = await uploads.open(id);
        assert.ok(first);
        assert.equal(await uploads.open(id), undefined);
        await using other = await uploads.open(otherId);
        assert.ok(other);
        assert.equal((await uploads.stat(id))?.size, 0);
      }
      await using again = await uploads.open(id);
      assert.ok(again);
    });

    it('has nothing of one that was put, or thrown away', async () => {
      await using made = await create();
      const { store } = made;
      await append(store.uploads, 100_000);
      {
        await using spool = await store.uploads.open(id);
        assert.ok(spool);
        await store.put(spool, verified());
      }
      assert.equal(await store.uploads.stat(id), undefined);
      await using blob = await store.open(sha256(content));
      assert.equal(blob?.size, 100_000);
      await append(store.uploads, 10);
      await store.uploads.discard(id);
      assert.equal(await store.uploads.stat(id), undefined);
      assert.deepEqual(await Array.fromAsync(store.uploads.list()), []);
    });

    it('leaves alone what somebody has open, though it is to be thrown away', async () => {
      await using made = await create();
      const { uploads } = made.store;
      await append(uploads, 10);
      await using spool = await uploads.open(id);
      assert.ok(spool);
      await uploads.discard(id);
      await spool.write(10, content.subarray(10, 20));
      assert.equal((await uploads.stat(id))?.size, 20);
    });
  });
}
