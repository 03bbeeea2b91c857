import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hostedHost, repositoryName } from '#src/oci/reference.ts';
import { sweepLeaving } from '#src/retention/leaving-sweep.ts';
import type { Selection } from '#src/retention/prune.ts';
import { linkBlob, putManifest } from '#src/storage/operation.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { CachedImages } from '#test/fakes/cached-images.ts';
import { Random } from '#test/simulation/random.ts';

const app = repository('ghcr.io/org/app');
const tool = repository('quay.io/acme/tool');
const { graceMs } = CachedImages;

const named = (pattern: RegExp): Selection => ({ matches: (name) => pattern.test(name) });
const day = 86_400_000;

describe('the removal of images', () => {
  it('takes an index with its platforms, their blobs and what refers to them, and leaves what others name', async () => {
    await using cache = new CachedImages();
    await cache.image(app, 'amd64', ['base', 'amd64 layer']);
    await cache.image(app, 'arm64', ['base', 'arm64 layer']);
    await cache.index(app, 'index', ['amd64', 'arm64', 'not here'], ['v1']);
    await cache.image(app, 'signature', ['payload'], [], 'index');
    await cache.image(app, 'sbom', ['packages'], [], 'arm64');
    await cache.image(tool, 'other', ['base', 'other layer'], ['v1']);
    cache.passes(graceMs + 1);
    const [removed, ...more] = await cache.prune(named(/^ghcr\.io\/org\/app:v1$/));
    assert.deepEqual(more, []);
    assert.deepEqual(
      [removed?.repository, removed?.digest, removed?.tags],
      [app, cache.digest('index'), ['v1']],
    );
    const gone = ['amd64 layer', 'arm64 layer', 'packages', 'payload'];
    assert.deepEqual(removed?.blobs.map((digest) => cache.text(digest)).toSorted(), gone);
    const manifests = ['amd64', 'arm64', 'index', 'sbom', 'signature'];
    assert.equal(removed.freed, [...gone, ...manifests].join('').length);
    assert.deepEqual(await cache.left(), ['other']);
    assert.deepEqual(await cache.here(), ['base', 'other', 'other layer']);
    assert.deepEqual(cache.taken.toSorted(), [...gone, ...manifests].toSorted());
    assert.ok(cache.changed.some(({ kind }) => kind === 'remove tag'));
  });

  it('takes nothing that lives here, whatever is meant, and counts nothing of it in a dry run', async () => {
    await using cache = new CachedImages();
    const own = repositoryName(hostedHost, 'org/app');
    await cache.image(own, 'hosted', ['layer'], ['v1']);
    await cache.image(own, 'by digest', ['other']);
    cache.passes(graceMs + 1);
    assert.deepEqual(await cache.prune({}), []);
    assert.deepEqual(await cache.left(), ['by digest', 'hosted']);
  });

  it('takes a tag alone where another leads to the same image, and the platform that an index shares with another not at all', async () => {
    await using cache = new CachedImages();
    await cache.image(app, 'shared', ['layer']);
    await cache.index(app, 'one', ['shared'], ['v1', 'latest']);
    await cache.index(app, 'two', ['shared'], ['v2']);
    cache.passes(graceMs + 1);
    const first = await cache.prune(named(/:v1$/));
    assert.deepEqual(
      first.map(({ tags, freed }) => [tags, freed]),
      [[['v1'], 0]],
    );
    assert.deepEqual(await cache.store.listTags(app), ['latest', 'v2']);
    await cache.prune(named(/:latest$/));
    assert.deepEqual(await cache.left(), ['shared', 'two']);
    assert.deepEqual(await cache.here(), ['layer', 'shared', 'two']);
  });

  it('takes what comes when its image has gone already, once it is old enough, and not what is named again by then', async () => {
    await using cache = new CachedImages();
    const layers = ['layer', 'wanted again'];
    const blobs = layers.map((text) => ({ mediaType: 'a/b', digest: cache.digest(text), size: text.length }));
    const descriptor = { mediaType: 'a/b', digest: cache.digest('image'), size: 5 };
    await cache.store.change([putManifest(app, { descriptor, blobs })]);
    cache.passes(graceMs + 1);
    await cache.prune({});
    assert.deepEqual(await cache.left(), []);
    await cache.store.change(blobs.map(({ digest, size }) => linkBlob(app, digest, size)));
    const sweep = async (): Promise<void> =>
      await sweepLeaving({
        ...cache.parts,
        discarded: { list: async () => [], remove: async () => true, frees: async () => 0 },
      });
    await sweep();
    assert.deepEqual(await cache.here(), layers);
    await cache.image(app, 'other', ['wanted again']);
    cache.passes(graceMs + 1);
    await sweep();
    assert.deepEqual(await cache.here(), ['other', 'wanted again']);
    assert.deepEqual(await cache.store.graph.leaving({ limit: 10 }), []);
  });

  it('takes a signature with what it signs, and not before, by whichever way it refers to that', async () => {
    await using cache = new CachedImages();
    const signature = `sha256-${cache.digest('image').slice('sha256:'.length)}`;
    await cache.image(app, 'image', ['layer'], ['v1']);
    await cache.image(app, 'cosign', ['payload'], [`${signature}.sig`]);
    await cache.index(app, 'fall-back', ['attestation'], [signature]);
    await cache.image(app, 'attestation', ['statement'], [], 'image');
    cache.passes(graceMs + 1);
    assert.deepEqual(await cache.prune(named(/sha256-/)), []);
    assert.equal((await cache.left()).length, 4);
    assert.equal((await cache.prune(named(/:v1$/))).length, 1);
    assert.deepEqual(await cache.left(), []);
    assert.deepEqual(await cache.here(), []);
    assert.deepEqual(await cache.store.listTags(app), []);
  });

  it('takes what is tagged by its own digest, and those that are tagged by each other’s', async () => {
    await using cache = new CachedImages();
    const tagOf = (text: string): string => cache.digest(text).replace(':', '-');
    await cache.image(app, 'imgpkg', ['bundle'], [`${tagOf('imgpkg')}.imgpkg`]);
    await cache.image(app, 'one', ['layer of one'], [tagOf('another')]);
    await cache.image(app, 'another', ['layer of another'], [tagOf('one')]);
    await cache.image(app, 'platform', ['layer of a platform']);
    await cache.index(app, 'index', ['platform'], [tagOf('platform')]);
    cache.passes(graceMs + 1);
    await cache.prune({});
    assert.deepEqual(await cache.left(), []);
    assert.deepEqual(await cache.here(), []);
  });

  it('goes by age, by use, by what came last, and by a limit; whatever is pinned stays', async () => {
    await using cache = new CachedImages(['ghcr.io/org/app:v0', 'quay.io/**']);
    for (const at of [0, 1, 2, 3]) {
      await cache.image(app, `image ${at}`, [`layer ${at}`], [`v${at}`]);
      cache.passes(day);
    }
    await cache.image(tool, 'pinned', ['p'], ['v1']);
    await cache.image(tool, 'pinned too', ['p']);
    await cache.used(app, 'image 1');
    const now = cache.clock.now();
    const tags = async (selection: Selection) =>
      (await cache.prune(selection, true)).map(({ tags: its }) => its.join());
    assert.deepEqual(await tags({}), ['v2', 'v3', 'v1']);
    assert.deepEqual(await tags({ createdBefore: now - 2 * day }), ['v1']);
    assert.deepEqual(await tags({ notUsedSince: now - 2 * day }), ['v2']);
    assert.deepEqual(await tags({ keep: 2 }), ['v1']);
    assert.deepEqual(await tags({ limit: 2 }), ['v2', 'v3']);
    assert.equal((await cache.left()).length, 6);
  });

  it('takes an image of a thousand tags at once, and of another all but the last, which is pinned', async () => {
    await using cache = new CachedImages(['quay.io/acme/tool:t1999']);
    const tags = Array.from({ length: 1000 }, (_, at) => `t${1000 + at}`);
    await cache.image(app, 'much tagged', ['layer'], tags);
    await cache.image(tool, 'pinned', ['its layer'], tags);
    cache.passes(graceMs + 1);
    const [removed, ...more] = await cache.prune({});
    assert.deepEqual(removed?.tags, tags);
    assert.deepEqual(
      more.map((image) => image.tags),
      [tags.slice(0, -1)],
    );
    assert.deepEqual(await cache.left(), ['pinned']);
    assert.deepEqual(await cache.store.listTags(tool), ['t1999']);
  });

  it('takes the signatures of an image, however many tags say that they are', async () => {
    await using cache = new CachedImages();
    const signature = `sha256-${cache.digest('image').slice('sha256:'.length)}`;
    await cache.image(app, 'image', ['layer'], ['v1']);
    const kinds = Array.from({ length: 600 }, (_, at) =>
      [...`${at}`].map((digit) => 'abcdefghij'[Number(digit)]).join(''),
    );
    for (const kind of kinds) await cache.image(app, `signature ${kind}`, [], [`${signature}.${kind}`]);
    cache.passes(graceMs + 1);
    assert.equal((await cache.prune(named(/:v1$/))).length, 1);
    assert.deepEqual(await cache.left(), []);
  });

  it('leaves bytes that came a moment ago, though the image has gone', async () => {
    await using cache = new CachedImages();
    await cache.image(app, 'image', ['layer'], ['v1']);
    const [removed] = await cache.prune({});
    assert.deepEqual([removed?.blobs, removed?.freed], [[], 0]);
    assert.deepEqual(await cache.left(), []);
    assert.deepEqual(await cache.here(), ['image', 'layer']);
  });

  for (let seed = 1; seed <= 6; seed += 1) {
    it(`says beforehand what goes, and leaves every image whole that it leaves: seed ${seed}`, async () => {
      await using cache = new CachedImages();
      const random = new Random(seed);
      for (let at = 0; at < 40; at += 1) {
        const owner = random.pick([app, tool]);
        const tags = random.between(0, 2) === 0 ? [] : [`t${random.between(0, 12)}`];
        const some = (kind: string): string[] => [
          ...new Set(Array.from({ length: random.between(1, 4) }, () => `${kind} ${random.between(0, at)}`)),
        ];
        if (at % 4 === 3)
          await cache.index(
            owner,
            `manifest ${at}`,
            some('manifest').filter((text) => text !== `manifest ${at}`),
            tags,
          );
        else
          await cache.image(
            owner,
            `manifest ${at}`,
            some('layer'),
            tags,
            at % 5 === 4 ? `manifest ${at - 1}` : undefined,
          );
        cache.passes(random.between(1, 1000));
      }
      cache.passes(graceMs + 1);
      const selection = { matches: (name: string) => name.length % 2 === seed % 2, keep: seed % 3 };
      const foretold = await cache.prune(selection, true);
      assert.deepEqual(await cache.prune(selection), foretold);
      assert.deepEqual(await cache.prune(selection), []);
      for (const {
        repository: owner,
        descriptor: { digest },
      } of await cache.store.inventory.images({ limit: 500 })) {
        assert.deepEqual(await cache.store.listMissingBlobs(owner, digest, 100), []);
        for (const { digest: child, isManifest } of await cache.store.graph.named(owner, digest, {
          limit: 100,
        }))
          if (!isManifest) assert.equal(await cache.store.hasBlob(owner, child), true);
      }
      const { blobs, manifests, registries } = await cache.store.inventory.totals();
      const here = await cache.here();
      assert.equal(here.filter((text) => text.startsWith('layer')).length, blobs);
      await cache.prune({});
      assert.deepEqual([await cache.here(), await cache.left()], [[], []]);
      assert.ok(blobs > 0 && manifests > 0 && registries.size > 0);
    });
  }
});
