import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import { FallbackRegistry } from '#src/registry/fallback-registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { OfflineRegistry } from '#src/registry/offline-registry.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { gate, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');

function down(): never {
  throw new RegistryError('UNAVAILABLE', 'connection refused');
}

describe('the tags of a repository', () => {
  it('are asked for live, and a walk through their pages sees one list', async () => {
    await using cache = new CacheUnderTest();
    putImage(cache.content, alpine, 'b', []);
    putImage(cache.content, alpine, 'a', []);
    assert.deepEqual((await cache.registry.listTags(alpine)).tags, ['a', 'b']);
    putImage(cache.content, alpine, 'c', []);
    await cache.settle();
    assert.deepEqual((await cache.registry.listTags(alpine)).tags, ['a', 'b']);
    await cache.clock.advance(10_000);
    assert.deepEqual((await cache.registry.listTags(alpine)).tags, ['a', 'b', 'c']);
    assert.equal(cache.upstream.calls.length, 2);
  });

  it('are asked for each time where the repository is always asked', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness: freshnessPolicy([], 'always') } });
    putImage(cache.content, alpine, 'a', []);
    await cache.registry.listTags(alpine);
    await cache.settle();
    await cache.registry.listTags(alpine);
    assert.equal(cache.upstream.calls.length, 2);
  });

  it('are the last known ones while upstream fails, and an error where none are known', async () => {
    await using cache = new CacheUnderTest();
    putImage(cache.content, alpine, 'a', []);
    await cache.registry.listTags(alpine);
    await cache.settle();
    await cache.clock.advance(10_000);
    cache.upstream.script = down;
    assert.deepEqual((await cache.registry.listTags(alpine, cache.reporting)).tags, ['a']);
    assert.deepEqual(cache.outcome, { kind: 'stale', cause: 'upstream unavailable' });
    await assert.rejects(cache.registry.listTags(repository('docker.io/library/busybox')), { status: 502 });
  });

  it('are looked for in the store only where upstream does not give them', async () => {
    await using cache = new CacheUnderTest();
    putImage(cache.content, alpine, 'a', []);
    const { metadata } = cache.parts;
    const reads = ['getTagList', 'listTags', 'getReferrersList', 'listReferrers'] as const;
    let count = 0;
    for (const read of reads) {
      const inner = metadata[read].bind(metadata) as (...args: unknown[]) => Promise<never>;
      metadata[read] = async (...args: unknown[]): Promise<never> => {
        count += 1;
        return await inner(...args);
      };
    }
    await cache.registry.listTags(alpine);
    await cache.registry.listReferrers(alpine, sha256(bytes(3)));
    assert.equal(count, 0);
    await cache.settle();
    await cache.clock.advance(10_000);
    cache.upstream.script = down;
    assert.deepEqual((await cache.registry.listTags(alpine)).tags, ['a']);
    assert.equal(count, 1);
  });

  it('that nothing stands in for are waited for, however late they are', async () => {
    await using cache = new CacheUnderTest();
    putImage(cache.content, alpine, 'a', []);
    const slow = gate();
    cache.upstream.script = async () => await slow.wait();
    const list = cache.registry.listTags(alpine);
    const referrers = cache.registry.listReferrers(alpine, sha256(bytes(3)));
    await cache.clock.advance(10_000);
    slow.open();
    assert.deepEqual((await list).tags, ['a']);
    assert.deepEqual((await referrers).referrers, []);
  });

  it('are the cached ones across an air gap, and a 404 where nothing is cached', async () => {
    await using online = new CacheUnderTest();
    putImage(online.content, alpine, 'a', []);
    putImage(online.content, alpine, 'b', []);
    await online.registry.getManifest(alpine, parseTag('a'));
    await online.registry.listTags(alpine);
    await online.settle();
    const { blobs } = online;
    const { metadata } = online.parts;
    await using cache = new CacheUnderTest({
      blobs,
      metadata,
      upstream: new OfflineRegistry(),
      policy: { offline: true, negativeTtl: 0 },
    });
    assert.deepEqual((await cache.registry.listTags(alpine)).tags, ['a']);
    await cache.registry.getManifest(alpine, parseTag('a'));
    await assert.rejects(cache.registry.getManifest(alpine, parseTag('b')), {
      status: 404,
      message: /air-gapped/,
    });
    await assert.rejects(cache.registry.listTags(repository('docker.io/library/busybox')), { status: 404 });
  });
});

describe('the referrers of a manifest', () => {
  it('come from upstream, from the cache when it fails, and are an empty list when there are none', async () => {
    await using cache = new CacheUnderTest();
    const { manifest, config } = putImage(cache.content, alpine, 'v1', []);
    const signature = { schemaVersion: 2, mediaType: ociManifest, config, layers: [], subject: manifest };
    const referrer = cache.content.putManifest(
      alpine,
      undefined,
      Buffer.from(JSON.stringify(signature)),
      ociManifest,
    );
    await cache.registry.getManifest(alpine, referrer.digest);
    await cache.settle();
    cache.upstream.script = down;
    const { referrers: found } = await cache.registry.listReferrers(alpine, manifest.digest);
    assert.deepEqual(
      found.map(({ digest }) => digest),
      [referrer.digest],
    );
    cache.upstream.script = () => undefined;
    assert.deepEqual((await cache.registry.listReferrers(alpine, sha256(bytes(3)))).referrers, []);
  });

  it('that are cached are a part, and said to be one, where the whole list was never seen', async () => {
    await using cache = new CacheUnderTest();
    const { manifest, referrer } = signed(cache);
    await cache.registry.getManifest(alpine, referrer.digest);
    await cache.settle();
    cache.upstream.script = down;
    const list = await cache.registry.listReferrers(alpine, manifest.digest);
    assert.deepEqual([list.referrers.map(({ digest }) => digest), list.cut], [[referrer.digest], 'failed']);
  });

  for (const what of ['an empty list', '404'] as const) {
    it(`are never none because a mirror says so, by ${what}, while the registry is away`, async () => {
      const content = new MemoryRegistry();
      const [mirror, itself] = [new ScriptedRegistry(content), new ScriptedRegistry(content)];
      await using cache = new CacheUnderTest({ upstream: new FallbackRegistry([mirror], itself) });
      const { manifest, referrer } = signed({ content });
      const ask = async () => await cache.registry.listReferrers(alpine, manifest.digest, cache.reporting);
      mirror.referrers = async () => {
        if (what === '404') throw new RegistryError('NAME_UNKNOWN');
        return { referrers: [] };
      };
      itself.script = down;
      await assert.rejects(ask(), { code: 'UNAVAILABLE', status: 502 });
      await cache.settle();
      assert.equal(await cache.parts.metadata.getReferrersList(alpine, manifest.digest), undefined);
      itself.script = () => undefined;
      const listed = async () => (await ask()).referrers.map(({ digest }) => digest);
      assert.deepEqual(await listed(), [referrer.digest]);
      await cache.settle();
      itself.script = down;
      assert.deepEqual(await listed(), [referrer.digest]);
      assert.deepEqual(cache.outcome, { kind: 'stale', cause: 'upstream unavailable' });
      assert.deepEqual([mirror.calls.length, itself.calls.length], [3, 3]);
    });
  }

  it('are none in an outage where the registry has said so before', async () => {
    await using cache = new CacheUnderTest();
    const { manifest } = putImage(cache.content, alpine, 'v1', []);
    await cache.registry.listReferrers(alpine, manifest.digest);
    await cache.settle();
    cache.upstream.script = down;
    const list = await cache.registry.listReferrers(alpine, manifest.digest, cache.reporting);
    assert.deepEqual(list, { referrers: [] });
    assert.equal(cache.outcome?.kind, 'stale');
  });

  it('are across an air gap all that are known, those too that are not here', async () => {
    await using online = new CacheUnderTest();
    const { manifest, referrer } = signed(online);
    await online.registry.listReferrers(alpine, manifest.digest);
    const later = signature(online, manifest, 'later');
    await online.registry.getManifest(alpine, later.digest);
    await online.settle();
    const { blobs } = online;
    const { metadata } = online.parts;
    const policy = { offline: true, negativeTtl: 0 };
    await using cache = new CacheUnderTest({ blobs, metadata, upstream: new OfflineRegistry(), policy });
    const { referrers } = await cache.registry.listReferrers(alpine, manifest.digest);
    assert.deepEqual(
      referrers.map(({ digest }) => digest).toSorted(),
      [referrer.digest, later.digest].toSorted(),
    );
    assert.deepEqual((await cache.registry.listReferrers(alpine, sha256(bytes(3)))).referrers, []);
  });
});

function signed(made: Pick<CacheUnderTest, 'content'>) {
  const { manifest } = putImage(made.content, alpine, 'v1', []);
  return { manifest, referrer: signature(made, manifest, 'first') };
}

function signature(
  { content }: Pick<CacheUnderTest, 'content'>,
  subject: Descriptor,
  by: string,
): Descriptor {
  const config = content.putBlob(alpine, Buffer.from('{}'));
  const json = { schemaVersion: 2, mediaType: ociManifest, config, layers: [], subject, annotations: { by } };
  return content.putManifest(alpine, undefined, Buffer.from(JSON.stringify(json)), ociManifest);
}
