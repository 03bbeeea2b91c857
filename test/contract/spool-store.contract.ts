import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DigestHasher, sha256 } from '#src/oci/digest.ts';
import type { ByteRange } from '#src/oci/registry.ts';
import { type ContentStore, StoreFullError } from '#src/storage/content-store.ts';
import type { Spool, SpoolNote, SpoolStore } from '#src/storage/spool-store.ts';
import { bytes, collect } from '#test/fakes/images.ts';

const mebibyte = 1024 * 1024;
const content = Buffer.from(bytes(3 * mebibyte));
const note: SpoolNote = { digest: sha256(content), scope: 'docker.io', size: content.length };

export interface MadeSpools extends AsyncDisposable {
  readonly store: ContentStore & SpoolStore;
  /** Bytes that are used for what is on its way. */
  readonly used: () => Promise<number>;
  /** So many bytes are left for it from now on. */
  readonly limit: (bytes: number) => void;
}

/** Made anew for each test; disposing removes whatever it stored. */
export type SpoolStoreFactory = () => Promise<MadeSpools>;

async function write(spool: Spool, first: number, end: number): Promise<void> {
  await spool.write(first, content.subarray(first, end));
}

/** Writes these parts of the content, keeps them and is done. */
async function keep(store: SpoolStore, parts: readonly ByteRange[], of: SpoolNote = note): Promise<void> {
  await using spool = await store.begin();
  spool.mark(of);
  for (const { first, last } of parts) await write(spool, first, last + 1);
  await spool.keep();
}

const firstTwo = [{ first: 0, last: 2 * mebibyte - 1 }];

/** What every SpoolStore promises. */
export function spoolStoreContract(name: string, create: SpoolStoreFactory): void {
  describe(`${name} as a SpoolStore`, () => {
    it('takes bytes at any offset, in any order, and tells which are there', async () => {
      await using made = await create();
      await using spool = await made.store.begin();
      await write(spool, 2000, 3000);
      await write(spool, 100, 200);
      assert.deepEqual(
        [...spool.ranges],
        [
          { first: 100, last: 199 },
          { first: 2000, last: 2999 },
        ],
      );
      assert.deepEqual(await collect(spool.read({ first: 2500, last: 2999 })), content.subarray(2500, 3000));
      await write(spool, 200, 2000);
      assert.deepEqual([...spool.ranges], [{ first: 100, last: 2999 }]);
      assert.deepEqual(await collect(spool.read({ first: 100, last: 2999 })), content.subarray(100, 3000));
    });

    it('takes writes that overlap in time, whatever their order', async () => {
      await using made = await create();
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.integer({ min: 1, max: 299_999 }), { maxLength: 8 }),
          fc.infiniteStream(fc.nat()),
          async (cuts, order) => {
            const ends = [...cuts.sort((one, other) => one - other), 300_000];
            const parts = ends.map((end, at) => ({
              first: ends[at - 1] ?? 0,
              end,
              rank: order.next().value,
            }));
            await using spool = await made.store.begin();
            const writes = parts.toSorted((one, other) => one.rank - other.rank);
            await Promise.all(writes.map(async ({ first, end }) => await write(spool, first, end)));
            assert.deepEqual([...spool.ranges], [{ first: 0, last: 299_999 }]);
            const read = await collect(spool.read({ first: 0, last: 299_999 }));
            assert.ok(read.equals(content.subarray(0, 300_000)));
          },
        ),
        { numRuns: 20 },
      );
    });

    it('gives back what was kept, holes as holes, to whoever asks for this blob by this scope', async () => {
      await using made = await create();
      const parts = [
        { first: 5, last: mebibyte },
        { first: 2 * mebibyte, last: 2 * mebibyte + 9 },
      ];
      await keep(made.store, parts);
      await using spool = await made.store.reopen(note);
      assert.ok(spool);
      assert.deepEqual([...spool.ranges], parts);
      for (const part of parts)
        assert.ok((await collect(spool.read(part))).equals(content.subarray(part.first, part.last + 1)));
    });

    it('gives it to one alone', async () => {
      await using made = await create();
      await keep(made.store, firstTwo);
      await using spool = await made.store.reopen(note);
      assert.ok(spool);
      assert.equal(await made.store.reopen(note), undefined);
    });

    it('gives it to one of many who ask at once', async () => {
      await using made = await create();
      await keep(made.store, firstTwo);
      const asked = await Promise.all(Array.from({ length: 5 }, async () => await made.store.reopen(note)));
      const got = asked.filter((spool) => spool !== undefined);
      assert.equal(got.length, 1);
      for (const spool of got) await spool[Symbol.asyncDispose]();
    });

    it('gives nothing to another scope, nor of another blob', async () => {
      await using made = await create();
      await keep(made.store, firstTwo);
      assert.equal(await made.store.reopen({ ...note, scope: 'ghcr.io' }), undefined);
      assert.equal(await made.store.reopen({ ...note, digest: sha256(bytes(1)) }), undefined);
      await using spool = await made.store.reopen(note);
      assert.ok(spool);
    });

    it('makes a blob of what was reopened and filled', async () => {
      await using made = await create();
      await keep(made.store, [{ first: mebibyte, last: 3 * mebibyte - 1 }]);
      {
        await using spool = await made.store.reopen(note);
        assert.ok(spool);
        await write(spool, 0, mebibyte);
        const hasher = new DigestHasher(note.digest);
        for await (const chunk of spool.read({ first: 0, last: content.length - 1 })) hasher.update(chunk);
        await made.store.put(spool, hasher.verify());
      }
      await using blob = await made.store.open(note.digest);
      assert.ok(blob);
      assert.ok((await collect(blob.read())).equals(content));
      assert.equal(await made.store.reopen(note), undefined);
      assert.equal(await made.used(), 0);
    });

    it('takes the same bytes once more, at the cost of no room', async () => {
      await using made = await create();
      await keep(made.store, firstTwo);
      await using spool = await made.store.reopen(note);
      assert.ok(spool);
      await write(spool, mebibyte, 3 * mebibyte);
      assert.equal(spool.ranges.total, 3 * mebibyte);
      assert.equal(await made.used(), 3 * mebibyte);
      await spool[Symbol.asyncDispose]();
      assert.equal(await made.used(), 0);
    });

    it('keeps what was reopened again, with what came since', async () => {
      await using made = await create();
      await keep(made.store, firstTwo);
      {
        await using spool = await made.store.reopen(note);
        assert.ok(spool);
        await write(spool, 2 * mebibyte + 7, 2 * mebibyte + 9);
        await spool.keep();
      }
      await using spool = await made.store.reopen(note);
      assert.ok(spool);
      assert.deepEqual([...spool.ranges], [...firstTwo, { first: 2 * mebibyte + 7, last: 2 * mebibyte + 8 }]);
    });

    it('lets whoever reads what was kept read on while another goes on with it', async () => {
      await using made = await create();
      await using first = await made.store.begin();
      first.mark(note);
      await write(first, 0, 2 * mebibyte);
      await first.keep();
      await using second = await made.store.reopen(note);
      assert.ok(second);
      await write(second, 2 * mebibyte, 3 * mebibyte);
      assert.ok(
        (await collect(first.read({ first: 0, last: 2 * mebibyte - 1 }))).equals(
          content.subarray(0, 2 * mebibyte),
        ),
      );
      await first[Symbol.asyncDispose]();
      assert.ok((await collect(second.read({ first: 0, last: content.length - 1 }))).equals(content));
    });

    it('leaves nothing of what was disposed of and not kept', async () => {
      await using made = await create();
      {
        await using spool = await made.store.begin();
        spool.mark(note);
        await write(spool, 0, content.length);
      }
      assert.equal(await made.store.reopen(note), undefined);
      assert.equal(await made.used(), 0);
    });

    it('leaves nothing of what was reopened and then disposed of', async () => {
      await using made = await create();
      await keep(made.store, firstTwo);
      await (await made.store.reopen(note))?.[Symbol.asyncDispose]();
      assert.equal(await made.store.reopen(note), undefined);
      assert.equal(await made.used(), 0);
    });

    it('keeps nothing of which nobody said what it is, nor what is not worth it', async () => {
      await using made = await create();
      {
        await using spool = await made.store.begin();
        await write(spool, 0, content.length);
        await spool.keep();
      }
      await keep(made.store, [{ first: 0, last: mebibyte - 2 }]);
      assert.equal(await made.store.reopen(note), undefined);
      assert.equal(await made.used(), 0);
    });

    it('takes nothing more when it is kept, and waits for what was being written', async () => {
      await using made = await create();
      {
        await using spool = await made.store.begin();
        spool.mark(note);
        await write(spool, 0, mebibyte);
        const writing = write(spool, mebibyte, 2 * mebibyte);
        await spool.keep();
        await writing;
        await assert.rejects(write(spool, 2 * mebibyte, content.length));
      }
      await using spool = await made.store.reopen(note);
      assert.deepEqual([...(spool?.ranges ?? [])], firstTwo);
    });

    it('keeps of two of one blob the larger', async () => {
      for (const sizes of [
        [1, 2],
        [2, 1],
      ]) {
        await using made = await create();
        for (const size of sizes) await keep(made.store, [{ first: 0, last: size * mebibyte - 1 }]);
        await using spool = await made.store.reopen(note);
        assert.deepEqual([...(spool?.ranges ?? [])], firstTwo);
        assert.equal(await made.used(), 2 * mebibyte);
      }
    });

    it('keeps 64 at most: those that were kept longest ago go first', async () => {
      await using made = await create();
      const notes = Array.from({ length: 66 }, (_, at) => ({ ...note, scope: `host${at}` }));
      for (const of of notes) await keep(made.store, [{ first: 0, last: mebibyte - 1 }], of);
      assert.equal(await made.used(), 64 * mebibyte);
      const [first, second, third] = notes;
      assert.ok(first && second && third);
      assert.equal(await made.store.reopen(first), undefined);
      assert.equal(await made.store.reopen(second), undefined);
      await using spool = await made.store.reopen(third);
      assert.ok(spool);
    });

    it('gives the room of what is kept to what comes new, where there is no other', async () => {
      await using made = await create();
      await keep(made.store, firstTwo);
      await keep(made.store, firstTwo, { ...note, scope: 'ghcr.io' });
      made.limit(mebibyte / 2);
      await using spool = await made.store.begin();
      await write(spool, 0, 2 * mebibyte);
      assert.equal(await made.store.reopen(note), undefined);
      await using other = await made.store.reopen({ ...note, scope: 'ghcr.io' });
      assert.ok(other);
      await assert.rejects(write(spool, 2 * mebibyte, content.length), StoreFullError);
    });
  });
}
