import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { recordOf } from '#src/cache/memory/stored-manifests.ts';
import { verifyWhole } from '#src/oci/digest.ts';
import { parseManifest } from '#src/oci/manifest.ts';
import { parseTag, type Reference } from '#src/oci/reference.ts';
import { type Operation, putManifest, putTag } from '#src/storage/operation.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const v1 = parseTag('v1');

/** Upstream is asked, and answers nothing until `speak` is called. */
async function silentUpstream() {
  const cache = new CacheUnderTest();
  const { manifest: descriptor } = putImage(cache.content, alpine, v1, [bytes(10)]);
  const { bytes: text } = await cache.content.getManifest(alpine, v1);
  const asked = gate();
  cache.upstream.script = async () => await asked.wait();
  const { digest } = descriptor;
  /** As an import does it: the manifest, or its tag as well. */
  const bring = async (by: 'tag' | 'digest', checkedAt = cache.clock.now()): Promise<void> => {
    await cache.parts.content.keep(verifyWhole(digest, text), text);
    const record = recordOf({ descriptor, bytes: text }, parseManifest(text, descriptor.mediaType));
    const operations: Operation[] = [putManifest(alpine, record, 'import')];
    if (by === 'tag') operations.push(putTag(alpine, { tag: v1, descriptor, checkedAt }));
    await cache.change(operations);
  };
  const get = async (reference: Reference) =>
    (await cache.registry.getManifest(alpine, reference, cache.reporting)).descriptor.digest;
  const head = async (reference: Reference) =>
    (await cache.registry.resolveManifest(alpine, reference, cache.reporting)).digest;
  return {
    ...{ cache, digest, bring, get, head },
    asked: asked.reached,
    speak: () => asked.open(),
    async [Symbol.asyncDispose]() {
      asked.open();
      await cache[Symbol.asyncDispose]();
    },
  };
}

describe('a manifest that an import brings while upstream, which was asked for it, is silent', () => {
  for (const how of ['get', 'head'] as const) {
    it(`is given to whoever waits for its tag: ${how}`, async () => {
      await using it = await silentUpstream();
      const waiting = it[how](v1);
      await it.asked;
      await it.bring('tag');
      assert.equal(await waiting, it.digest);
      assert.deepEqual(it.cache.outcome, { kind: 'hit' });
      assert.equal(it.cache.upstream.calls.length, 1);
      assert.equal(it.cache.parts.awaited.size, 0);
    });

    it(`is given to whoever waits for its digest: ${how}`, async () => {
      await using it = await silentUpstream();
      const waiting = it[how](it.digest);
      await it.asked;
      await it.bring('digest');
      assert.equal(await waiting, it.digest);
      assert.deepEqual(it.cache.outcome, { kind: 'hit' });
    });
  }

  it('is not what a tag waits for that it does not bring', async () => {
    await using it = await silentUpstream();
    const waiting = it.get(v1);
    await it.asked;
    await it.bring('digest');
    await it.cache.settle();
    assert.equal(it.cache.parts.awaited.size, 1);
    it.speak();
    assert.equal(await waiting, it.digest);
    assert.equal(it.cache.outcome?.kind, 'miss');
  });

  it('is given where it came between the look into the store and the waiting', async () => {
    await using it = await silentUpstream();
    const { metadata } = it.cache.parts;
    const getTag = metadata.getTag.bind(metadata);
    metadata.getTag = async (...asked) => {
      const seen = await getTag(...asked);
      metadata.getTag = getTag;
      await it.bring('tag');
      return seen;
    };
    assert.equal(await it.get(v1), it.digest);
  });
});
