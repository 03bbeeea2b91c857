import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HostedRegistry } from '#src/hosted/hosted-registry.ts';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { isTagText } from '#src/oci/reference.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { app } from '#test/fakes/hosted-under-test.ts';
import { scriptedIndex } from '#test/fakes/scripted-index.ts';

const subject = sha256(Buffer.from('subject'));

function registryOver(script: Partial<MetadataStore>): HostedRegistry {
  const { inventory } = SqliteMetadataStore.inMemory();
  const metadata = scriptedIndex(() => script);
  return new HostedRegistry(new MemoryRegistry(), { metadata, inventory, clock: new FakeClock() });
}

/** As many as are asked for, each with so many characters. */
function referrersOf(chars: number): MetadataStore['pageReferrers'] {
  let made = 0;
  return async (_, __, { limit }) =>
    Array.from({ length: limit }, (): Descriptor => {
      made += 1;
      const digest = sha256(Buffer.from(String(made)));
      return { mediaType: ociManifest, digest, size: 1, annotations: { text: 'x'.repeat(chars) } };
    });
}

describe('a list of what lives here that has no end', () => {
  it('of referrers is told so far, and that it is not all', async () => {
    for (const [chars, most] of [
      [0, 10_000],
      [60_000, 100],
    ] as const) {
      const registry = registryOver({ pageReferrers: referrersOf(chars) });
      const { referrers, cut } = await registry.listReferrers(app, subject);
      assert.equal(cut, 'bounded');
      assert.ok(referrers.length <= most && referrers.length >= 100, `${referrers.length}`);
    }
  });

  it('of tags is told so far, and where it goes on', async () => {
    const asked: (number | undefined)[] = [];
    const registry = registryOver({
      listTags: async (_, { limit = 0 } = {}) => {
        asked.push(limit);
        return Array.from({ length: limit }, (_unused, at) => `t${at}`).filter(isTagText);
      },
    });
    const { tags, hasMore, cut } = await registry.listTags(app);
    assert.deepEqual([tags.length, hasMore, cut], [10_000, true, undefined]);
    const page = await registry.listTags(app, { n: 2 });
    assert.deepEqual([page.tags.length, page.hasMore], [2, true]);
    assert.deepEqual(asked, [10_001, 3]);
  });
});
