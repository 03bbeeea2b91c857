import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { hexOf, sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { type ManifestContent, parseManifest } from '#src/oci/manifest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseTag, type Reference } from '#src/oci/reference.ts';
import type { Manifest } from '#src/oci/registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';

const app = repository('ghcr.io/org/app');
const v1 = parseTag('v1');
const minute = 60_000;

/** Attaches an artifact of one blob: as a referrer, or under a tag in cosign's manner. */
function attach(
  content: MemoryRegistry,
  to: { readonly subject: Descriptor } | { readonly tag: Reference },
  blob: Uint8Array,
  size = blob.length,
  annotations: Readonly<Record<string, string>> = {},
) {
  const config = content.putBlob(app, Buffer.from('{}'));
  const layer = { ...content.putBlob(app, blob), size };
  const json = {
    schemaVersion: 2,
    mediaType: ociManifest,
    artifactType: 'application/x.signature',
    config,
    layers: [layer],
    annotations,
    ...('subject' in to && { subject: to.subject }),
  };
  const reference = 'tag' in to ? to.tag : undefined;
  const manifest = content.putManifest(app, reference, Buffer.from(JSON.stringify(json)), ociManifest);
  return { manifest, layer };
}

/** Says what its manifests hold, as our client of a registry does. */
class ReadingRegistry extends MemoryRegistry {
  readonly #read = new Map<Digest, ManifestContent>();

  override putManifest(...put: Parameters<MemoryRegistry['putManifest']>): Descriptor {
    const descriptor = super.putManifest(...put);
    this.#read.set(descriptor.digest, parseManifest(put[2], descriptor.mediaType));
    return descriptor;
  }

  override async getManifest(...asked: Parameters<MemoryRegistry['getManifest']>): Promise<Manifest> {
    const manifest = await super.getManifest(...asked);
    const content = this.#read.get(manifest.descriptor.digest);
    return { ...manifest, ...(content && { content }) };
  }
}

function cosignTag(digest: Digest, suffix: string): Reference {
  return parseTag(`sha256-${hexOf(digest)}.${suffix}`);
}

function completing(): CacheUnderTest {
  return new CacheUnderTest({ policy: { complete: 'referrers' } });
}

async function pass(cache: CacheUnderTest, milliseconds: number, step = 500): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += step) {
    await cache.settle();
    await cache.clock.advance(step);
  }
  await cache.settle();
}

function outage(cache: CacheUnderTest): void {
  cache.upstream.script = () => {
    throw new RegistryError('UNAVAILABLE');
  };
}

async function read(cache: CacheUnderTest, digest: Digest): Promise<Buffer> {
  await using reader = await cache.registry.getBlob(app, digest);
  return await collect(reader.body);
}

function asked(cache: CacheUnderTest, part: string): number {
  return cache.upstream.calls.filter((call) => call.includes(part)).length;
}

describe('what refers to an image that was served', () => {
  it('is listed in an outage and can be pulled, though nobody had asked for it', async () => {
    await using cache = completing();
    const image = putImage(cache.content, app, 'v1', [bytes(1000)]);
    const signature = attach(cache.content, { subject: image.manifest }, bytes(300, 7));
    await cache.registry.getManifest(app, v1);
    await pass(cache, 5000);
    outage(cache);
    const { referrers } = await cache.registry.listReferrers(app, image.manifest.digest);
    assert.deepEqual(
      referrers.map(({ digest }) => digest),
      [signature.manifest.digest],
    );
    const manifest = await cache.registry.getManifest(app, signature.manifest.digest);
    assert.equal(sha256(manifest.bytes), signature.manifest.digest);
    assert.deepEqual(await read(cache, signature.layer.digest), Buffer.from(bytes(300, 7)));
  });

  it('is brought also under the tags of cosign', async () => {
    await using cache = completing();
    const { manifest } = putImage(cache.content, app, 'v1', [bytes(1000)]);
    const tag = cosignTag(manifest.digest, 'sig');
    const signature = attach(cache.content, { tag }, bytes(300, 7));
    await cache.registry.getManifest(app, v1);
    await pass(cache, 5000);
    outage(cache);
    const { descriptor } = await cache.registry.getManifest(app, tag);
    assert.equal(descriptor.digest, signature.manifest.digest);
    assert.deepEqual(await read(cache, signature.layer.digest), Buffer.from(bytes(300, 7)));
    // What is not there is no fault, and costs a HEAD.
    assert.equal(asked(cache, `HEAD ${app} manifest ${cosignTag(manifest.digest, 'sbom')}`), 1);
    assert.equal(asked(cache, `GET ${app} manifest ${cosignTag(manifest.digest, 'sbom')}`), 0);
  });

  it('is brought under the tags of cosign also while nobody gives the list', async () => {
    await using cache = completing();
    const { manifest } = putImage(cache.content, app, 'v1', [bytes(1000)]);
    const tag = cosignTag(manifest.digest, 'sig');
    const signature = attach(cache.content, { tag }, bytes(300, 7));
    cache.upstream.referrers = async () => {
      throw new RegistryError('UNAVAILABLE');
    };
    await cache.registry.getManifest(app, v1);
    await pass(cache, 5000);
    outage(cache);
    const { descriptor } = await cache.registry.getManifest(app, tag);
    assert.equal(descriptor.digest, signature.manifest.digest);
    assert.equal(asked(cache, `HEAD ${app} manifest ${tag}`), 1);
  });

  it('is looked for at the index and at the manifests that are asked for, not at others', async () => {
    await using cache = completing();
    const amd64 = putImage(cache.content, app, 'amd64', [bytes(10, 1)]);
    const arm64 = putImage(cache.content, app, 'arm64', [bytes(10, 2)]);
    const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [amd64.manifest, arm64.manifest] };
    const pointed = cache.content.putManifest(app, v1, Buffer.from(JSON.stringify(index)), ociIndex);
    await cache.registry.getManifest(app, v1);
    await cache.registry.getManifest(app, amd64.manifest.digest);
    await pass(cache, 5000);
    assert.equal(asked(cache, `LIST ${app} referrers ${pointed.digest}`), 1);
    assert.equal(asked(cache, `LIST ${app} referrers ${amd64.manifest.digest}`), 1);
    assert.equal(asked(cache, arm64.manifest.digest), 0);
  });

  it('is not asked for where blobs alone are to be completed', async () => {
    await using cache = new CacheUnderTest({ policy: { complete: true } });
    const { manifest } = putImage(cache.content, app, 'v1', [bytes(1000)]);
    attach(cache.content, { subject: manifest }, bytes(300, 7));
    await cache.registry.getManifest(app, v1);
    await cache.registry.listReferrers(app, manifest.digest);
    await pass(cache, 5000);
    // Manifest, list, config and layer.
    assert.equal(cache.upstream.calls.length, 4);
  });

  it('is found when it comes later and the image is served again, as is what is added under a tag', async () => {
    await using cache = completing();
    const { manifest } = putImage(cache.content, app, 'v1', [bytes(1000)]);
    const tag = cosignTag(manifest.digest, 'sig');
    attach(cache.content, { tag }, bytes(300, 7));
    await cache.registry.getManifest(app, v1);
    await pass(cache, 5000);
    const added = attach(cache.content, { tag }, bytes(300, 8));
    const later = attach(cache.content, { subject: manifest }, bytes(300, 9));
    await cache.registry.getManifest(app, v1);
    await pass(cache, 5000);
    assert.equal(asked(cache, 'LIST'), 1);
    await pass(cache, 60 * minute, 5000);
    await cache.registry.getManifest(app, v1);
    await pass(cache, 5000);
    assert.equal(asked(cache, 'LIST'), 2);
    outage(cache);
    assert.equal((await cache.registry.getManifest(app, tag)).descriptor.digest, added.manifest.digest);
    assert.deepEqual(await read(cache, added.layer.digest), Buffer.from(bytes(300, 8)));
    assert.deepEqual(await read(cache, later.layer.digest), Buffer.from(bytes(300, 9)));
  });

  it('is brought when a client has asked for the list of it', async () => {
    await using cache = completing();
    const { manifest } = putImage(cache.content, app, 'v1', [bytes(1000)]);
    const signature = attach(cache.content, { subject: manifest }, bytes(300, 7));
    await cache.registry.listReferrers(app, manifest.digest);
    await pass(cache, 5000);
    outage(cache);
    await cache.registry.getManifest(app, signature.manifest.digest);
    assert.deepEqual(await read(cache, signature.layer.digest), Buffer.from(bytes(300, 7)));
  });

  it('is no more than a hundred manifests, none of them larger than a manifest may be', async () => {
    await using cache = completing();
    putImage(cache.content, app, 'v1', [bytes(1000)]);
    const referrers = Array.from({ length: 10_000 }, (_, seed) => ({
      mediaType: ociManifest,
      digest: sha256(bytes(10, seed)),
      size: seed === 0 ? 5_000_000 : 500,
    }));
    cache.upstream.referrers = async () => ({ referrers });
    await cache.registry.getManifest(app, v1);
    await pass(cache, 30_000);
    const gets = cache.upstream.calls.filter((call) => call.startsWith(`GET ${app} manifest sha256:`));
    assert.equal(gets.length, 100);
    assert.equal(gets.length, new Set(gets).size);
    assert.equal(asked(cache, referrers[0]?.digest ?? ''), 0);
  });

  it('is left where it is too large to be a signature', async () => {
    await using cache = completing();
    const { manifest } = putImage(cache.content, app, 'v1', [bytes(1000)]);
    const large = attach(cache.content, { subject: manifest }, bytes(300, 7), 65 * 1024 * 1024);
    await cache.registry.getManifest(app, v1);
    await pass(cache, 5000);
    assert.equal(asked(cache, large.manifest.digest), 1);
    assert.equal(asked(cache, large.layer.digest), 0);
    assert.equal(await cache.parts.metadata.getManifest(app, large.manifest.digest), undefined);
  });

  it('is not parsed once more where its bytes are many', async (t) => {
    const content = new ReadingRegistry();
    await using cache = new CacheUnderTest({ policy: { complete: 'referrers' }, upstream: content });
    const { manifest } = putImage(content, app, 'v1', [bytes(1000)]);
    const text = 'x'.repeat(300_000);
    const referrer = attach(content, { subject: manifest }, bytes(300, 7), 300, { text });
    const { referrers } = await content.listReferrers(app, manifest.digest);
    cache.upstream.referrers = async () => ({ referrers });
    await cache.registry.getManifest(app, v1);
    const parse = t.mock.method(JSON, 'parse').mock;
    await pass(cache, 5000);
    assert.notEqual(await cache.parts.metadata.getManifest(app, referrer.manifest.digest), undefined);
    assert.ok(parse.calls.every(({ arguments: [json] }) => !String(json).includes(text)));
  });

  it('is not asked for while the quota of upstream is for what clients ask for', async () => {
    const quota = { isLow: true };
    const mayRevalidate = () => !quota.isLow;
    await using cache = new CacheUnderTest({ policy: { complete: 'referrers', mayRevalidate } });
    const { manifest, layers } = putImage(cache.content, app, 'v1', [bytes(1000)]);
    const signature = attach(cache.content, { subject: manifest }, bytes(300, 7));
    await cache.registry.getManifest(app, v1);
    await pass(cache, 5000);
    assert.equal(asked(cache, 'LIST'), 0);
    assert.equal(asked(cache, layers[0]?.digest ?? ''), 1);
    quota.isLow = false;
    await pass(cache, 40_000);
    assert.equal(asked(cache, signature.layer.digest), 1);
  });
});
