import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseRegistryHost, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import {
  beginUpload,
  disownBlob,
  doubtTag,
  dropManifest,
  endUpload,
  linkBlob,
  loseBlob,
  noteArrival,
  noteCheck,
  noteProgress,
  noteTakenOver,
  ownBlob,
  pinTag,
  putManifest,
  putReferrersList,
  putTag,
  putTagList,
  type RestoredBy,
  recordUses,
  removeManifest,
  removeTag,
  requireContent,
  requireTag,
  requireUnled,
  restoreManifest,
  tagIsGone,
} from '#src/storage/operation.ts';
import type { WantedBlob } from '#src/storage/records.ts';
import { MissingContentError } from '#src/storage/requirements.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

export type MetadataStoreFactory = () => Promise<{ readonly store: MetadataStore } & AsyncDisposable>;

const alpine = repository('docker.io/library/alpine');
const busybox = repository('docker.io/library/busybox');
const lookalike = repository('docker.io.example.com/library/alpine');
const v1 = parseTag('v1');
/** As large as a file system may have them. */
const stamp = {
  inode: 2n ** 64n - 1n,
  modifiedAt: 1_764_000_000_123_456_789n,
  changedAt: 1_764_000_000_987_654_321n,
};

function descriptor(text: string, more: Partial<Descriptor> = {}): Descriptor {
  return { mediaType: ociManifest, digest: sha256(Buffer.from(text)), size: text.length, ...more };
}

async function put(
  store: MetadataStore,
  name: RepositoryName,
  text: string,
  blobs: readonly Descriptor[] = [],
) {
  await store.change([putManifest(name, { descriptor: descriptor(text), blobs })]);
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
      await store.change([removeManifest(alpine, digest)]);
      assert.deepEqual(await store.listTags(alpine), []);
      assert.deepEqual(await store.listReferrers(alpine, digest), []);
      assert.equal(await store.listMissingBlobs(alpine, digest, 10), undefined);
      assert.deepEqual(await store.listWantedBlobs({ limit: 10 }), []);
      assert.deepEqual(await store.listRepositories({ limit: 10 }), []);
      assert.equal(await store.getChecked(digest), undefined);
      assert.deepEqual(await store.listStored({ limit: 10 }), { digests: [], next: undefined });
      assert.deepEqual(await store.listOwners(digest, 10), []);
      await store.change([loseBlob(digest)]);
      await store.change([noteCheck(digest, 5, stamp)]);
      assert.equal(await store.getChecked(digest), undefined);
      await store.change([recordUses([{ repository: alpine, digest, at: 1 }])]);
    });

    it('keeps a manifest for the repository it was put for, with what its descriptor says', async () => {
      await using made = await create();
      const plain = descriptor('m', { artifactType: 'application/x' });
      const full = { ...plain, annotations: { a: 'b', ü: '"' } };
      const record = { descriptor: full, blobs: [], subject: descriptor('subject').digest };
      await made.store.change([putManifest(alpine, record)]);
      await made.store.change([putManifest(alpine, record)]);
      await made.store.change([putTag(alpine, { tag: v1, descriptor: plain, checkedAt: 1 })]);
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
      await made.store.change([putTag(alpine, { tag: v1, descriptor: first, checkedAt: 1 })]);
      await made.store.change([putTag(alpine, { tag: parseTag('V1'), descriptor: first, checkedAt: 1 })]);
      await made.store.change([putTag(alpine, { tag: v1, descriptor: second, checkedAt: 2 })]);
      assert.deepEqual(await made.store.getTag(alpine, v1), { tag: 'v1', descriptor: second, checkedAt: 2 });
      assert.equal((await made.store.getTag(alpine, parseTag('V1')))?.descriptor.digest, first.digest);
      assert.deepEqual(await made.store.listTags(alpine), ['V1', 'v1']);
    });

    it('has no tag of a manifest that is not there, and nothing that was to be changed with it', async () => {
      await using made = await create();
      const there = await put(made.store, alpine, 'there');
      const tags = [there, descriptor('gone')].map((each, at) =>
        putTag(alpine, { tag: parseTag(`v${at}`), descriptor: each, checkedAt: 1 }),
      );
      await assert.rejects(made.store.change(tags), MissingContentError);
      assert.deepEqual(await made.store.listTags(alpine), []);
    });

    it('does not let an older check overwrite a newer one', async () => {
      await using made = await create();
      const first = await put(made.store, alpine, 'one');
      const second = await put(made.store, alpine, 'two');
      await made.store.change([putTag(alpine, { tag: v1, descriptor: second, checkedAt: 2 })]);
      await made.store.change([putTag(alpine, { tag: v1, descriptor: first, checkedAt: 1 })]);
      assert.equal((await made.store.getTag(alpine, v1))?.descriptor.digest, second.digest);
    });

    it('has nothing vouch for a tag that is doubted, or gone, until it is put again, whenever that was asked', async () => {
      await using made = await create();
      const { store } = made;
      const [first, second] = [await put(store, alpine, 'one'), await put(store, alpine, 'two')];
      for (const doubt of [doubtTag(alpine, v1), tagIsGone(alpine, v1, 9)]) {
        await store.change([doubt]);
        await store.change([putTag(alpine, { tag: v1, descriptor: first, checkedAt: 5 })]);
        await store.change([doubt, doubtTag(alpine, parseTag('v2'))]);
        assert.deepEqual(await store.getTag(alpine, v1), { tag: 'v1', descriptor: first, checkedAt: 0 });
        await store.change([putTag(alpine, { tag: v1, descriptor: first, checkedAt: 6 })]);
        assert.equal((await store.getTag(alpine, v1))?.checkedAt, 6);
        await store.change([doubt, putTag(alpine, { tag: v1, descriptor: second, checkedAt: 7 })]);
        assert.deepEqual(await store.getTag(alpine, v1), { tag: 'v1', descriptor: second, checkedAt: 7 });
        await store.change([putTag(alpine, { tag: v1, descriptor: first, checkedAt: 0 })]);
      }
      assert.equal(await store.getTag(alpine, parseTag('v2')), undefined);
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
        await made.store.change([putTag(alpine, record)]);
        assert.deepEqual(await made.store.getTag(alpine, v1), record);
      }
    });

    it('takes no check of the future for a newer one: somebody has set the clock back', async () => {
      await using made = await create();
      const first = await put(made.store, alpine, 'one');
      const second = await put(made.store, alpine, 'two');
      const now = Date.now();
      await made.store.change([putTag(alpine, { tag: v1, descriptor: first, checkedAt: now + 3_600_000 })]);
      await made.store.change([putTag(alpine, { tag: v1, descriptor: second, checkedAt: now })]);
      assert.equal((await made.store.getTag(alpine, v1))?.descriptor.digest, second.digest);
    });

    it('keeps which file a blob was when it was verified, until it is lost', async () => {
      await using made = await create();
      const { store } = made;
      const { digest } = descriptor('layer');
      await store.change([linkBlob(alpine, digest, 5)]);
      assert.deepEqual(await store.getChecked(digest), { size: 5, stamp: undefined, isHere: true });
      await store.change([linkBlob(alpine, digest, 5, 'upstream', stamp)]);
      assert.deepEqual(await store.getChecked(digest), { size: 5, stamp, isHere: true });
      await store.change([linkBlob(busybox, digest)]);
      assert.deepEqual(await store.getChecked(digest), { size: 5, stamp, isHere: true });
      const later = { ...stamp, changedAt: stamp.changedAt + 1n };
      await store.change([noteCheck(digest, 5, later)]);
      assert.deepEqual(await store.getChecked(digest), { size: 5, stamp: later, isHere: true });
      await store.change([loseBlob(digest)]);
      assert.deepEqual(await store.getChecked(digest), { size: 5, stamp: undefined, isHere: false });
      await store.change([noteCheck(digest, 5, stamp)]);
      assert.deepEqual(await store.getChecked(digest), { size: 5, stamp: undefined, isHere: false });
      assert.equal(await store.hasBlob(alpine, digest), false);
    });

    it('knows bytes that nobody owns yet, and which file they are', async () => {
      await using made = await create();
      const { store } = made;
      const { digest } = descriptor('layer');
      await store.change([noteArrival(digest, 5, stamp)]);
      assert.deepEqual(await store.getChecked(digest), { size: 5, stamp, isHere: true });
      assert.equal(await store.hasBlob(alpine, digest), false);
      assert.equal(await store.hasBlobOnHost(parseRegistryHost('docker.io'), digest), false);
      await store.change([linkBlob(alpine, digest, 5, 'import', stamp)]);
      assert.equal(await store.hasBlob(alpine, digest), true);
    });

    it('keeps how what was taken over was found last, by its place', async () => {
      await using made = await create();
      const { store } = made;
      assert.equal(await store.getTakenOver('img/a'), undefined);
      await store.change([noteTakenOver('img/a', 'one'), noteTakenOver('img/b', 'other')]);
      await store.change([noteTakenOver('img/a', 'two')]);
      assert.deepEqual(
        [await store.getTakenOver('img/a'), await store.getTakenOver('img/b')],
        ['two', 'other'],
      );
    });

    it('takes the size of what was hashed for a fact, and counts it', async () => {
      await using made = await create();
      const { store } = made;
      const { digest } = descriptor('layer');
      await store.change([linkBlob(alpine, digest)]);
      await store.change([noteCheck(digest, 5, stamp)]);
      assert.equal(await store.blobSize(digest), 5);
      assert.equal(await store.hasBlob(alpine, digest), true);
      assert.equal(await store.hasBlob(busybox, digest), false);
    });

    it('lists what should be here, page by page, and who may serve it', async () => {
      await using made = await create();
      const { store } = made;
      const layers = Array.from({ length: 7 }, (_, at) => descriptor(`layer ${at}`));
      const manifest = await put(store, alpine, 'manifest', layers);
      await put(store, busybox, 'manifest');
      for (const { digest, size } of layers.slice(0, 4)) await store.change([linkBlob(alpine, digest, size)]);
      const listed = [];
      let next: (typeof manifest)['digest'] | undefined;
      do {
        const page = await store.listStored({ after: next, limit: 3 });
        listed.push(...page.digests);
        next = page.next;
      } while (next !== undefined);
      const here = [manifest, ...layers.slice(0, 4)].map(({ digest }) => digest);
      assert.deepEqual(listed.toSorted(), here.toSorted());
      const [layer] = layers;
      assert.ok(layer);
      assert.deepEqual(await store.listOwners(layer.digest, 10), [{ repository: alpine, as: 'blob' }]);
      const owners = await store.listOwners(manifest.digest, 10);
      assert.deepEqual(owners.map(({ repository: name, as }) => `${name} ${as}`).toSorted(), [
        `${alpine} manifest`,
        `${busybox} manifest`,
      ]);
      assert.equal((await store.listOwners(manifest.digest, 1)).length, 1);
      assert.deepEqual(await store.listOwners(manifest.digest, 10, 'blob'), []);
      assert.equal((await store.listOwners(layer.digest, 10, 'blob')).length, 1);
    });

    it('forgets a manifest with its tags', async () => {
      await using made = await create();
      const one = await put(made.store, alpine, 'one');
      await made.store.change([putTag(alpine, { tag: v1, descriptor: one, checkedAt: 1 })]);
      await made.store.change([removeManifest(alpine, one.digest)]);
      assert.equal(await made.store.getManifest(alpine, one.digest), undefined);
      assert.equal(await made.store.getTag(alpine, v1), undefined);
      assert.deepEqual(await made.store.listRepositories({ limit: 10 }), []);
    });

    it('lists every name: tags of every repository in order, and repositories page by page', async () => {
      await using made = await create();
      for (const name of [busybox, lookalike, alpine]) {
        const one = await put(made.store, name, 'one');
        for (let tag = 0; tag < 400; tag += 1) {
          await made.store.change([
            putTag(name, { tag: parseTag(`t${1000 + tag}`), descriptor: one, checkedAt: 1 }),
          ]);
        }
      }
      const all = await Array.fromAsync(
        made.store.listNames(),
        (record) => `${record.repository}:${record.tag}`,
      );
      assert.equal(all.length, 1200);
      assert.deepEqual(all, [...all].sort());
      const first = await made.store.listRepositories({ limit: 2 });
      assert.deepEqual(first, [lookalike, alpine]);
      assert.deepEqual(await made.store.listRepositories({ last: first[1], limit: 2 }), [busybox]);
    });

    it('lists by its digest what neither a tag nor an index of its repository leads to, and what is pinned or not upstream’s', async () => {
      await using made = await create();
      const { store } = made;
      const [child, config] = [descriptor('child'), descriptor('config')];
      const index = descriptor('index', { mediaType: ociIndex });
      const signature = { descriptor: descriptor('signature'), blobs: [config], subject: child.digest };
      await store.change([
        ...[child, config].map((each) => putManifest(alpine, { descriptor: each, blobs: [] })),
        putManifest(alpine, { descriptor: index, blobs: [], manifests: [child] }, 'import'),
        putManifest(alpine, signature),
        putManifest(busybox, { descriptor: child, blobs: [] }),
        ...['v1', 'v2'].map((tag) => putTag(alpine, { tag: parseTag(tag), descriptor: index, checkedAt: 1 })),
        pinTag(alpine, v1, true),
      ]);
      const names = await Array.fromAsync(store.listNames());
      const [first, second, ...others] = names.filter(({ repository: owner }) => owner === alpine);
      const { digest, mediaType, size } = index;
      const tagged = { repository: alpine, descriptor: { digest, mediaType, size }, origin: 'import' };
      assert.deepEqual(first, { ...tagged, tag: 'v1', isPinned: true });
      assert.deepEqual(second, { ...tagged, tag: 'v2', isPinned: false });
      // One that is named as a blob is found by nobody.
      assert.deepEqual(
        new Set(others.map((name) => name.descriptor.digest)),
        new Set([config.digest, signature.descriptor.digest]),
      );
      for (const { tag, isPinned, origin } of others)
        assert.deepEqual([tag, isPinned, origin], [undefined, false, 'upstream']);
      assert.deepEqual(
        names.filter(({ repository: owner }) => owner === busybox).map((name) => name.descriptor.digest),
        [child.digest],
      );
    });

    it('puts back what a list says was here, but what was removed since', async () => {
      await using made = await create();
      const { store } = made;
      const record = { descriptor: descriptor('image'), blobs: [] };
      const { digest } = record.descriptor;
      const by = { tag: v1, checkedAt: 1, isPinned: false };
      const restored = async (...asked: [RestoredBy]) => {
        await store.change([restoreManifest(alpine, record, ...asked)]);
        return [await store.getManifest(alpine, digest), await store.getTag(alpine, v1)].map(
          (each) => each !== undefined,
        );
      };
      assert.deepEqual(await restored('index'), [false, false]);
      assert.deepEqual(await restored(by), [true, true]);
      await store.change([removeTag(alpine, v1, digest)]);
      assert.deepEqual(await restored(by), [true, false]);
      await store.change([dropManifest(alpine, digest)]);
      assert.deepEqual(await restored(by), [false, false]);
      assert.deepEqual(await restored({ ...by, tag: undefined }), [false, false]);
      const index = { descriptor: descriptor('index'), blobs: [], manifests: [record.descriptor] };
      await store.change([putManifest(alpine, index)]);
      assert.deepEqual(await restored('index'), [false, false]);
      await store.change([putManifest(alpine, record), dropManifest(alpine, index.descriptor.digest)]);
      assert.deepEqual(await restored('index'), [true, false]);
      await store.change([dropManifest(alpine, digest)]);
      assert.deepEqual(await restored('index'), [false, false]);
    });

    it('lets a repository have a blob only after it was linked for it', async () => {
      await using made = await create();
      const { digest } = descriptor('layer');
      await made.store.change([linkBlob(alpine, digest)]);
      await made.store.change([linkBlob(alpine, digest)]);
      assert.equal(await made.store.hasBlob(alpine, digest), true);
      assert.equal(await made.store.hasBlob(busybox, digest), false);
      assert.equal(await made.store.hasBlobOnHost(parseRegistryHost('docker.io'), digest), true);
      for (const host of ['docker.io.example.com', 'docker.i', 'ocker.io', 'docker.io:443']) {
        assert.equal(await made.store.hasBlobOnHost(parseRegistryHost(host), digest), false, host);
      }
      await made.store.change([loseBlob(digest)]);
      assert.equal(await made.store.hasBlob(alpine, digest), false);
    });

    it('knows which blobs an image still lacks', async () => {
      await using made = await create();
      const { store } = made;
      const [config, layer] = [descriptor('config'), descriptor('layer')];
      await store.change([linkBlob(alpine, config.digest)]);
      const { digest } = await put(store, alpine, 'image', [config, layer]);
      const missing = async (limit = 10) => await store.listMissingBlobs(alpine, digest, limit);
      assert.deepEqual(await missing(), [{ digest: layer.digest, size: layer.size }]);
      await put(store, busybox, 'image', [layer]);
      await store.change([linkBlob(busybox, layer.digest)]);
      assert.equal((await missing())?.length, 1);
      await store.change([linkBlob(alpine, layer.digest)]);
      assert.deepEqual(await missing(), []);
      await store.change([loseBlob(config.digest)]);
      assert.deepEqual(await missing(), [{ digest: config.digest, size: config.size }]);
      await store.change([loseBlob(layer.digest)]);
      assert.equal((await missing(1))?.length, 1);
    });

    it('lists what repositories lack page by page, the newest first, each once whichever manifests name it', async () => {
      await using made = await create();
      const { store } = made;
      const layers = ['one', 'two', 'three', 'four', 'five'].map((text) => descriptor(text));
      await put(store, alpine, 'without blobs');
      for (const layer of layers) await put(store, alpine, `of ${layer.digest}`, [layer]);
      await put(store, alpine, 'all', layers);
      await put(store, busybox, 'whole', layers);
      await store.change(layers.map(({ digest }) => linkBlob(busybox, digest)));
      const found = [];
      for (let after: WantedBlob | undefined; ; ) {
        const page = await store.listWantedBlobs({ after, limit: 2 });
        found.push(...page);
        after = page.at(-1);
        if (after === undefined) break;
      }
      assert.deepEqual(
        found.map(({ repository: name, digest, size }) => [name, digest, size]).toSorted(),
        layers.map(({ digest, size }) => [alpine, digest, size]).toSorted(),
      );
      const ages = found.map(({ since }) => since);
      assert.deepEqual(
        ages,
        ages.toSorted((one, other) => other - one),
      );
      await store.change(layers.map(({ digest }) => linkBlob(alpine, digest)));
      assert.deepEqual(await store.listWantedBlobs({ limit: 2 }), []);
    });

    it('wants nothing any more for a manifest that was removed, but what another names', async () => {
      await using made = await create();
      const { store } = made;
      const [shared, own] = [descriptor('shared'), descriptor('own')];
      const { digest } = await put(store, alpine, 'one', [shared, own]);
      await put(store, alpine, 'two', [shared]);
      await store.change([removeManifest(alpine, digest)]);
      assert.deepEqual(
        (await store.listWantedBlobs({ limit: 10 })).map((blob) => blob.digest),
        [shared.digest],
      );
    });

    it('wants a lost blob again for all that own it and name it, until it comes to any of them', async () => {
      await using made = await create();
      const { store } = made;
      const layer = descriptor('layer');
      for (const name of [alpine, busybox]) {
        await put(store, name, 'image', [layer]);
        await store.change([linkBlob(name, layer.digest)]);
      }
      await store.change([linkBlob(lookalike, layer.digest), loseBlob(layer.digest)]);
      const wanting = async () =>
        (await store.listWantedBlobs({ limit: 10 })).map(({ repository: name }) => name).toSorted();
      assert.deepEqual(await wanting(), [alpine, busybox]);
      await store.change([linkBlob(alpine, layer.digest, layer.size)]);
      assert.deepEqual(await wanting(), []);
      assert.equal(await store.hasBlob(busybox, layer.digest), true);
    });

    it('makes all of a change or nothing', async () => {
      await using made = await create();
      const { store } = made;
      const [there, layer] = [descriptor('image'), descriptor('layer')];
      const record = { tag: v1, descriptor: descriptor('not here'), checkedAt: 1 };
      await assert.rejects(
        store.change([
          putManifest(alpine, { descriptor: there, blobs: [layer] }),
          linkBlob(alpine, layer.digest, layer.size),
          putTag(alpine, record),
        ]),
      );
      assert.equal(await store.getManifest(alpine, there.digest), undefined);
      assert.equal(await store.hasBlob(alpine, layer.digest), false);
      assert.deepEqual(await store.listWantedBlobs({ limit: 10 }), []);
    });

    it('moves a tag from where its author knew it to be, whatever the clocks say', async () => {
      await using made = await create();
      const first = await put(made.store, alpine, 'one');
      const second = await put(made.store, alpine, 'two');
      await made.store.change([putTag(alpine, { tag: v1, descriptor: first, checkedAt: 5 })]);
      await made.store.change([putTag(alpine, { tag: v1, descriptor: second, checkedAt: 3 }, first.digest)]);
      assert.equal((await made.store.getTag(alpine, v1))?.descriptor.digest, second.digest);
    });

    it('remembers where a tag pointed, one entry a move and none a check, the last hundred', async () => {
      await using made = await create();
      const { store } = made;
      const images = [await put(store, alpine, 'one'), await put(store, alpine, 'two')];
      for (let at = 1; at <= 250; at += 1) {
        const image = images[at % 2] ?? assert.fail();
        await store.change([putTag(alpine, { tag: v1, descriptor: image, checkedAt: at * 10 })]);
        await store.change([putTag(alpine, { tag: v1, descriptor: image, checkedAt: at * 10 + 5 })]);
      }
      const former = await store.listFormerTags(alpine, v1);
      assert.equal(former.length, 100);
      assert.deepEqual(former[0], {
        digest: images[1]?.digest,
        firstSeen: 2490,
        lastSeen: 2495,
        why: 'moved',
      });
      await store.change([removeManifest(alpine, images[0]?.digest ?? assert.fail())]);
      const [last] = await store.listFormerTags(alpine, v1);
      assert.deepEqual([last?.digest, last?.why], [images[0]?.digest, 'removed']);
      assert.deepEqual(await store.listFormerTags(busybox, v1), []);
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
      await store.change([linkBlob(alpine, digest)]);
      assert.equal(await store.blobSize(digest), undefined);
      await store.change([linkBlob(alpine, digest, size)]);
      await store.change([linkBlob(busybox, digest)]);
      assert.equal(await store.blobSize(digest), size);
      await store.change([loseBlob(digest)]);
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

    it('finds all of a manifest’s referrers, however many, in the order of their digests', async () => {
      await using made = await create();
      const subject = descriptor('subject').digest;
      const referrers = Array.from({ length: 250 }, (_, at) => descriptor(`referrer ${at}`));
      for (const one of referrers)
        await made.store.change([putManifest(alpine, { descriptor: one, blobs: [], subject })]);
      assert.deepEqual(
        (await made.store.listReferrers(alpine, subject)).map(({ digest }) => digest),
        referrers.map(({ digest }) => digest).toSorted(),
      );
    });

    it('finds a manifest’s referrers in its own repository', async () => {
      await using made = await create();
      const subject = await put(made.store, alpine, 'image');
      const signature = descriptor('signature', { artifactType: 'application/sig' });
      await made.store.change([
        putManifest(alpine, { descriptor: signature, blobs: [], subject: subject.digest }),
      ]);
      assert.deepEqual(await made.store.listReferrers(alpine, subject.digest), [signature]);
      assert.deepEqual(await made.store.listReferrers(busybox, subject.digest), []);
    });

    it('foresees which blobs nothing is known of, and knows them as soon as they have come', async () => {
      await using made = await create();
      const { store } = made;
      using _ = store.watch(() => {});
      const [here, named, fresh] = ['here', 'named', 'fresh'].map((text) => descriptor(text)) as [
        Descriptor,
        Descriptor,
        Descriptor,
      ];
      await put(store, busybox, 'image', [named]);
      await store.change([linkBlob(busybox, here.digest, here.size)]);
      const digests = [here, named, fresh].map(({ digest }) => digest);
      assert.deepEqual(await store.foresee(digests), new Set([fresh.digest]));
      const seen = async ({ digest }: Descriptor): Promise<unknown[]> => [
        await store.hasBlob(busybox, digest),
        await store.hasBlobOnHost(parseRegistryHost('docker.io'), digest),
        await store.blobSize(digest),
      ];
      assert.deepEqual(await seen(here), [true, true, here.size]);
      for (const blob of [named, fresh]) {
        assert.deepEqual(await seen(blob), [false, false, undefined]);
        // What is being written is not there yet, and comes all the same.
        const coming = store.change([linkBlob(busybox, blob.digest, blob.size)]);
        assert.equal((await store.foresee([blob.digest])).has(named.digest), false);
        await coming;
        assert.deepEqual(await seen(blob), [true, true, blob.size]);
      }
      await store.change([loseBlob(here.digest)]);
      assert.deepEqual(
        await store.foresee([...digests, descriptor('fourth').digest]),
        new Set([descriptor('fourth').digest]),
      );
      assert.deepEqual(await seen(here), [false, false, here.size]);
    });

    it('keeps the lists that upstream gave', async () => {
      await using made = await create();
      const { digest } = descriptor('x');
      await made.store.change([putTagList(alpine, { items: [v1], checkedAt: 1 })]);
      await made.store.change([putTagList(alpine, { items: [], checkedAt: 2 })]);
      assert.deepEqual(await made.store.getTagList(alpine), { items: [], checkedAt: 2 });
      await made.store.change([
        putReferrersList(alpine, digest, { items: [descriptor('sig')], checkedAt: 3 }),
      ]);
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
        made.store.change([putTagList(alpine, { items: tags, checkedAt: 1 })]),
        made.store.change([putTagList(alpine, { items: [v1], checkedAt: 2 })]),
        made.store.change([putReferrersList(alpine, digest, { items: referrers, checkedAt: 1 })]),
        made.store.change([putReferrersList(alpine, digest, { items: [], checkedAt: 2 })]),
      ]);
      assert.deepEqual(await made.store.getTagList(alpine), { items: [v1], checkedAt: 2 });
      assert.deepEqual(await made.store.getReferrersList(alpine, digest), { items: [], checkedAt: 2 });
    });

    it('knows how far each walk has come', async () => {
      await using made = await create();
      const { store } = made;
      assert.equal(await store.getProgress('one'), undefined);
      await store.change([noteProgress('one', 'docker.io/library/alpine'), noteProgress('two', 'x')]);
      assert.equal(await store.getProgress('one'), 'docker.io/library/alpine');
      await store.change([noteProgress('one', undefined)]);
      assert.deepEqual([await store.getProgress('one'), await store.getProgress('two')], [undefined, 'x']);
    });

    it('keeps a long list whole', async () => {
      await using made = await create();
      const items = Array.from({ length: 30_000 }, (_, at) => parseTag(`t${at}`));
      await made.store.change([putTagList(alpine, { items, checkedAt: 1 })]);
      assert.deepEqual((await made.store.getTagList(alpine))?.items, items);
    });

    it('makes no change whose repository lacks what it requires, and nothing else of it', async () => {
      await using made = await create();
      const { store } = made;
      const [blob, child, image] = [descriptor('b').digest, descriptor('c'), descriptor('i')];
      const put = putManifest(alpine, { descriptor: image, blobs: [] });
      const required = requireContent(alpine, { blobs: [blob], manifests: [child.digest] });
      const missing = async (digests: readonly string[]): Promise<void> => {
        await assert.rejects(store.change([put, required]), { name: 'MissingContentError', digests });
        assert.equal(await store.getManifest(alpine, image.digest), undefined);
      };
      await missing([blob, child.digest]);
      await store.change([linkBlob(repository('docker.io/library/other'), blob, 5)]);
      await store.change([ownBlob(alpine, blob)]);
      await missing([child.digest]);
      await store.change([putManifest(alpine, { descriptor: child, blobs: [] })]);
      await store.change([loseBlob(blob)]);
      await missing([blob]);
      await store.change([linkBlob(alpine, blob, 5)]);
      await store.change([put, required]);
      assert.deepEqual(await store.getManifest(alpine, image.digest), image);
    });

    it('moves no tag that is required to stay, and makes it where it is not there', async () => {
      await using made = await create();
      const { store } = made;
      const [one, other] = [descriptor('1'), descriptor('2')];
      for (const each of [one, other])
        await store.change([putManifest(alpine, { descriptor: each, blobs: [] })]);
      const point = async (to: Descriptor): Promise<void> => {
        const record = { tag: v1, descriptor: to, checkedAt: 1 };
        await store.change([requireTag(alpine, v1, to.digest), putTag(alpine, record)]);
      };
      await point(one);
      await point(one);
      await assert.rejects(point(other), { name: 'TagTakenError' });
      assert.equal((await store.getTag(alpine, v1))?.descriptor.digest, one.digest);
    });

    it('forgets no manifest that is required to be led to by nothing, while a tag or an index does', async () => {
      await using made = await create();
      const { store } = made;
      const [image, index] = [descriptor('i'), descriptor('x')];
      await store.change([putManifest(alpine, { descriptor: image, blobs: [] })]);
      await store.change([putTag(alpine, { tag: v1, descriptor: image, checkedAt: 1 })]);
      const remove = [requireUnled(alpine, image.digest), removeManifest(alpine, image.digest)];
      await assert.rejects(store.change(remove), { name: 'StillNamedError', by: 'tag' });
      await store.change([removeTag(alpine, v1, image.digest)]);
      await store.change([putManifest(alpine, { descriptor: index, blobs: [], manifests: [image] })]);
      await assert.rejects(store.change(remove), { name: 'StillNamedError', by: 'manifest' });
      assert.deepEqual(await store.getManifest(alpine, image.digest), image);
      await store.change([removeManifest(alpine, index.digest)]);
      await store.change(remove);
      assert.equal(await store.getManifest(alpine, image.digest), undefined);
    });

    it('takes a blob from a repository that no manifest of it names', async () => {
      await using made = await create();
      const { store } = made;
      const other = repository('docker.io/library/other');
      const [blob, image] = [descriptor('b'), descriptor('i')];
      for (const owner of [alpine, other]) await store.change([linkBlob(owner, blob.digest, 5, 'push')]);
      await store.change([putManifest(alpine, { descriptor: image, blobs: [blob] }, 'push')]);
      await assert.rejects(store.change([disownBlob(alpine, blob.digest)]), { name: 'StillNamedError' });
      assert.equal(await store.hasBlob(alpine, blob.digest), true);
      await store.change([removeManifest(alpine, image.digest)]);
      await store.change([disownBlob(alpine, blob.digest), disownBlob(alpine, descriptor('none').digest)]);
      assert.equal(await store.hasBlob(alpine, blob.digest), false);
      assert.equal(await store.hasBlob(other, blob.digest), true);
    });

    it('knows the uploads that were begun and not ended', async () => {
      await using made = await create();
      const { store } = made;
      const uploads = ['a', 'b', 'c'].map((id) => ({ id, repository: alpine, begunAt: 1 }));
      for (const upload of uploads) await store.change([beginUpload(upload)]);
      await assert.rejects(store.change([beginUpload({ id: 'a', repository: alpine, begunAt: 2 })]));
      assert.deepEqual(await store.getUpload('b'), uploads[1]);
      assert.deepEqual(await store.listUploads({ limit: 2 }), uploads.slice(0, 2));
      assert.deepEqual(await store.listUploads({ after: 'b', limit: 2 }), uploads.slice(2));
      await store.change([endUpload('b'), endUpload('none')]);
      assert.equal(await store.getUpload('b'), undefined);
      assert.equal(await store.countUploads(), 2);
      await store.durable();
    });

    it('lists what refers to a manifest in pages, each once', async () => {
      await using made = await create();
      const { store } = made;
      const subject = descriptor('subject').digest;
      const referrers = Array.from({ length: 7 }, (_, at) => ({
        ...descriptor(`r${at}`),
        annotations: { at: `${at}` },
      }));
      for (const each of referrers)
        await store.change([putManifest(alpine, { descriptor: each, blobs: [], subject })]);
      const seen: Descriptor[] = [];
      for (let page: readonly Descriptor[] = []; ; ) {
        page = await store.pageReferrers(alpine, subject, { after: seen.at(-1)?.digest, limit: 3 });
        seen.push(...page);
        if (page.length < 3) break;
      }
      const byDigest = (one: Descriptor, other: Descriptor) => (one.digest < other.digest ? -1 : 1);
      assert.deepEqual(seen.toSorted(byDigest), referrers.toSorted(byDigest));
      assert.deepEqual(await store.pageReferrers(alpine, descriptor('r1').digest, { limit: 3 }), []);
    });

    it('lists tags in pages', async () => {
      await using made = await create();
      const { store } = made;
      const image = descriptor('i');
      await store.change([putManifest(alpine, { descriptor: image, blobs: [] })]);
      const tags = Array.from({ length: 5 }, (_, at) => parseTag(`t${at}`));
      await store.change(tags.map((tag) => putTag(alpine, { tag, descriptor: image, checkedAt: 1 })));
      assert.deepEqual(await store.listTags(alpine, { limit: 2 }), tags.slice(0, 2));
      assert.deepEqual(await store.listTags(alpine, { last: 't1', limit: 2 }), tags.slice(2, 4));
      assert.deepEqual(await store.listTags(alpine, { last: 't3' }), tags.slice(4));
      assert.deepEqual(await store.listTags(alpine, { limit: 0 }), []);
    });
  });
}
