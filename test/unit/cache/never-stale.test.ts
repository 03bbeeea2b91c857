import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const v1 = parseTag('v1');
const freshness = freshnessPolicy([], 'always');
const neverStale = true;
const config = { mediaType: 'application/x', digest: sha256(bytes(1)), size: 1 };

function down(): never {
  throw new RegistryError('UNAVAILABLE', 'connection refused');
}

describe('who wants nothing stale', () => {
  it('is told why upstream cannot say, also right behind a failure for which others are served', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness } });
    putImage(cache.content, alpine, 'v1', [bytes(10)]);
    await cache.registry.getManifest(alpine, v1);
    cache.upstream.script = down;
    await cache.registry.getManifest(alpine, v1, cache.reporting);
    assert.deepEqual(cache.outcome, { kind: 'stale', cause: 'upstream unavailable' });
    const refused = { message: 'connection refused' };
    await assert.rejects(cache.registry.getManifest(alpine, v1, { neverStale }), refused);
    await assert.rejects(cache.registry.resolveManifest(alpine, v1, { neverStale }), refused);
    cache.upstream.script = () => undefined;
    await cache.registry.getManifest(alpine, v1, { ...cache.reporting, neverStale });
    assert.deepEqual(cache.outcome, { kind: 'revalidated' });
  });

  it('has upstream’s word of a tag that has moved, also where its quota is low', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness, mayRevalidate: () => false } });
    putImage(cache.content, alpine, 'v1', [bytes(10)]);
    await cache.registry.getManifest(alpine, v1);
    await cache.settle();
    const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(11)]);
    const { digest } = await cache.registry.resolveManifest(alpine, v1, { neverStale });
    assert.equal(digest, manifest.digest);
  });

  it('waits longer than others for an upstream that is slow', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness } });
    putImage(cache.content, alpine, 'v1', [bytes(10)]);
    await cache.registry.getManifest(alpine, v1);
    const slow = gate();
    cache.upstream.script = slow.wait;
    const waiting = cache.registry.getManifest(alpine, v1, { ...cache.reporting, neverStale });
    await slow.reached;
    await cache.clock.advance(5000);
    slow.open();
    await waiting;
    assert.deepEqual(cache.outcome, { kind: 'revalidated' });
  });

  it('waits longer than others for a list of referrers, too', async () => {
    await using cache = new CacheUnderTest();
    const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10)]);
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType: ociManifest,
      layers: [],
      config,
      subject: manifest,
    });
    cache.content.putManifest(alpine, undefined, Buffer.from(text), ociManifest);
    await cache.registry.listReferrers(alpine, manifest.digest);
    await cache.settle();
    const slow = gate();
    cache.upstream.script = slow.wait;
    const waiting = cache.registry.listReferrers(alpine, manifest.digest, { ...cache.reporting, neverStale });
    await slow.reached;
    await cache.clock.advance(5000);
    slow.open();
    assert.equal((await waiting).referrers.length, 1);
    assert.deepEqual(cache.outcome, { kind: 'miss' });
  });

  it('has no list of referrers from before, but what is here across an air gap', async () => {
    for (const offline of [false, true]) {
      await using cache = new CacheUnderTest({ policy: { offline } });
      const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10)]);
      await cache.registry.getManifest(alpine, v1);
      await cache.registry.listReferrers(alpine, manifest.digest);
      await cache.settle();
      cache.upstream.script = down;
      const list = cache.registry.listReferrers(alpine, manifest.digest, { neverStale });
      if (offline) assert.deepEqual((await list).referrers, []);
      else await assert.rejects(list, { message: 'connection refused' });
    }
  });
});
