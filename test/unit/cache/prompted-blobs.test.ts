import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PromptedBlobs } from '#src/cache/prompted-blobs.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { type Digest, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import { FallbackRegistry } from '#src/registry/fallback-registry.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect, type Image, putImage } from '#test/fakes/images.ts';
import { gate, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const other = repository('docker.io/acme/other');
const v1 = parseTag('v1');
const minutes = 60_000;

function digestOf({ layers }: Image, index = 0): Digest {
  return layers[index]?.digest ?? assert.fail();
}

async function pull(cache: CacheUnderTest, digest: Digest, name = alpine): Promise<Buffer> {
  await using reader = await cache.registry.getBlob(name, digest);
  return await collect(reader.body);
}

/**
 * A cache that has the manifest of an image of two layers, in front of an upstream that has blobs of a repository only after
 * one of its manifests was pulled through it. What happened before is not among its calls.
 */
async function behindCache(): Promise<{ cache: CacheUnderTest; image: Image; forget(): void }> {
  const cache = new CacheUnderTest();
  const image = putImage(cache.content, alpine, 'v1', [bytes(1000), bytes(2000, 2)]);
  await cache.registry.getManifest(alpine, v1);
  await cache.settle();
  cache.upstream.calls.length = 0;
  const pulled = new Set<string>();
  cache.upstream.script = (call) => {
    const [method = '', name = '', kind] = call.split(' ');
    if (kind === 'blob' && !pulled.has(name)) throw new RegistryError('BLOB_UNKNOWN');
    if (kind === 'manifest' && method === 'GET') pulled.add(name);
  };
  return { cache, image, forget: () => pulled.clear() };
}

describe('an upstream that has a blob only after its manifest was pulled through it', () => {
  it('is asked for the manifest that names the blob, then for the blob again', async () => {
    const { cache, image } = await behindCache();
    await using _ = cache;
    const digest = digestOf(image);
    assert.ok((await pull(cache, digest)).equals(bytes(1000)));
    assert.deepEqual(cache.upstream.calls, [
      `GET ${alpine} blob ${digest}`,
      `GET ${alpine} manifest ${image.manifest.digest}`,
      `GET ${alpine} blob ${digest}`,
    ]);
  });

  it('is asked so by a HEAD too', async () => {
    const { cache, image } = await behindCache();
    await using _ = cache;
    assert.equal((await cache.registry.resolveBlob(alpine, digestOf(image))).size, 1000);
    assert.equal(cache.upstream.calls.length, 3);
  });

  it('is asked so when it is to say whether another repository owns a stored blob', async () => {
    const { cache, image } = await behindCache();
    await using _ = cache;
    const digest = digestOf(image);
    await pull(cache, digest);
    const shared = putImage(cache.content, other, 'v1', [bytes(1000)]);
    await cache.registry.getManifest(other, v1);
    await cache.settle();
    cache.upstream.calls.length = 0;
    const { script } = cache.upstream;
    let isPulled = false;
    cache.upstream.script = (call) => {
      if (call.startsWith(`HEAD ${other}`) && !isPulled) throw new RegistryError('NAME_UNKNOWN');
      isPulled ||= call.startsWith(`GET ${other} manifest`);
      return script(call);
    };
    assert.ok((await pull(cache, digest, other)).equals(bytes(1000)));
    assert.deepEqual(cache.upstream.calls, [
      `HEAD ${other} blob ${digest}`,
      `GET ${other} manifest ${shared.manifest.digest}`,
      `HEAD ${other} blob ${digest}`,
    ]);
  });

  it('is asked for the manifest once, by all its blobs that come at once', async () => {
    const { cache, image } = await behindCache();
    await using _ = cache;
    const { script } = cache.upstream;
    const answer = gate();
    cache.upstream.script = async (call) => {
      if (call.includes(' manifest ')) await answer.wait();
      await script(call);
    };
    const pulling = [0, 1].map(async (index) => await pull(cache, digestOf(image, index)));
    await answer.reached;
    await cache.settle();
    answer.open();
    assert.deepEqual(
      (await Promise.all(pulling)).map(({ length }) => length),
      [1000, 2000],
    );
    assert.equal(cache.upstream.calls.filter((call) => call.includes(' manifest ')).length, 1);
  });

  it('is asked for the manifest again after ten minutes, not before', async () => {
    const { cache, image, forget } = await behindCache();
    await using _ = cache;
    await pull(cache, digestOf(image));
    forget();
    cache.upstream.calls.length = 0;
    const second = digestOf(image, 1);
    for (let minute = 1; minute < 10; minute += 1) {
      await cache.clock.advance(1 * minutes);
      await assert.rejects(pull(cache, second), { status: 404 });
    }
    assert.deepEqual(cache.upstream.calls, Array(9).fill(`GET ${alpine} blob ${second}`));
    await cache.clock.advance(1 * minutes);
    assert.ok((await pull(cache, second)).equals(bytes(2000, 2)));
  });

  it('that cannot give the manifest now has its failure told, not that the blob is unknown', async () => {
    const { cache, image } = await behindCache();
    await using _ = cache;
    const { script } = cache.upstream;
    cache.upstream.script = (call) => {
      if (call.includes(' manifest ')) throw new RegistryError('TOOMANYREQUESTS');
      return script(call);
    };
    await assert.rejects(pull(cache, digestOf(image)), { code: 'TOOMANYREQUESTS' });
  });

  it('that has lost the manifest as well is asked for a few that name the blob', async () => {
    const { cache, image } = await behindCache();
    await using _ = cache;
    cache.upstream.script = () => undefined;
    for (const tag of ['v2', 'v3', 'v4', 'v5']) {
      putImage(cache.content, alpine, tag, [bytes(1000)]);
      await cache.registry.getManifest(alpine, parseTag(tag));
    }
    await cache.settle();
    cache.upstream.calls.length = 0;
    cache.upstream.script = (call) => {
      throw new RegistryError(call.includes(' blob ') ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN');
    };
    await assert.rejects(pull(cache, digestOf(image)), { code: 'BLOB_UNKNOWN' });
    assert.equal(cache.upstream.calls.length, 1 + 3);
  });
});

describe('mirrors and a registry of which a mirror has the manifest of a blob that it lacks', () => {
  it('are each asked for the manifest, then for the blob again', async () => {
    const { cache, image } = await behindCache();
    await using _ = cache;
    const mirror = new ScriptedRegistry(cache.content);
    mirror.script = (call) => {
      if (call.includes(' blob ')) throw new RegistryError('BLOB_UNKNOWN');
    };
    const blobs = new PromptedBlobs(new FallbackRegistry([mirror], cache.upstream), cache.parts);
    const digest = digestOf(image);
    await using reader = await blobs.getBlob(alpine, digest);
    assert.ok((await collect(reader.body)).equals(bytes(1000)));
    const calls = [
      `GET ${alpine} blob ${digest}`,
      `GET ${alpine} manifest ${image.manifest.digest}`,
      `GET ${alpine} blob ${digest}`,
    ];
    assert.deepEqual([mirror.calls, cache.upstream.calls], [calls, calls]);
  });

  it('are asked for the blob again where one of them gave the manifest', async () => {
    for (const givesNone of [false, true]) {
      const { cache, image } = await behindCache();
      await using _ = cache;
      const mirror = new ScriptedRegistry(cache.content);
      mirror.script = () => {
        throw new RegistryError('MANIFEST_UNKNOWN');
      };
      if (givesNone) cache.upstream.script = mirror.script;
      const blobs = new PromptedBlobs(new FallbackRegistry([mirror], cache.upstream), cache.parts);
      const asking = blobs.resolveBlob(alpine, digestOf(image));
      if (givesNone) await assert.rejects(asking, { status: 404 });
      else assert.equal((await asking).size, 1000);
      assert.equal(cache.upstream.calls.length, givesNone ? 2 : 3);
    }
  });
});

describe('a blob that no cached manifest of its repository names', () => {
  const strangers: readonly [string, RepositoryName, (image: Image) => Digest][] = [
    ['a digest that somebody made up', alpine, () => sha256(bytes(3))],
    ['a blob that another repository’s manifest names', other, digestOf],
    ['the manifest itself', alpine, ({ manifest }) => manifest.digest],
  ];
  for (const [what, name, of] of strangers) {
    it(`costs one question: ${what}`, async () => {
      const { cache, image } = await behindCache();
      await using _ = cache;
      await assert.rejects(pull(cache, of(image), name), { status: 404 });
      await assert.rejects(cache.registry.resolveBlob(name, of(image)), { status: 404 });
      assert.deepEqual(cache.upstream.calls, [`GET ${name} blob ${of(image)}`]);
    });
  }
});
