import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseTag } from '#src/oci/reference.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const v1 = parseTag('v1');
const minute = freshnessPolicy([], 60_000);
const always = freshnessPolicy([], 'always');

function down(): never {
  throw new RegistryError('UNAVAILABLE', 'connection refused');
}

describe('a tag', () => {
  it('that is immutable is asked for once, by twenty clients and for ever', async () => {
    await using cache = new CacheUnderTest();
    const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10)]);
    const got = await Promise.all(
      Array.from({ length: 20 }, async () => await cache.registry.getManifest(alpine, v1)),
    );
    for (const { descriptor } of got) assert.equal(descriptor.digest, manifest.digest);
    putImage(cache.content, alpine, 'v1', [bytes(11)]);
    await cache.clock.advance(1e9);
    const later = await cache.registry.getManifest(alpine, v1, cache.reporting);
    assert.equal(later.descriptor.digest, manifest.digest);
    assert.deepEqual(cache.outcome, { kind: 'hit' });
    assert.deepEqual(cache.upstream.calls, [`GET ${alpine} manifest v1`]);
  });

  it('that grew old costs one HEAD, and a GET only when its digest moved', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness: minute } });
    putImage(cache.content, alpine, 'v1', [bytes(10)]);
    await cache.registry.getManifest(alpine, v1);
    await cache.clock.advance(60_000);
    await cache.registry.getManifest(alpine, v1, cache.reporting);
    assert.deepEqual(cache.outcome, { kind: 'revalidated' });
    const moved = putImage(cache.content, alpine, 'v1', [bytes(11)]);
    await cache.clock.advance(60_000);
    const { descriptor } = await cache.registry.getManifest(alpine, v1, cache.reporting);
    assert.equal(descriptor.digest, moved.manifest.digest);
    assert.deepEqual(cache.outcome, { kind: 'miss', collapsed: false });
    assert.deepEqual(cache.upstream.calls, [
      `GET ${alpine} manifest v1`,
      `HEAD ${alpine} manifest v1`,
      `HEAD ${alpine} manifest v1`,
      `GET ${alpine} manifest ${moved.manifest.digest}`,
    ]);
  });

  it('that is always asked is asked each time', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness: always } });
    putImage(cache.content, alpine, 'v1', [bytes(10)]);
    for (let pull = 0; pull < 3; pull += 1) await cache.registry.getManifest(alpine, v1);
    assert.deepEqual(cache.upstream.calls, [
      `GET ${alpine} manifest v1`,
      `HEAD ${alpine} manifest v1`,
      `HEAD ${alpine} manifest v1`,
    ]);
  });

  it('is served stale when upstream fails, with the reason, and an error where nothing is cached', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness: always } });
    const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10)]);
    await cache.registry.getManifest(alpine, v1);
    cache.upstream.script = down;
    const { descriptor } = await cache.registry.getManifest(alpine, v1, cache.reporting);
    assert.equal(descriptor.digest, manifest.digest);
    assert.deepEqual(cache.outcome, { kind: 'stale', cause: 'upstream unavailable' });
    await assert.rejects(cache.registry.getManifest(alpine, parseTag('v2')), { status: 502 });
  });

  it('is served stale when upstream has nothing for it any more that can be served', async () => {
    for (const status of [413, 415]) {
      await using cache = new CacheUnderTest({ policy: { freshness: always } });
      const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10)]);
      await cache.registry.getManifest(alpine, v1);
      cache.upstream.script = () => {
        throw new RegistryError('UNSUPPORTED', 'schema 1', { status });
      };
      const { descriptor } = await cache.registry.getManifest(alpine, v1, cache.reporting);
      assert.equal(descriptor.digest, manifest.digest);
      assert.deepEqual(cache.outcome, { kind: 'stale', cause: 'upstream has what cannot be served' });
      await assert.rejects(cache.registry.getManifest(alpine, parseTag('v2')), { status });
    }
  });

  it('is served stale after two seconds of silence, and fresh once upstream has answered after all', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness: minute } });
    putImage(cache.content, alpine, 'v1', [bytes(10)]);
    await cache.registry.getManifest(alpine, v1);
    await cache.clock.advance(60_000);
    const silence = gate();
    cache.upstream.script = silence.wait;
    const pulling = cache.registry.getManifest(alpine, v1, cache.reporting);
    await silence.reached;
    await cache.clock.untilSleeping();
    await cache.clock.advance(2000);
    await pulling;
    assert.deepEqual(cache.outcome, { kind: 'stale', cause: 'upstream timed out' });
    silence.open();
    await cache.settle();
    await cache.clock.advance(2000);
    await cache.registry.getManifest(alpine, v1, cache.reporting);
    assert.deepEqual(cache.outcome, { kind: 'hit' });
  });

  it('that is gone upstream is kept and reported, or answered 404 where that is configured', async () => {
    for (const onGone of ['serve', 'notFound'] as const) {
      const metadata = SqliteMetadataStore.inMemory();
      await using cache = new CacheUnderTest({ metadata, policy: { freshness: always, onGone } });
      const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10)]);
      const goneAt = async () => (await metadata.graph.node(alpine, manifest.digest))?.tags[0]?.goneAt;
      await cache.registry.getManifest(alpine, v1);
      await cache.settle();
      assert.equal(await goneAt(), undefined);
      cache.content.deleteTag(alpine, v1);
      const pulling = cache.registry.getManifest(alpine, v1, cache.reporting);
      if (onGone === 'notFound') await assert.rejects(pulling, { status: 404 });
      else
        await pulling.then(() => assert.deepEqual(cache.outcome, { kind: 'stale', cause: 'gone upstream' }));
      await cache.settle();
      assert.equal(await goneAt(), cache.clock.now());
      // Who makes up names writes nothing.
      await assert.rejects(cache.registry.getManifest(alpine, parseTag('never')), { status: 404 });
    }
  });

  it('whose HEAD announces a digest that upstream does not know is not gone: its GET says what it is', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness: always, onGone: 'notFound' } });
    putImage(cache.content, alpine, 'v1', [bytes(10)]);
    await cache.registry.getManifest(alpine, v1);
    const moved = putImage(cache.content, alpine, 'v1', [bytes(11)]).manifest;
    const wrong = { ...moved, digest: sha256(bytes(12)) };
    cache.upstream.resolveManifest = async () => wrong;
    const got = await cache.registry.getManifest(alpine, v1, cache.reporting);
    assert.equal(got.descriptor.digest, moved.digest);
    assert.deepEqual(cache.outcome, { kind: 'miss', collapsed: false });
    assert.deepEqual(cache.upstream.calls.slice(1), [
      `GET ${alpine} manifest ${wrong.digest}`,
      `GET ${alpine} manifest v1`,
    ]);
  });

  it('that upstream does not have is asked for again after the negative time, other errors at once', async () => {
    await using cache = new CacheUnderTest();
    putImage(cache.content, alpine, 'v1', []);
    const ask = async () => await cache.registry.getManifest(alpine, parseTag('nope'));
    await assert.rejects(ask(), { code: 'MANIFEST_UNKNOWN' });
    await assert.rejects(ask(), { code: 'MANIFEST_UNKNOWN' });
    assert.equal(cache.upstream.calls.length, 1);
    await cache.clock.advance(10_000);
    cache.upstream.script = down;
    await assert.rejects(ask(), { status: 502 });
    await assert.rejects(ask(), { status: 502 });
    assert.equal(cache.upstream.calls.length, 3);
  });

  it('and another tag of the same digest both survive in the stores', async () => {
    await using cache = new CacheUnderTest();
    const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10)]);
    const image = await cache.content.getManifest(alpine, v1);
    cache.content.putManifest(alpine, parseTag('v1.0'), image.bytes, image.descriptor.mediaType);
    await cache.registry.getManifest(alpine, v1);
    await cache.registry.getManifest(alpine, parseTag('v1.0'));
    await cache.settle();
    assert.deepEqual(await cache.parts.metadata.listTags(alpine), ['v1', 'v1.0']);
    assert.equal((await cache.parts.metadata.getTag(alpine, v1))?.descriptor.digest, manifest.digest);
  });

  it('is fetched though the client that asked first has left', async () => {
    await using cache = new CacheUnderTest();
    putImage(cache.content, alpine, 'v1', [bytes(10)]);
    const asked = gate();
    cache.upstream.script = asked.wait;
    const client = new AbortController();
    const first = cache.registry.getManifest(alpine, v1, { signal: client.signal });
    await asked.reached;
    const second = cache.registry.getManifest(alpine, v1);
    client.abort(new Error('client is gone'));
    await assert.rejects(first, /client is gone/);
    asked.open();
    await second;
    assert.equal(cache.upstream.calls.length, 1);
  });
});

describe('a manifest by digest', () => {
  it('is read from the store after the memory is lost, and fetched again when it is damaged there', async () => {
    await using cache = new CacheUnderTest();
    const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10)]);
    await cache.registry.getManifest(alpine, v1);
    await cache.settle();
    const { blobs } = cache;
    const { metadata } = cache.parts;
    await using again = new CacheUnderTest({ blobs, metadata, upstream: cache.content });
    await again.registry.getManifest(alpine, manifest.digest, again.reporting);
    assert.deepEqual(again.outcome, { kind: 'hit' });
    assert.deepEqual(again.upstream.calls, []);
    await blobs.delete(manifest.digest);
    await using third = new CacheUnderTest({ blobs, metadata, upstream: cache.content });
    await third.registry.getManifest(alpine, v1);
    assert.deepEqual(third.upstream.calls, [`GET ${alpine} manifest ${manifest.digest}`]);
  });
});
