import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { blobsOf } from '#src/cache/completion/completion-job.ts';
import { sweepIncomplete } from '#src/cache/completion/completion-sweep.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { ociIndex } from '#src/oci/media-type.ts';
import { type Digest, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import type { BlobOptions, BlobReader } from '#src/oci/registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { StoreFullError } from '#src/storage/content-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import type { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import type { LogLines } from '#test/fakes/log-lines.ts';
import { indexThatWaits } from '#test/fakes/scripted-index.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const busybox = repository('docker.io/library/busybox');
const v1 = parseTag('v1');

/** Lets the completer take its next turns. */
async function turns(cache: CacheUnderTest, count = 8): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await cache.settle();
    await cache.clock.advance(250);
  }
  await cache.settle();
}

async function pass(cache: CacheUnderTest, milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 5000) {
    await cache.clock.advance(5000);
    await cache.settle();
  }
}

/** The lines that call a registry at fault. */
function blamed({ log }: CacheUnderTest): readonly string[] {
  return (log as LogLines).at('warn').filter((line) => line.includes('the registry fails'));
}

/** Gives some blobs as slowly as a byte each five seconds, until their reader leaves. */
class DrippingRegistry extends MemoryRegistry {
  readonly drips = new Set<Digest>();
  clock: FakeClock | undefined;
  ended = 0;

  override async getBlob(
    repository: RepositoryName,
    digest: Digest,
    options: BlobOptions = {},
  ): Promise<BlobReader> {
    const reader = await super.getBlob(repository, digest, options);
    return this.drips.has(digest) ? { ...reader, body: this.#drip(options.signal) } : reader;
  }

  async *#drip(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        yield bytes(1);
        await this.clock?.sleep(5000, signal);
      }
    } finally {
      this.ended += 1;
    }
  }
}

/** A cache in front of one that drips. */
function dripping() {
  const upstream = new DrippingRegistry();
  const { layers, config } = putImage(upstream, alpine, 'v1', [bytes(100_000)]);
  const [layer] = layers;
  assert.ok(layer);
  upstream.drips.add(layer.digest);
  const cache = new CacheUnderTest({ policy: { complete: true }, upstream });
  upstream.clock = cache.clock;
  return { cache, upstream, layer, config };
}

describe('an image that was served', () => {
  it('is completed with the blobs that no client asked for', async () => {
    await using cache = new CacheUnderTest({ policy: { complete: true } });
    const { layers, config } = putImage(cache.content, alpine, 'v1', [bytes(1000, 1), bytes(1000, 2)]);
    await cache.registry.getManifest(alpine, v1);
    const asked = layers[1];
    assert.ok(asked);
    await using reader = await cache.registry.getBlob(alpine, asked.digest);
    await collect(reader.body);
    await turns(cache);
    for (const { digest } of [config, ...layers])
      assert.ok(await cache.parts.metadata.hasBlob(alpine, digest));
    assert.equal(cache.upstream.calls.filter((call) => call.includes(asked.digest)).length, 1);
    assert.equal(cache.upstream.calls.length, 4);
  });

  it('waits while a client waits for a transfer', async () => {
    await using cache = new CacheUnderTest({ policy: { complete: true } });
    putImage(cache.content, alpine, 'v1', [bytes(1000)]);
    const big = cache.content.putBlob(alpine, bytes(100_000, 9));
    const slow = gate();
    cache.upstream.script = (call) => (call.includes(big.digest) ? slow.wait() : undefined);
    const pulling = cache.registry.getBlob(alpine, big.digest);
    await cache.registry.getManifest(alpine, v1);
    await turns(cache);
    assert.equal(cache.upstream.calls.length, 2);
    slow.open();
    await using reader = await pulling;
    await collect(reader.body);
    await turns(cache);
    assert.equal(cache.upstream.calls.length, 4);
  });

  it('is not waited for where upstream hardly sends it: the transfer is ended, and begun again later', async () => {
    const { cache, upstream, layer, config } = dripping();
    await using _ = cache;
    await cache.registry.getManifest(alpine, v1);
    await cache.settle();
    await pass(cache, 20_000);
    assert.ok(await cache.parts.metadata.hasBlob(alpine, config.digest));
    assert.equal(cache.parts.fills.running, 1);
    await pass(cache, 15_000);
    assert.equal(cache.parts.fills.running, 0);
    // The second is the other connection that was tried beside the first.
    assert.equal(upstream.ended, 2);
    upstream.drips.clear();
    await pass(cache, 60_000);
    assert.ok(await cache.parts.metadata.hasBlob(alpine, layer.digest));
    assert.equal(cache.upstream.calls.filter((call) => call.includes(layer.digest)).length, 3);
  });

  it('waits where there is no room for what nobody waits for, which is no fault of the registry', async () => {
    await using cache = new CacheUnderTest({ policy: { complete: true, maxAbandoned: 1 } });
    const { layers } = putImage(
      cache.content,
      alpine,
      'v1',
      [1, 2, 3, 4, 5].map((seed) => bytes(1000, seed)),
    );
    const large = cache.content.putBlob(alpine, bytes(200_000, 9));
    const rest = gate();
    cache.upstream.body = async function* (chunks, call) {
      const all = await collect(chunks);
      yield all.subarray(0, 100_000);
      if (call.includes(large.digest)) await rest.wait();
      yield all.subarray(100_000);
    };
    const gone = new AbortController();
    const client = await cache.registry.getBlob(alpine, large.digest, { signal: gone.signal });
    await rest.reached;
    gone.abort(new Error('left'));
    await client[Symbol.asyncDispose]();
    await cache.registry.getManifest(alpine, v1);
    await cache.settle();
    await pass(cache, 5000);
    // The large one, the manifest, and one try.
    assert.equal(cache.upstream.calls.length, 3);
    rest.open();
    await pass(cache, 120_000);
    for (const { digest } of layers) assert.ok(await cache.parts.metadata.hasBlob(alpine, digest));
    assert.deepEqual(blamed(cache), []);
  });

  it('waits where the disk is full, which is no fault of the registry', async () => {
    const blobs = new MemoryBlobStore();
    await using cache = new CacheUnderTest({ policy: { complete: true }, blobs });
    putImage(
      cache.content,
      alpine,
      'v1',
      [1, 2, 3, 4, 5].map((seed) => bytes(1000, seed)),
    );
    await cache.registry.getManifest(alpine, v1);
    await cache.settle();
    blobs.begin = async () => {
      throw new StoreFullError('full');
    };
    await pass(cache, 20_000);
    assert.equal(cache.upstream.calls.length, 2);
    assert.deepEqual(blamed(cache), []);
  });

  it('is found in the index as soon as its manifest is there, if not before', async () => {
    const writable = gate();
    const metadata = indexThatWaits('put manifest', async () => await writable.wait());
    await using cache = new CacheUnderTest({ policy: { complete: true }, metadata });
    const { config, layers } = putImage(cache.content, alpine, 'v1', [bytes(1000)]);
    await cache.registry.getManifest(alpine, v1);
    await turns(cache);
    assert.equal(cache.upstream.calls.length, 1);
    writable.open();
    await pass(cache, 31_000);
    for (const { digest } of [config, ...layers]) assert.ok(await metadata.hasBlob(alpine, digest));
  });

  it('is left as it is where completion is off, whoever hands it in', async () => {
    await using cache = new CacheUnderTest({ policy: { complete: false } });
    putImage(cache.content, alpine, 'v1', [bytes(1000)]);
    await cache.registry.getManifest(alpine, v1);
    cache.parts.completer.add(blobsOf(alpine, sha256(bytes(1))));
    await turns(cache);
    assert.equal(cache.upstream.calls.length, 1);
  });

  it('is left alone while upstream limits us', async () => {
    await using cache = new CacheUnderTest({ policy: { complete: true } });
    putImage(cache.content, alpine, 'v1', [bytes(1000)]);
    await cache.registry.getManifest(alpine, v1);
    cache.upstream.script = () => {
      throw new RegistryError('TOOMANYREQUESTS', undefined, { headers: { 'Retry-After': '120' } });
    };
    await turns(cache);
    assert.equal(cache.upstream.calls.length, 2);
    cache.upstream.script = () => undefined;
    await turns(cache);
    assert.equal(cache.upstream.calls.length, 2);
    await cache.clock.advance(120_000);
    await turns(cache);
    assert.equal(cache.upstream.calls.length, 4);
  });

  it('brings its own blobs, not the other platforms of its index', async () => {
    await using cache = new CacheUnderTest({ policy: { complete: true } });
    const amd64 = putImage(cache.content, alpine, 'amd64', [bytes(10, 1)]);
    const arm64 = putImage(cache.content, alpine, 'arm64', [bytes(10, 2)]);
    const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [amd64.manifest, arm64.manifest] };
    cache.content.putManifest(alpine, v1, Buffer.from(JSON.stringify(index)), ociIndex);
    await cache.registry.getManifest(alpine, v1);
    await cache.registry.getManifest(alpine, amd64.manifest.digest);
    await turns(cache);
    const asked = cache.upstream.calls.join('\n');
    for (const { digest } of [amd64.config, ...amd64.layers]) assert.ok(asked.includes(digest));
    for (const { digest } of [arm64.manifest, arm64.config, ...arm64.layers])
      assert.ok(!asked.includes(digest));
  });

  it('does not keep the program from stopping, though upstream does not answer', {
    timeout: 5000,
  }, async () => {
    const never = gate();
    {
      await using cache = new CacheUnderTest({ policy: { complete: true } });
      putImage(cache.content, alpine, 'v1', [bytes(1000)]);
      putImage(cache.content, busybox, 'v1', [bytes(1000)]);
      await cache.registry.getManifest(alpine, v1);
      await turns(cache);
      cache.upstream.script = (call) => (call.startsWith('HEAD') ? never.wait() : undefined);
      await cache.registry.getManifest(busybox, v1);
      await turns(cache);
      assert.match(cache.upstream.calls.at(-1) ?? '', /^HEAD .*busybox blob/);
    }
    never.open();
  });

  it('is taken up again by the next process', async () => {
    await using earlier = new CacheUnderTest({ policy: { complete: false } });
    const { config, manifest } = putImage(earlier.content, alpine, 'v1', [bytes(1000)]);
    await earlier.registry.getManifest(alpine, v1);
    await earlier.settle();
    const { blobs } = earlier;
    const { metadata } = earlier.parts;
    await using cache = new CacheUnderTest({
      policy: { complete: true },
      blobs,
      metadata,
      upstream: earlier.content,
    });
    assert.deepEqual(await metadata.listMissingBlobs(alpine, manifest.digest, 1), [
      { digest: config.digest, size: config.size },
    ]);
    const stop = new AbortController();
    const { clock, completer, log } = cache.parts;
    const sweeping = sweepIncomplete({ metadata, completer, clock, log }, stop.signal);
    await turns(cache, 12);
    assert.deepEqual(await metadata.listMissingBlobs(alpine, manifest.digest, 10), []);
    stop.abort();
    await sweeping;
  });
});
