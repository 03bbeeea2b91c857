import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pinImages } from '#src/admin/pin-images.ts';
import { parseTag } from '#src/oci/reference.ts';
import { removeTag } from '#src/storage/operation.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { CachedImages } from '#test/fakes/cached-images.ts';

const app = repository('ghcr.io/org/app');

describe('pinning images', () => {
  it('says of none that it is pinned that was evicted at that moment', async () => {
    await using cache = new CachedImages();
    await cache.image(app, 'first', ['layer'], ['v1', 'v2']);
    const { store, clock } = cache;
    const metadata = {
      getTag: store.getTag.bind(store),
      change: async (operations: Parameters<typeof store.change>[0]) => {
        await store.change([removeTag(app, parseTag('v1'), cache.digest('first'))]);
        await store.change(operations);
      },
    };
    const order = { matches: () => true, isPinned: true };
    const pages = await Array.fromAsync(pinImages(order, { inventory: store.inventory, metadata, clock }));
    assert.deepEqual(
      pages.flat().map(({ reference }) => reference),
      ['ghcr.io/org/app:v2'],
    );
  });
});
