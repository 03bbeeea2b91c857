import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseTag, type RepositoryName } from '#src/oci/reference.ts';
import type { Candidate, ImageCursor, Inventory } from '#src/storage/inventory.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import {
  linkBlob,
  loseBlob,
  type Operation,
  putManifest,
  putTag,
  recordUses,
  removeManifest,
} from '#src/storage/operation.ts';
import type { ImageRecord } from '#src/storage/records.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

export type InventoryFactory = () => Promise<
  { readonly store: MetadataStore & { readonly inventory: Inventory } } & AsyncDisposable
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
      assert.deepEqual(await inventory.candidates({ limit: 10 }), []);
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
        (await store.inventory.candidates({ limit: 10 })).map(({ repository: owner, digest }) => [
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
      assert.equal((await store.inventory.candidates({ limit: 1 })).length, 1);
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
        page = await store.inventory.candidates({ after: page.at(-1), limit: 3 });
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
