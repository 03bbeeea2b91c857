import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DigestHasher, sha256, type VerifiedBlob } from '#src/oci/digest.ts';
import type { ContentStore, StoredBlob } from '#src/storage/content-store.ts';
import type { SpoolStore } from '#src/storage/spool-store.ts';
import { bytes, collect } from '#test/fakes/images.ts';

/** Made anew for each test; disposing removes whatever it stored. */
export type ContentStoreFactory = () => Promise<
  { readonly store: ContentStore & SpoolStore } & AsyncDisposable
>;

function verified(content: Uint8Array): VerifiedBlob {
  const hasher = new DigestHasher(sha256(content));
  hasher.update(content);
  return hasher.verify();
}

/** Stores a blob in one go. */
async function put(store: ContentStore & SpoolStore, content: Uint8Array): Promise<VerifiedBlob> {
  const blob = verified(content);
  await using spool = await store.begin();
  await spool.write(0, content);
  await store.put(spool, blob);
  return blob;
}

/** Without what tells its file from others. */
function plain(stored: StoredBlob | undefined): Pick<StoredBlob, 'digest' | 'size'> | undefined {
  return stored && { digest: stored.digest, size: stored.size };
}

async function read(
  store: ContentStore & SpoolStore,
  content: Uint8Array,
  range?: { first: number; last: number },
): Promise<Buffer> {
  await using blob = await store.open(sha256(content));
  assert.ok(blob);
  return await collect(blob.read(range));
}

/** What every ContentStore promises. */
export function contentStoreContract(name: string, create: ContentStoreFactory): void {
  describe(`${name} as a ContentStore`, () => {
    it('knows nothing of a blob that was never stored', async () => {
      await using made = await create();
      const { digest } = verified(bytes(3));
      assert.equal(await made.store.stat(digest), undefined);
      assert.equal(await made.store.open(digest), undefined);
      assert.equal(await made.store.delete(digest), false);
      assert.deepEqual(await Array.fromAsync(made.store.list()), []);
    });

    it('shows a blob when it is committed and not before', async () => {
      await using made = await create();
      const content = bytes(200_000);
      const blob = verified(content);
      await using spool = await made.store.begin();
      await spool.write(0, content);
      assert.equal(await made.store.stat(blob.digest), undefined);
      assert.equal(await made.store.open(blob.digest), undefined);
      assert.deepEqual(await Array.fromAsync(made.store.list()), []);
      await made.store.put(spool, blob);
      const stored = { digest: blob.digest, size: 200_000 };
      assert.deepEqual(plain(await made.store.stat(blob.digest)), stored);
      assert.deepEqual((await Array.fromAsync(made.store.list())).map(plain), [stored]);
      assert.deepEqual(await read(made.store, content), Buffer.from(content));
    });

    it('keeps an empty blob', async () => {
      await using made = await create();
      const blob = await put(made.store, bytes(0));
      assert.equal((await made.store.stat(blob.digest))?.size, 0);
      assert.equal((await read(made.store, bytes(0))).length, 0);
    });

    it('keeps bytes that are in memory, whatever is there already', async () => {
      await using made = await create();
      const sizes = [0, 1, 65_536, 1_000_000];
      for (const size of [...sizes, ...sizes]) {
        const content = Buffer.from(bytes(size));
        const { digest } = verified(content);
        assert.deepEqual(plain(await made.store.keep(verified(content), content)), { digest, size });
        assert.deepEqual(plain(await made.store.stat(digest)), { digest, size });
        if (size > 0) assert.ok((await read(made.store, content)).equals(content));
      }
      assert.equal((await Array.fromAsync(made.store.list())).length, sizes.length);
    });

    it('keeps many at once, and one that is put or kept twice at once', async () => {
      await using made = await create();
      const contents = Array.from({ length: 200 }, (_, at) => bytes(1000 + (at % 150), (at % 150) + 1));
      await Promise.all([
        ...contents.map(async (content) => await made.store.keep(verified(content), content)),
        put(made.store, contents[0] ?? bytes(1)),
      ]);
      assert.equal((await Array.fromAsync(made.store.list())).length, 150);
      for (const content of contents.slice(0, 150))
        assert.ok((await read(made.store, content)).equals(content));
    });

    it('discards what was begun and not committed', async () => {
      await using made = await create();
      const content = bytes(100);
      {
        await using spool = await made.store.begin();
        await spool.write(0, content);
      }
      assert.equal(await made.store.stat(sha256(content)), undefined);
    });

    it('refuses to make a blob of another length than was written, or of what has holes', async () => {
      await using made = await create();
      const content = bytes(100);
      await using spool = await made.store.begin();
      await spool.write(10, content.subarray(10));
      await assert.rejects(made.store.put(spool, verified(content)));
      await assert.rejects(made.store.put(spool, verified(content.subarray(10))));
      await spool.write(0, content.subarray(0, 10));
      await assert.rejects(made.store.put(spool, verified(content.subarray(0, 50))));
      assert.equal(await made.store.stat(sha256(content)), undefined);
    });

    it('lets two write one blob at once', async () => {
      await using made = await create();
      const content = bytes(1000);
      const blob = verified(content);
      await using first = await made.store.begin();
      await using second = await made.store.begin();
      await first.write(0, content);
      await second.write(0, content);
      await Promise.all([made.store.put(first, blob), made.store.put(second, blob)]);
      assert.deepEqual(await read(made.store, content), Buffer.from(content));
      assert.equal((await Array.fromAsync(made.store.list())).length, 1);
    });

    it('lets a reader finish a blob that is deleted meanwhile', async () => {
      await using made = await create();
      const content = bytes(300_000);
      const { digest } = await put(made.store, content);
      await using blob = await made.store.open(digest);
      assert.ok(blob);
      assert.equal(await made.store.delete(digest), true);
      assert.equal(await made.store.stat(digest), undefined);
      assert.deepEqual(await collect(blob.read()), Buffer.from(content));
    });

    it('knows what it has just stored by the same stamp as whoever finds it there', async () => {
      await using made = await create();
      const content = bytes(300_000);
      await using spool = await made.store.begin();
      await spool.write(0, content);
      const stored = await made.store.put(spool, verified(content));
      assert.deepEqual(await made.store.stat(stored.digest), stored);
      await using blob = await made.store.open(stored.digest);
      assert.deepEqual(blob?.stamp, stored.stamp);
    });

    it('finds no more what was set aside, lets its readers finish, and takes the right bytes in its place', async () => {
      await using made = await create();
      const content = bytes(300_000);
      const { digest } = await put(made.store, content);
      await using blob = await made.store.open(digest);
      assert.ok(blob);
      await made.store.setAside(blob);
      assert.equal(await made.store.stat(digest), undefined);
      assert.equal(await made.store.open(digest), undefined);
      assert.deepEqual(await Array.fromAsync(made.store.list()), []);
      assert.deepEqual(await collect(blob.read()), Buffer.from(content));
      assert.equal(await made.store.setAside(blob), undefined);
      await put(made.store, content);
      assert.deepEqual(await read(made.store, content), Buffer.from(content));
    });

    it('reads what is spooled, while it is written, after it became a blob and until it is disposed', async () => {
      await using made = await create();
      const content = bytes(150_000);
      const blob = verified(content);
      await using spool = await made.store.begin();
      await spool.write(0, content.subarray(0, 100_000));
      assert.deepEqual([...spool.ranges], [{ first: 0, last: 99_999 }]);
      assert.deepEqual(
        await collect(spool.read({ first: 10, last: 99_999 })),
        Buffer.from(content.subarray(10, 100_000)),
      );
      await spool.write(100_000, content.subarray(100_000));
      await made.store.put(spool, blob);
      assert.deepEqual(await collect(spool.read({ first: 0, last: 149_999 })), Buffer.from(content));
    });

    it('gives back the same bytes whatever the chunks they came in and the range they are asked for', async () => {
      await using made = await create();
      const content = Buffer.from(bytes(1_200_000));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.integer({ min: 1, max: 400_000 })),
          fc.nat(),
          fc.nat(),
          async (sizes, a, b) => {
            const blob = verified(content);
            await using spool = await made.store.begin();
            let at = 0;
            for (const size of [...sizes, content.length]) {
              await spool.write(at, content.subarray(at, Math.min(at + size, content.length)));
              at = Math.min(at + size, content.length);
            }
            await made.store.put(spool, blob);
            const [first, last] = [a % content.length, b % content.length].sort((x, y) => x - y) as [
              number,
              number,
            ];
            assert.ok(
              (await read(made.store, content, { first, last })).equals(content.subarray(first, last + 1)),
            );
          },
        ),
        { numRuns: 20 },
      );
    });

    it('serves several readers of one open blob', async () => {
      await using made = await create();
      const content = bytes(2_000_000);
      const { digest } = await put(made.store, content);
      await using blob = await made.store.open(digest);
      assert.ok(blob);
      const bodies = await Promise.all([collect(blob.read()), collect(blob.read()), collect(blob.read())]);
      for (const body of bodies) assert.ok(body.equals(content));
    });
  });
}
