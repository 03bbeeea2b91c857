import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseReference, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import type { Candidate, ImageGraph } from '#src/storage/image-graph.ts';
import type { ImageCursor, Inventory } from '#src/storage/inventory.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import {
  linkBlob,
  loseBlob,
  type Operation,
  pinTag,
  putManifest,
  putTag,
  recordMisses,
  recordUses,
  removeManifest,
} from '#src/storage/operation.ts';
import type { BlobRecord, ImageRecord, Miss } from '#src/storage/records.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

export type InventoryFactory = () => Promise<
  {
    readonly store: MetadataStore & { readonly inventory: Inventory; readonly graph: ImageGraph };
  } & AsyncDisposable
>;

const alpine = repository('docker.io/library/alpine');
const mirrored = repository('docker.io/mirror/alpine');
const tool = repository('quay.io/acme/tool');
const nothing = { manifests: 0, manifestBytes: 0, blobs: 0, blobBytes: 0 };

function descriptor(text: string, more: Partial<Descriptor> = {}): Descriptor {
  return { mediaType: ociManifest, digest: sha256(Buffer.from(text)), size: text.length, ...more };
}

function put(
  name: RepositoryName,
  text: string,
  more: { blobs?: Descriptor[]; manifests?: Descriptor[]; subject?: Descriptor } = {},
): Operation {
  const { blobs = [], manifests, subject } = more;
  const mediaType = manifests === undefined ? ociManifest : ociIndex;
  return putManifest(name, {
    ...{ descriptor: descriptor(text, { mediaType }), blobs, manifests, subject: subject?.digest },
  });
}

const link = (name: RepositoryName, text: string): Operation =>
  linkBlob(name, descriptor(text).digest, text.length);
const tag = (name: RepositoryName, text: string, at = 'v1'): Operation =>
  putTag(name, { tag: parseTag(at), descriptor: descriptor(text), checkedAt: 1 });

/** What every Inventory promises, over a store that is changed. */
export function inventoryContract(name: string, create: InventoryFactory): void {
  describe(`${name} as an Inventory`, () => {
    it('is empty where nothing is', async () => {
      await using made = await create();
      const { inventory } = made.store;
      assert.deepEqual(await inventory.totals(), { ...nothing, registries: new Map() });
      assert.deepEqual(await inventory.images({ limit: 10 }), []);
      assert.deepEqual(await made.store.graph.roots({ limit: 10 }), []);
    });

    it('counts manifests for each repository and blobs once, by registry and together', async () => {
      await using made = await create();
      const { store } = made;
      const layer = descriptor('layer');
      for (const each of [alpine, mirrored, tool]) {
        await store.change([put(each, 'image', { blobs: [layer] }), link(each, 'layer')]);
        // Once more is the same.
        await store.change([put(each, 'image', { blobs: [layer] }), link(each, 'layer')]);
      }
      await store.change([
        link(tool, 'of quay alone'),
        put(tool, 'not fetched', { blobs: [descriptor('absent')] }),
      ]);
      const { registries, ...all } = await store.inventory.totals();
      assert.deepEqual(all, { manifests: 4, manifestBytes: 26, blobs: 2, blobBytes: 18 });
      assert.deepEqual(Object.fromEntries(registries), {
        'docker.io': { manifests: 2, manifestBytes: 10, blobs: 1, blobBytes: 5 },
        'quay.io': { manifests: 2, manifestBytes: 16, blobs: 2, blobBytes: 18 },
      });
    });

    it('counts what goes, what comes back and what turns out to have another size', async () => {
      await using made = await create();
      const { store } = made;
      const { digest } = descriptor('layer');
      await store.change([put(alpine, 'image'), linkBlob(alpine, digest), linkBlob(tool, digest)]);
      assert.deepEqual((await store.inventory.totals()).blobBytes, 0);
      await store.change([linkBlob(tool, digest, 5)]);
      const counted = await store.inventory.totals();
      assert.deepEqual([counted.blobs, counted.blobBytes], [1, 5]);
      await store.change([
        loseBlob(digest),
        loseBlob(digest),
        removeManifest(alpine, descriptor('image').digest),
      ]);
      const { registries, ...all } = await store.inventory.totals();
      assert.deepEqual(all, nothing);
      for (const totals of registries.values()) assert.deepEqual(totals, nothing);
      await store.change([linkBlob(alpine, digest, 5)]);
      const again = await store.inventory.totals();
      assert.deepEqual(
        [...again.registries.values()].map(({ blobs }) => blobs),
        [1, 1],
      );
    });

    it('lists images page by page, with their tags, what they lead to and what they lack', async () => {
      await using made = await create();
      const { store } = made;
      const [config, shared, absent] = ['config', 'shared', 'absent'].map((text) => descriptor(text)) as [
        Descriptor,
        Descriptor,
        Descriptor,
      ];
      await store.change([
        put(tool, 'amd64', { blobs: [config, shared] }),
        put(tool, 'arm64', { blobs: [shared, absent] }),
        put(tool, 'index', { manifests: [descriptor('amd64'), descriptor('arm64')] }),
        ...[link(tool, 'config'), link(tool, 'shared')],
        ...[tag(tool, 'index', 'v1'), tag(tool, 'index', 'latest')],
        put(alpine, 'alone'),
      ]);
      const pages: ImageRecord[] = [];
      for (let after: ImageCursor | undefined; ; ) {
        const page = await store.inventory.images({ after, limit: 2 });
        pages.push(...page);
        const last = page.at(-1);
        if (last === undefined) break;
        after = { repository: last.repository, digest: last.descriptor.digest };
      }
      const shown = pages.map(({ repository: owner, tags, totalSize, missing, origin }) => ({
        ...{ owner, tags, totalSize, missing, origin },
      }));
      assert.equal(pages[0]?.repository, alpine);
      const about = (text: string) =>
        shown[pages.findIndex(({ descriptor: own }) => own.digest === descriptor(text).digest)];
      const origin = 'upstream';
      assert.deepEqual(about('alone'), { owner: alpine, tags: [], totalSize: 5, missing: 0, origin });
      assert.deepEqual(about('amd64'), { owner: tool, tags: [], totalSize: 17, missing: 0, origin });
      assert.deepEqual(about('arm64'), { owner: tool, tags: [], totalSize: 17, missing: 1, origin });
      assert.deepEqual(about('index'), {
        ...{ owner: tool, tags: ['latest', 'v1'], missing: 0, origin },
        totalSize: 5 + 5 + 5 + 6 + 6 + 6,
      });
    });

    it('goes on behind an image that has gone since its page was read', async () => {
      await using made = await create();
      const { store } = made;
      const texts = Array.from({ length: 9 }, (_, at) => `image ${at}`);
      await store.change([...texts.map((text) => put(tool, text)), put(alpine, 'alone')]);
      const seen: string[] = [];
      for (let after: ImageCursor | undefined; ; ) {
        const page = await store.inventory.images({ after, limit: 2 });
        seen.push(...page.map(({ descriptor: { digest } }) => digest));
        const last = page.at(-1);
        if (last === undefined) break;
        after = { repository: last.repository, digest: last.descriptor.digest };
        await store.change([removeManifest(last.repository, last.descriptor.digest)]);
      }
      assert.deepEqual(
        seen.toSorted(),
        [...texts, 'alone'].map((text) => descriptor(text).digest).toSorted(),
      );
    });

    it('offers for eviction what nothing else leads to, the one used longest ago first', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([
        put(tool, 'child'),
        put(tool, 'index', { manifests: [descriptor('child')] }),
        tag(tool, 'index'),
        put(tool, 'signature', { subject: descriptor('index') }),
        put(tool, 'by digest'),
        put(alpine, 'child'),
      ]);
      const uses: readonly (readonly [RepositoryName, string])[] = [
        [tool, 'by digest'],
        [alpine, 'child'],
        [tool, 'index'],
        [tool, 'signature'],
      ];
      await store.change([
        recordUses(
          uses.map(([owner, text], at) => ({
            ...{ repository: owner, digest: descriptor(text).digest, at: 1_000_000 + at },
          })),
        ),
      ]);
      const texts = ['child', 'index', 'signature', 'by digest'];
      const offered = async () =>
        (await store.graph.roots({ limit: 10 })).map(({ repository: owner, digest }) => [
          owner,
          texts.find((text) => descriptor(text).digest === digest),
        ]);
      assert.deepEqual(await offered(), [
        [tool, 'by digest'],
        [alpine, 'child'],
        [tool, 'index'],
      ]);
      // Who uses a child uses what leads to it.
      await store.change([recordUses([{ repository: tool, digest: descriptor('child').digest, at: 1 }])]);
      assert.deepEqual((await offered())[0], [tool, 'index']);
      assert.equal((await store.graph.roots({ limit: 1 })).length, 1);
    });

    it('offers them page by page, each once, however many were used at one time and whatever becomes of the last', async () => {
      await using made = await create();
      const { store } = made;
      const texts = Array.from({ length: 25 }, (_, at) => `image ${at}`);
      const times = (at: number): number => 1_000_000 + Math.floor(at / 10);
      await store.change([
        ...texts.map((text) => put(tool, text)),
        put(tool, 'index', { manifests: texts.slice(20).map((text) => descriptor(text)) }),
      ]);
      const uses = texts.map((text, at) => ({
        ...{ repository: tool, digest: descriptor(text).digest, at: times(at) },
      }));
      await store.change([recordUses(uses)]);
      const seen: Candidate[] = [];
      for (let page: readonly Candidate[] = []; ; ) {
        page = await store.graph.roots({ after: page.at(-1), limit: 3 });
        seen.push(...page);
        const last = page.at(-1);
        if (last === undefined || page.length < 3) break;
        await store.change([removeManifest(tool, last.digest)]);
      }
      const expected = [...texts.slice(0, 20), 'index'].map((text) => descriptor(text).digest);
      assert.deepEqual(seen.map(({ digest }) => digest).toSorted(), expected.toSorted());
      const at = seen.map(({ usedAt }) => usedAt);
      assert.deepEqual(at, at.toSorted());
    });

    describe('weighs what removing an image would free', () => {
      const weighed = async ({ inventory }: { readonly inventory: Inventory }) => {
        const images = await inventory.images({ limit: 100, weighs: true });
        return (name: RepositoryName, text: string) =>
          images.find(
            (image) => image.repository === name && image.descriptor.digest === descriptor(text).digest,
          )?.frees;
      };

      it('by what is stored, and nothing else leads to', async () => {
        await using made = await create();
        const { store } = made;
        const [base, own, absent] = ['base', 'own layer', 'absent'].map((text) => descriptor(text));
        await store.change([
          put(alpine, 'one', { blobs: [base, own, absent].filter((blob) => blob !== undefined) }),
          put(mirrored, 'two', { blobs: [base ?? assert.fail()] }),
          link(alpine, 'base'),
          link(alpine, 'own layer'),
        ]);
        const freed = await weighed(store);
        assert.equal(freed(alpine, 'one'), 'one'.length + 'own layer'.length);
        assert.equal(freed(mirrored, 'two'), 'two'.length);
        assert.equal((await store.inventory.images({ limit: 1 }))[0]?.frees, undefined);
        await store.change([removeManifest(mirrored, descriptor('two').digest)]);
        assert.equal(
          (await weighed(store))(alpine, 'one'),
          'one'.length + 'own layer'.length + 'base'.length,
        );
        // What was verified once and is gone frees nothing.
        await store.change([loseBlob(descriptor('own layer').digest)]);
        assert.equal((await weighed(store))(alpine, 'one'), 'one'.length + 'base'.length);
      });

      it('nothing of what an index has, all of the index, and of that neither what another tag points at nor what another index has', async () => {
        await using made = await create();
        const { store } = made;
        const [amd64, arm64, riscv] = [descriptor('amd64'), descriptor('arm64'), descriptor('riscv64')];
        const layers = ['layer of amd64', 'layer of arm64', 'layer of both'];
        const [first, second, both] = layers.map((text) => descriptor(text));
        assert.ok(first && second && both);
        await store.change([
          put(tool, 'amd64', { blobs: [first, both] }),
          put(tool, 'arm64', { blobs: [second, both] }),
          put(tool, 'riscv64'),
          put(tool, 'index', { manifests: [amd64, arm64, riscv] }),
          put(tool, 'other index', { manifests: [riscv] }),
          ...layers.map((text) => link(tool, text)),
        ]);
        const freed = await weighed(store);
        assert.equal(freed(tool, 'amd64'), 0);
        const all = ['index', 'amd64', 'arm64', ...layers].join('').length;
        assert.equal(freed(tool, 'index'), all);
        await store.change([tag(tool, 'arm64')]);
        const left = ['arm64', 'layer of arm64', 'layer of both'].join('').length;
        assert.equal((await weighed(store))(tool, 'index'), all - left);
      });

      it('nothing that another repository has of the same image', async () => {
        await using made = await create();
        const { store } = made;
        const layer = descriptor('layer');
        for (const each of [alpine, mirrored])
          await store.change([put(each, 'image', { blobs: [layer] }), link(each, 'layer')]);
        const freed = await weighed(store);
        assert.deepEqual([freed(alpine, 'image'), freed(mirrored, 'image')], [0, 0]);
      });

      it('and says nothing where too much would have to be looked at', async () => {
        await using made = await create();
        const { store } = made;
        const blobs = Array.from({ length: 11_000 }, (_, at) => descriptor(`layer ${at}`));
        await store.change([put(tool, 'image', { blobs }), put(tool, 'small', { blobs: blobs.slice(0, 1) })]);
        const freed = await weighed(store);
        assert.deepEqual([freed(tool, 'image'), freed(tool, 'small')], [undefined, 5]);
      });
    });

    it('has the stored blobs by digest, page by page, with how many manifests name each', async () => {
      await using made = await create();
      const { store } = made;
      const layers = Array.from({ length: 120 }, (_, at) => `layer ${at}`);
      await store.change([
        put(alpine, 'one', { blobs: layers.map((text) => descriptor(text)) }),
        put(tool, 'two', { blobs: [descriptor('layer 0'), descriptor('absent')] }),
        ...layers.slice(0, 70).map((text) => link(alpine, text)),
      ]);
      await store.change([...layers.slice(70).map((text) => link(alpine, text)), link(alpine, 'orphan')]);
      const seen: BlobRecord[] = [];
      for (let page: readonly BlobRecord[] = []; ; ) {
        page = await store.inventory.blobs({ after: page.at(-1)?.digest, limit: 7 });
        seen.push(...page);
        if (page.length < 7) break;
      }
      const expected = [...layers, 'orphan'].map((text) => descriptor(text).digest).toSorted();
      assert.deepEqual(
        seen.map(({ digest }) => digest),
        expected,
      );
      const references = new Map(seen.map((blob) => [blob.digest, blob.references]));
      const counted = ['layer 0', 'layer 1', 'orphan'].map((text) => references.get(descriptor(text).digest));
      assert.deepEqual(counted, [2, 1, 0]);
      assert.equal(seen.find(({ digest }) => digest === descriptor('layer 1').digest)?.size, 7);
    });

    it('has the images of one repository, and of no other that begins like it', async () => {
      await using made = await create();
      const { store } = made;
      const longer = repository('quay.io/acme/tool2');
      await store.change([put(longer, 'other'), put(alpine, 'other')]);
      assert.deepEqual(await store.inventory.images({ only: tool, limit: 10 }), []);
      await store.change([put(tool, 'one'), put(tool, 'two'), put(tool, 'three')]);
      const [first] = await store.inventory.images({ only: tool, limit: 1 });
      const after = first && { repository: tool, digest: first.descriptor.digest };
      const others = await store.inventory.images({ only: tool, after, limit: 10 });
      const found = [first, ...others].map((image) => image?.descriptor.digest);
      assert.deepEqual(
        found,
        ['one', 'two', 'three'].map((text) => descriptor(text).digest),
      );
    });

    it('tells which tags are pinned: they stay so when they move, until they are unpinned', async () => {
      await using made = await create();
      const { store } = made;
      const v1 = parseTag('v1');
      const pinned = async (text: string) =>
        (await store.inventory.images({ limit: 10 })).find(
          (image) => image.descriptor.digest === descriptor(text).digest,
        )?.pinned;
      await store.change([put(tool, 'one'), put(tool, 'two'), tag(tool, 'one'), tag(tool, 'one', 'v2')]);
      await store.change([pinTag(tool, v1, true), pinTag(tool, parseTag('none'), true)]);
      await store.change([pinTag(mirrored, v1, true)]);
      assert.deepEqual([await pinned('one'), await pinned('two')], [new Set(['v1']), new Set()]);
      await store.change([tag(tool, 'two')]);
      assert.deepEqual([await pinned('one'), await pinned('two')], [new Set(), new Set(['v1'])]);
      await store.change([pinTag(tool, v1, false)]);
      assert.deepEqual(await pinned('two'), new Set());
    });

    it('tells all tags of an image, however many, and which of them are pinned', async () => {
      await using made = await create();
      const { store } = made;
      const names = Array.from({ length: 1200 }, (_, at) => `t${1000 + at}`);
      await store.change([put(tool, 'one')]);
      for (const name of names) await store.change([tag(tool, 'one', name)]);
      await store.change([pinTag(tool, parseTag('t2199'), true)]);
      const [image] = await store.inventory.images({ limit: 10 });
      assert.deepEqual(image?.tags, names);
      assert.deepEqual(image.pinned, new Set(['t2199']));
    });

    describe('tells what was missed across an air gap', () => {
      const miss = (repository: RepositoryName, reference: string, at: number, times = 1): Miss => ({
        ...{ repository, reference: parseReference(reference), times, firstAt: at, lastAt: at },
      });

      it('by name, how often, and since when', async () => {
        await using made = await create();
        const { store } = made;
        await store.change([recordMisses([miss(tool, 'v2', 20), miss(alpine, '3', 10, 2)])]);
        await store.change([recordMisses([miss(alpine, '3', 30)])]);
        assert.deepEqual(await store.inventory.misses({ limit: 10 }), [
          { repository: alpine, reference: '3', times: 3, firstAt: 10, lastAt: 30 },
          { repository: tool, reference: 'v2', times: 1, firstAt: 20, lastAt: 20 },
        ]);
        // They are no repositories of which there is something.
        assert.deepEqual(await store.listRepositories({ limit: 10 }), []);
      });

      it('as long as it is not here, or lacks a blob', async () => {
        await using made = await create();
        const { store } = made;
        const { digest } = descriptor('image');
        const names = async () =>
          (await store.inventory.misses({ limit: 10 })).map(({ reference }) => reference);
        await store.change([
          recordMisses([miss(tool, 'v1', 1), miss(tool, digest, 1), miss(mirrored, digest, 1)]),
        ]);
        await store.change([put(tool, 'image', { blobs: [descriptor('layer')] })]);
        assert.deepEqual(await names(), [digest, digest, 'v1']);
        await store.change([link(tool, 'layer'), tag(tool, 'image')]);
        assert.deepEqual(await names(), [digest]);
        await store.change([removeManifest(tool, digest)]);
        assert.deepEqual(await names(), [digest, digest, 'v1']);
      });

      it('page by page, and of ten thousand names, those that were missed last', {
        timeout: 60_000,
      }, async () => {
        await using made = await create();
        const { store } = made;
        const names = Array.from({ length: 10_050 }, (_, at) => `t${String(at).padStart(5, '0')}`);
        for (let at = 0; at < names.length; at += 100)
          await store.change([
            recordMisses(names.slice(at, at + 100).map((name, more) => miss(tool, name, at + more))),
          ]);
        const seen: string[] = [];
        for (let page: readonly Miss[] = []; ; ) {
          page = await store.inventory.misses({ after: page.at(-1), limit: 333 });
          seen.push(...page.map(({ reference }) => reference));
          if (page.length < 333) break;
        }
        assert.deepEqual(seen, names.slice(50));
      });
    });

    it('counts what two platforms share once, and the greatest of what is claimed of it', async () => {
      await using made = await create();
      const { store } = made;
      const shared = descriptor('shared');
      await store.change([
        put(tool, 'amd64', { blobs: [shared] }),
        put(tool, 'arm64', { blobs: [{ ...shared, size: 100 }] }),
        put(tool, 'inner', { manifests: [descriptor('amd64'), descriptor('arm64')] }),
        put(tool, 'outer', { manifests: [descriptor('inner'), descriptor('amd64')] }),
      ]);
      const images = await store.inventory.images({ limit: 10 });
      const sizes = Object.fromEntries(
        images.map(({ descriptor: { digest }, totalSize }) => [digest, totalSize]),
      );
      assert.equal(sizes[descriptor('inner').digest], 5 + 5 + 5 + 100);
      assert.equal(sizes[descriptor('outer').digest], 5 + 5 + 5 + 5 + 100);
    });
  });
}
