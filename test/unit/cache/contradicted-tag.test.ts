import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { isDigest, parseTag } from '#src/oci/reference.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';

const alpine = repository('docker.io/library/alpine');
const v1 = parseTag('v1');
const announced = sha256(bytes(12));

/** An upstream whose tags are announced by a digest that is neither of their bytes nor to be had. */
function start(options: ConstructorParameters<typeof CacheUnderTest>[0] = {}): CacheUnderTest {
  const cache = new CacheUnderTest(options);
  const { upstream } = cache;
  const give = upstream.getManifest.bind(upstream);
  const describe = upstream.resolveManifest.bind(upstream);
  upstream.getManifest = async (name, reference) => {
    const manifest = await give(name, reference);
    return isDigest(reference) ? manifest : { ...manifest, contradicts: announced };
  };
  upstream.resolveManifest = async (name, reference) => ({
    ...(await describe(name, reference)),
    digest: announced,
  });
  return cache;
}

describe('a tag whose manifest contradicts the digest that upstream announces', () => {
  it('is served by the digest of its bytes, and asked for again next time, also where tags are immutable', async () => {
    for (const freshness of ['immutable', 60_000] as const) {
      await using cache = start({ policy: { freshness: freshnessPolicy([], freshness) } });
      const first = putImage(cache.content, alpine, 'v1', [bytes(10)]).manifest;
      assert.equal((await cache.registry.getManifest(alpine, v1)).descriptor.digest, first.digest);
      const second = putImage(cache.content, alpine, 'v1', [bytes(11)]).manifest;
      assert.equal((await cache.registry.getManifest(alpine, v1)).descriptor.digest, second.digest);
      assert.deepEqual(cache.upstream.calls, [
        `GET ${alpine} manifest v1`,
        `HEAD ${alpine} manifest v1`,
        `GET ${alpine} manifest v1`,
      ]);
    }
  });

  it('has the same digest for HEAD as for GET: what the bytes contradicted is not announced', async () => {
    await using cache = start();
    const { digest } = putImage(cache.content, alpine, 'v1', [bytes(10)]).manifest;
    await cache.registry.getManifest(alpine, v1);
    assert.equal((await cache.registry.resolveManifest(alpine, v1)).digest, digest);
    await using cold = start();
    putImage(cold.content, alpine, 'v1', [bytes(10)]);
    cold.parts.doubted.add(alpine, announced, 'wrong');
    assert.equal((await cold.registry.resolveManifest(alpine, v1)).digest, digest);
    assert.deepEqual(cold.upstream.calls, [`HEAD ${alpine} manifest v1`, `GET ${alpine} manifest v1`]);
  });

  it('is kept for an outage, as stale, also by the next process', async () => {
    await using cache = start();
    const { digest } = putImage(cache.content, alpine, 'v1', [bytes(10)]).manifest;
    await cache.registry.getManifest(alpine, v1);
    await cache.settle();
    const { blobs } = cache;
    const { metadata } = cache.parts;
    await using next = start({ blobs, metadata });
    for (const one of [cache, next]) {
      one.upstream.script = () => {
        throw new RegistryError('UNAVAILABLE');
      };
      assert.equal((await one.registry.getManifest(alpine, v1, one.reporting)).descriptor.digest, digest);
      assert.deepEqual(one.outcome, { kind: 'stale', cause: 'upstream unavailable' });
    }
  });

  it('is kept for an outage in the place of what upstream vouched for before, also by the next process', async () => {
    const policy = { freshness: freshnessPolicy([], 60_000) };
    await using sane = new CacheUnderTest({ policy });
    putImage(sane.content, alpine, 'v1', [bytes(10)]);
    await sane.registry.getManifest(alpine, v1);
    await sane.settle();
    const { blobs } = sane;
    const { metadata } = sane.parts;
    await using cache = start({ blobs, metadata, policy });
    await cache.clock.advance(60_000);
    const second = putImage(cache.content, alpine, 'v1', [bytes(11)]).manifest;
    assert.equal((await cache.registry.getManifest(alpine, v1)).descriptor.digest, second.digest);
    await cache.settle();
    await using next = start({ blobs, metadata, policy });
    next.upstream.script = () => {
      throw new RegistryError('UNAVAILABLE');
    };
    assert.equal((await next.registry.getManifest(alpine, v1)).descriptor.digest, second.digest);
  });

  it('is fresh once upstream announces what its bytes are', async () => {
    await using cache = start();
    const { digest } = putImage(cache.content, alpine, 'v1', [bytes(10)]).manifest;
    await cache.registry.getManifest(alpine, v1);
    cache.upstream.resolveManifest = async (name, reference) =>
      await cache.content.resolveManifest(name, reference);
    await cache.registry.getManifest(alpine, v1, cache.reporting);
    assert.deepEqual(cache.outcome, { kind: 'revalidated' });
    assert.equal((await cache.registry.getManifest(alpine, v1, cache.reporting)).descriptor.digest, digest);
    assert.deepEqual(cache.outcome, { kind: 'hit' });
  });

  it('is served across an air gap as every cached tag', async () => {
    await using cache = start();
    putImage(cache.content, alpine, 'v1', [bytes(10)]);
    await cache.registry.getManifest(alpine, v1);
    await cache.settle();
    const { blobs } = cache;
    const { metadata } = cache.parts;
    await using offline = new CacheUnderTest({
      blobs,
      metadata,
      policy: { offline: true, onGone: 'notFound' },
    });
    await offline.registry.getManifest(alpine, v1, offline.reporting);
    assert.deepEqual(offline.outcome, { kind: 'hit' });
  });
});
