import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseRegistryHost, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import type { Descriptor } from '#src/oci/registry.ts';
import type { IncompleteManifest, MetadataStore } from '#src/storage/metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

export type MetadataStoreFactory = () => Promise<{ readonly store: MetadataStore } & AsyncDisposable>;

const alpine = repository('docker.io/library/alpine');
const busybox = repository('docker.io/library/busybox');
const lookalike = repository('docker.io.example.com/library/alpine');
const v1 = parseTag('v1');

function descriptor(text: string, more: Partial<Descriptor> = {}): Descriptor {
  return { mediaType: ociManifest, digest: sha256(Buffer.from(text)), size: text.length, ...more };
}

async function put(
  store: MetadataStore,
  name: RepositoryName,
  text: string,
  blobs: readonly Descriptor[] = [],
) {
  await store.putManifest(name, { descriptor: descriptor(text), blobs });
  return descriptor(text);
}

/** What every MetadataStore promises. */
export function metadataStoreContract(name: string, create: MetadataStoreFactory): void {
  describe(`${name} as a MetadataStore`, () => {
    it('answers a miss with undefined or with nothing', async () => {
      await using made = await create();
      const { store } = made;
      const { digest } = descriptor('x');
      assert.equal(await store.getManifest(alpine, digest), undefined);
      assert.equal(await store.getTag(alpine, v1), undefined);
      assert.equal(await store.getTagList(alpine), undefined);
      assert.equal(await store.getReferrersList(alpine, digest), undefined);
      assert.equal(await store.blobSize(digest), undefined);
      assert.deepEqual(await store.claimedSizes(alpine, digest), []);
      assert.deepEqual(await store.listManifestsOf(alpine, digest, 10), []);
      assert.equal(await store.hasBlob(alpine, digest), false);
      assert.equal(await store.deleteManifest(alpine, digest), false);
      assert.deepEqual(await store.listTags(alpine), []);
      assert.deepEqual(await store.listReferrers(alpine, digest), []);
      assert.equal(await store.listMissingBlobs(alpine, digest, 10), undefined);
      assert.deepEqual(await store.listIncompleteManifests({ limit: 10 }), []);
      assert.deepEqual(await store.listRepositories({ limit: 10 }), []);
      assert.deepEqual(await store.countContent(), {
        manifests: 0,
        manifestBytes: 0,
        blobs: 0,
        blobBytes: 0,
      });
      await store.unlinkBlob(digest);
      await store.recordUse([{ repository: alpine, digest, at: 1 }]);
    });

    it('keeps a manifest for the repository it was put for, with what its descriptor says', async () => {
      await using made = await create();
      const plain = descriptor('m', { artifactType: 'application/x' });
      const full = { ...plain, annotations: { a: 'b', ü: '"' } };
      const record = { descriptor: full, blobs: [], subject: descriptor('subject').digest };
      await made.store.putManifest(alpine, record);
      await made.store.putManifest(alpine, record);
      await made.store.putTag(alpine, { tag: v1, descriptor: plain, checkedAt: 1 });
      // Annotations may be as large as the manifest: only who lists referrers wants them.
      assert.deepEqual(await made.store.getManifest(alpine, full.digest), plain);
      assert.deepEqual((await made.store.getTag(alpine, v1))?.descriptor, plain);
      assert.deepEqual(await made.store.listReferrers(alpine, record.subject), [full]);
      assert.equal(await made.store.getManifest(busybox, full.digest), undefined);
    });

    it('keeps two tags of one digest, and moves one without the other', async () => {
      await using made = await create();
      const first = await put(made.store, alpine, 'one');
      const second = await put(made.store, alpine, 'two');
      await made.store.putTag(alpine, { tag: v1, descriptor: first, checkedAt: 1 });
      await made.store.putTag(alpine, { tag: parseTag('V1'), descriptor: first, checkedAt: 1 });
      await made.store.putTag(alpine, { tag: v1, descriptor: second, checkedAt: 2 });
      assert.deepEqual(await made.store.getTag(alpine, v1), { tag: 'v1', descriptor: second, checkedAt: 2 });
      assert.equal((await made.store.getTag(alpine, parseTag('V1')))?.descriptor.digest, first.digest);
      assert.deepEqual(await made.store.listTags(alpine), ['V1', 'v1']);
    });

    it('does not let an older check overwrite a newer one', async () => {
      await using made = await create();
      const first = await put(made.store, alpine, 'one');
      const second = await put(made.store, alpine, 'two');
      await made.store.putTag(alpine, { tag: v1, descriptor: second, checkedAt: 2 });
      await made.store.putTag(alpine, { tag: v1, descriptor: first, checkedAt: 1 });
      assert.equal((await made.store.getTag(alpine, v1))?.descriptor.digest, second.digest);
    });

    it('lets a record that nobody vouches for overwrite one that was checked, and be overwritten', async () => {
      await using made = await create();
      const first = await put(made.store, alpine, 'one');
      const second = await put(made.store, alpine, 'two');
      for (const record of [
        { tag: v1, descriptor: first, checkedAt: 2 },
        { tag: v1, descriptor: second, checkedAt: 0 },
        { tag: v1, descriptor: first, checkedAt: 1 },
      ]) {
        await made.store.putTag(alpine, record);
        assert.deepEqual(await made.store.getTag(alpine, v1), record);
      }
    });

    it('takes no check of the future for a newer one: somebody has set the clock back', async () => {
      await using made = await create();
      const first = await put(made.store, alpine, 'one');
      const second = await put(made.store, alpine, 'two');
      const now = Date.now();
      await made.store.putTag(alpine, { tag: v1, descriptor: first, checkedAt: now + 3_600_000 });
      await made.store.putTag(alpine, { tag: v1, descriptor: second, checkedAt: now });
      assert.equal((await made.store.getTag(alpine, v1))?.descriptor.digest, second.digest);
    });

    it('forgets a manifest with its tags', async () => {
      await using made = await create();
      const one = await put(made.store, alpine, 'one');
      await made.store.putTag(alpine, { tag: v1, descriptor: one, checkedAt: 1 });
      assert.equal(await made.store.deleteManifest(alpine, one.digest), true);
      assert.equal(await made.store.getTag(alpine, v1), undefined);
      assert.deepEqual(await made.store.listRepositories({ limit: 10 }), []);
    });

    it('lists every tag of every repository in order, and repositories page by page', async () => {
      await using made = await create();
      for (const name of [busybox, lookalike, alpine]) {
        const one = await put(made.store, name, 'one');
        for (let tag = 0; tag < 400; tag += 1) {
          await made.store.putTag(name, { tag: parseTag(`t${1000 + tag}`), descriptor: one, checkedAt: 1 });
        }
      }
      const all = await Array.fromAsync(
        made.store.listAllTags(),
        (record) => `${record.repository}:${record.tag}`,
      );
      assert.equal(all.length, 1200);
      assert.deepEqual(all, [...all].sort());
      const first = await made.store.listRepositories({ limit: 2 });
      assert.deepEqual(first, [lookalike, alpine]);
      assert.deepEqual(await made.store.listRepositories({ last: first[1], limit: 2 }), [busybox]);
    });

    it('lets a repository have a blob only after it was linked for it', async () => {
      await using made = await create();
      const { digest } = descriptor('layer');
      await made.store.linkBlob(alpine, digest);
      await made.store.linkBlob(alpine, digest);
      assert.equal(await made.store.hasBlob(alpine, digest), true);
      assert.equal(await made.store.hasBlob(busybox, digest), false);
      assert.equal(await made.store.hasBlobOnHost(parseRegistryHost('docker.io'), digest), true);
      for (const host of ['docker.io.example.com', 'docker.i', 'ocker.io', 'docker.io:443']) {
        assert.equal(await made.store.hasBlobOnHost(parseRegistryHost(host), digest), false, host);
      }
      await made.store.unlinkBlob(digest);
      assert.equal(await made.store.hasBlob(alpine, digest), false);
    });

    it('knows which blobs an image still lacks', async () => {
      await using made = await create();
      const { store } = made;
      const [config, layer] = [descriptor('config'), descriptor('layer')];
      await store.linkBlob(alpine, config.digest);
      const { digest } = await put(store, alpine, 'image', [config, layer]);
      const missing = async (limit = 10) => await store.listMissingBlobs(alpine, digest, limit);
      assert.deepEqual(await missing(), [{ digest: layer.digest, size: layer.size }]);
      await put(store, busybox, 'image', [layer]);
      await store.linkBlob(busybox, layer.digest);
      assert.equal((await missing())?.length, 1);
      await store.linkBlob(alpine, layer.digest);
      assert.deepEqual(await missing(), []);
      await store.unlinkBlob(config.digest);
      assert.deepEqual(await missing(), [{ digest: config.digest, size: config.size }]);
      await store.unlinkBlob(layer.digest);
      assert.equal((await missing(1))?.length, 1);
    });

    it('lists the manifests that lack blobs page by page, each once, those of a kind with all of them not at all', async () => {
      await using made = await create();
      const { store } = made;
      const layer = descriptor('layer');
      await put(store, alpine, 'without blobs');
      await put(store, busybox, 'whole', [layer]);
      await store.linkBlob(busybox, layer.digest);
      const lacking = [];
      for (const text of ['one', 'two', 'three', 'four', 'five'])
        lacking.push((await put(store, alpine, text, [layer])).digest);
      const found = [];
      for (let after: IncompleteManifest | undefined; ; ) {
        const page = await store.listIncompleteManifests({ after, limit: 2 });
        found.push(...page);
        after = page.at(-1);
        if (after === undefined) break;
      }
      assert.deepEqual(found.map(({ digest }) => digest).toSorted(), lacking.toSorted());
      const ages = found.map(({ createdAt }) => createdAt);
      assert.deepEqual(
        ages,
        ages.toSorted((one, other) => other - one),
      );
      await store.linkBlob(alpine, layer.digest);
      assert.deepEqual(await store.listIncompleteManifests({ limit: 2 }), []);
    });

    it('knows what a repository’s own manifests claim of a blob’s size, also that they contradict each other', async () => {
      await using made = await create();
      const { store } = made;
      const layer = descriptor('layer');
      await put(store, alpine, 'image', [layer]);
      await put(store, alpine, 'another', [layer]);
      assert.deepEqual(await store.claimedSizes(alpine, layer.digest), [layer.size]);
      assert.deepEqual(await store.claimedSizes(busybox, layer.digest), []);
      for (const more of [1, 2])
        await put(store, alpine, `liar ${more}`, [{ ...layer, size: layer.size + more }]);
      assert.equal((await store.claimedSizes(alpine, layer.digest)).length, 2);
    });

    it('keeps the size that a digest was verified for, whoever owns the blob and also when its bytes are gone', async () => {
      await using made = await create();
      const { store } = made;
      const { digest, size } = descriptor('layer');
      await store.linkBlob(alpine, digest);
      assert.equal(await store.blobSize(digest), undefined);
      await store.linkBlob(alpine, digest, size);
      await store.linkBlob(busybox, digest);
      assert.equal(await store.blobSize(digest), size);
      await store.unlinkBlob(digest);
      assert.equal(await store.hasBlob(alpine, digest), false);
      assert.equal(await store.blobSize(digest), size);
    });

    it('finds the manifests that name a blob in their own repository', async () => {
      await using made = await create();
      const { store } = made;
      const [layer, unnamed] = [descriptor('layer'), descriptor('unnamed')];
      const made1 = await put(store, alpine, 'one', [layer]);
      const made2 = await put(store, alpine, 'two', [unnamed, layer]);
      await put(store, busybox, 'three', [layer]);
      const found = await store.listManifestsOf(alpine, layer.digest, 10);
      assert.deepEqual([...found].sort(), [made1.digest, made2.digest].sort());
      assert.equal((await store.listManifestsOf(alpine, layer.digest, 1)).length, 1);
      assert.deepEqual(await store.listManifestsOf(busybox, unnamed.digest, 10), []);
    });

    it('counts manifests for each repository, blobs once, and sizes as they were verified, else as manifests give them', async () => {
      await using made = await create();
      const { store } = made;
      const [layer, unnamed] = [descriptor('layer'), descriptor('a blob that no manifest names')];
      for (const name of [alpine, busybox]) {
        await put(store, name, 'image', [layer]);
        await store.linkBlob(name, layer.digest);
      }
      await store.linkBlob(alpine, unnamed.digest);
      const verified = descriptor('verified');
      await put(store, alpine, 'not fetched', [descriptor('absent'), { ...verified, size: 1 }]);
      await store.linkBlob(alpine, verified.digest, verified.size);
      assert.deepEqual(await store.countContent(), {
        manifests: 3,
        manifestBytes: 'image'.length * 2 + 'not fetched'.length,
        blobs: 3,
        blobBytes: layer.size + verified.size,
      });
    });

    it('counts more than fits into one slice', async () => {
      await using made = await create();
      const { store } = made;
      for (let index = 0; index < 1000; index += 1) {
        await put(store, index % 2 === 0 ? alpine : busybox, `m${1000 + index}`);
        await store.linkBlob(alpine, descriptor(`b${index}`).digest);
      }
      assert.deepEqual(await store.countContent(), {
        manifests: 1000,
        manifestBytes: 5000,
        blobs: 1000,
        blobBytes: 0,
      });
    });

    it('finds a manifest’s referrers in its own repository', async () => {
      await using made = await create();
      const subject = await put(made.store, alpine, 'image');
      const signature = descriptor('signature', { artifactType: 'application/sig' });
      await made.store.putManifest(alpine, { descriptor: signature, blobs: [], subject: subject.digest });
      assert.deepEqual(await made.store.listReferrers(alpine, subject.digest), [signature]);
      assert.deepEqual(await made.store.listReferrers(busybox, subject.digest), []);
    });

    it('keeps the lists that upstream gave', async () => {
      await using made = await create();
      const { digest } = descriptor('x');
      await made.store.putTagList(alpine, { items: [v1], checkedAt: 1 });
      await made.store.putTagList(alpine, { items: [], checkedAt: 2 });
      assert.deepEqual(await made.store.getTagList(alpine), { items: [], checkedAt: 2 });
      await made.store.putReferrersList(alpine, digest, { items: [descriptor('sig')], checkedAt: 3 });
      assert.deepEqual(await made.store.getReferrersList(alpine, digest), {
        items: [descriptor('sig')],
        checkedAt: 3,
      });
    });

    it('keeps the list that was seen last, though an older and longer one takes longer to write', async () => {
      await using made = await create();
      const { digest } = descriptor('x');
      const tags = Array.from({ length: 30_000 }, (_, at) => parseTag(`t${at}`));
      const referrers = tags.map((tag) => descriptor(tag));
      await Promise.all([
        made.store.putTagList(alpine, { items: tags, checkedAt: 1 }),
        made.store.putTagList(alpine, { items: [v1], checkedAt: 2 }),
        made.store.putReferrersList(alpine, digest, { items: referrers, checkedAt: 1 }),
        made.store.putReferrersList(alpine, digest, { items: [], checkedAt: 2 }),
      ]);
      assert.deepEqual(await made.store.getTagList(alpine), { items: [v1], checkedAt: 2 });
      assert.deepEqual(await made.store.getReferrersList(alpine, digest), { items: [], checkedAt: 2 });
    });

    it('keeps a long list whole', async () => {
      await using made = await create();
      const items = Array.from({ length: 30_000 }, (_, at) => parseTag(`t${at}`));
      await made.store.putTagList(alpine, { items, checkedAt: 1 });
      assert.deepEqual((await made.store.getTagList(alpine))?.items, items);
    });
  });
}
