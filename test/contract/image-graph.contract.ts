import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import type { AnnouncedContent, ImageGraph } from '#src/storage/image-graph.ts';
import type { Inventory } from '#src/storage/inventory.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import {
  announceContent,
  discardAnnounced,
  discardContent,
  dropManifest,
  endLease,
  leaseContent,
  leaveContent,
  linkBlob,
  loseBlob,
  noteArrival,
  type Operation,
  ownBlob,
  pinTag,
  putManifest,
  putTag,
  recordUses,
  removeTag,
  tagIsGone,
} from '#src/storage/operation.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

export type ImageGraphFactory = () => Promise<
  {
    readonly store: MetadataStore & { readonly graph: ImageGraph; readonly inventory: Inventory };
  } & AsyncDisposable
>;

const alpine = repository('docker.io/library/alpine');
const mirrored = repository('docker.io/mirror/alpine');
const tool = repository('quay.io/acme/tool');
const dayMs = 86_400_000;
const future = (): number => Date.now() + dayMs;

function descriptor(text: string, mediaType = ociManifest): Descriptor {
  return { mediaType, digest: sha256(Buffer.from(text)), size: text.length };
}

const digestOf = (text: string) => descriptor(text).digest;

interface Named {
  readonly blobs?: readonly string[];
  readonly manifests?: readonly string[];
  readonly subject?: string;
}

function put(name: RepositoryName, text: string, { blobs = [], manifests, subject }: Named = {}): Operation {
  return putManifest(name, {
    descriptor: descriptor(text, manifests === undefined ? ociManifest : ociIndex),
    blobs: blobs.map((blob) => descriptor(blob)),
    manifests: manifests?.map((child) => descriptor(child)),
    subject: subject === undefined ? undefined : digestOf(subject),
  });
}

const link = (name: RepositoryName, text: string): Operation => linkBlob(name, digestOf(text), text.length);
const arrival = (text: string): Operation => noteArrival(digestOf(text), text.length, undefined);
const tag = (name: RepositoryName, text: string, at = 'v1'): Operation =>
  putTag(name, { tag: parseTag(at), descriptor: descriptor(text), checkedAt: 1 });
const drop = (name: RepositoryName, text: string): Operation => dropManifest(name, digestOf(text));
const discard = (name: RepositoryName, texts: readonly string[], before = future()): Operation =>
  discardContent(name, texts.map(digestOf), before);

/** What every store promises whose images can be removed. */
export function imageGraphContract(name: string, create: ImageGraphFactory): void {
  describe(`${name} as an ImageGraph`, () => {
    it('says of a manifest what leads to it, when it came and was used', async () => {
      await using made = await create();
      const { store } = made;
      const { graph } = store;
      await store.change([
        put(tool, 'child', { blobs: ['config', 'layer'] }),
        put(tool, 'index', { manifests: ['child', 'elsewhere'] }),
        put(tool, 'signature', { subject: 'child' }),
        ...[tag(tool, 'index', 'v2'), tag(tool, 'index', 'v1'), tag(tool, 'child', 'amd64')],
      ]);
      await store.change([tagIsGone(tool, parseTag('v1'), 7)]);
      const node = (await graph.node(tool, digestOf('index'))) ?? assert.fail();
      assert.deepEqual(node.tags, [
        { tag: 'v1', isPinned: false, goneAt: 7 },
        { tag: 'v2', isPinned: false, goneAt: undefined },
      ]);
      assert.ok(Math.abs(node.createdAt - Date.now()) < 60_000);
      assert.equal(await graph.node(alpine, digestOf('index')), undefined);
      assert.equal(await graph.node(tool, digestOf('elsewhere')), undefined);
      const leads = async (text: string) => await graph.leads(tool, digestOf(text));
      assert.deepEqual(
        await Promise.all(['index', 'child', 'signature', 'nothing'].map(leads)),
        [2, 2, 1, 0],
      );
      const named = await graph.named(tool, digestOf('index'), { limit: 10 });
      assert.deepEqual(
        new Set(named),
        new Set(['child', 'elsewhere'].map((text) => ({ digest: digestOf(text), isManifest: true }))),
      );
      const [first] = await graph.named(tool, digestOf('child'), { limit: 1 });
      const [second] = await graph.named(tool, digestOf('child'), { after: first?.digest, limit: 10 });
      assert.deepEqual(new Set([first?.digest, second?.digest]), new Set(['config', 'layer'].map(digestOf)));
      assert.deepEqual(await graph.referrers(tool, digestOf('child'), { limit: 10 }), [
        digestOf('signature'),
      ]);
      assert.deepEqual(await graph.tagsLike(tool, 'v', { limit: 10 }), [
        { tag: 'v1', digest: digestOf('index') },
        { tag: 'v2', digest: digestOf('index') },
      ]);
      assert.deepEqual(await graph.tagsLike(tool, 'v', { limit: 1 }), [
        { tag: 'v1', digest: digestOf('index') },
      ]);
      assert.deepEqual(await graph.tagsLike(tool, 'v', { after: parseTag('v1'), limit: 10 }), [
        { tag: 'v2', digest: digestOf('index') },
      ]);
    });

    it('says of a manifest all tags that lead to it, however many', async () => {
      await using made = await create();
      const { store } = made;
      const names = Array.from({ length: 1200 }, (_, at) => `t${1000 + at}`);
      await store.change([put(tool, 'image'), put(tool, 'other'), tag(tool, 'other', 't1500x')]);
      for (const name of names) await store.change([tag(tool, 'image', name)]);
      await store.change([pinTag(tool, parseTag('t2199'), true)]);
      const { tags = [] } = (await store.graph.node(tool, digestOf('image'))) ?? {};
      assert.deepEqual(
        tags.map((each) => each.tag),
        names,
      );
      assert.deepEqual(
        tags.filter(({ isPinned }) => isPinned).map((each) => each.tag),
        ['t2199'],
      );
    });

    it('forgets of a tag that it was gone when upstream has it again', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([put(tool, 'image'), tag(tool, 'image'), tagIsGone(tool, parseTag('v1'), 7)]);
      await store.change([tagIsGone(tool, parseTag('v1'), 9), tagIsGone(tool, parseTag('none'), 9)]);
      const goneAt = async () => (await store.graph.node(tool, digestOf('image')))?.tags[0]?.goneAt;
      assert.equal(await goneAt(), 7);
      await store.change([tag(tool, 'image')]);
      assert.equal(await goneAt(), undefined);
    });

    it('tells roots that were used on two days from those that were not, each in the order of use', async () => {
      await using made = await create();
      const { store } = made;
      const now = Date.now();
      const use = (text: string, at: number) =>
        recordUses([{ repository: tool, digest: digestOf(text), at }]);
      await store.change([
        ...['a', 'b', 'c'].map((text) => put(tool, text)),
        put(tool, 'index', { manifests: ['c'] }),
        ...[use('b', now), use('a', now + 1)],
      ]);
      await store.change([use('c', now + dayMs)]);
      const offered = async (kind?: 'once' | 'repeated') =>
        (await store.graph.roots({ limit: 10, use: kind })).map(({ digest }) => digest);
      assert.deepEqual(await offered(), ['b', 'a', 'index'].map(digestOf));
      assert.deepEqual(await offered('once'), ['b', 'a'].map(digestOf));
      assert.deepEqual(await offered('repeated'), ['index'].map(digestOf));
      await store.change([drop(tool, 'index'), put(tool, 'index', { manifests: ['c'] })]);
      assert.deepEqual(await offered('repeated'), []);
    });

    it('drops a manifest only where nothing leads to it', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([
        put(tool, 'child'),
        put(tool, 'index', { manifests: ['child'] }),
        put(tool, 'signature', { subject: 'index' }),
        tag(tool, 'index'),
      ]);
      await store.change([drop(tool, 'child'), drop(tool, 'index'), drop(tool, 'signature')]);
      const left = async () =>
        (await store.inventory.images({ limit: 10 })).map(({ descriptor: { digest } }) => digest);
      assert.equal((await left()).length, 3);
      // It has moved on, as far as somebody else says.
      await store.change([removeTag(tool, parseTag('v1'), digestOf('child'))]);
      assert.deepEqual(await store.listTags(tool), ['v1']);
      await store.change([removeTag(tool, parseTag('v1'), digestOf('index')), drop(tool, 'index')]);
      assert.deepEqual(new Set(await left()), new Set(['child', 'signature'].map(digestOf)));
      assert.deepEqual((await store.listFormerTags(tool, parseTag('v1')))[0]?.why, 'removed');
      await store.change([drop(tool, 'child'), drop(tool, 'signature')]);
      assert.deepEqual(await left(), []);
    });

    it('discards what nobody names any more, and counts it no longer', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([
        put(alpine, 'one', { blobs: ['own', 'shared'] }),
        put(alpine, 'two', { blobs: ['shared'] }),
        ...['own', 'shared'].map((text) => link(alpine, text)),
      ]);
      await store.change([discard(alpine, ['own', 'shared', 'one'])]);
      assert.equal((await store.inventory.totals()).blobs, 2);
      await store.change([drop(alpine, 'one'), discard(alpine, ['own', 'shared', 'one'])]);
      const { registries, ...all } = await store.inventory.totals();
      assert.deepEqual(all, { manifests: 1, manifestBytes: 3, blobs: 1, blobBytes: 6 });
      assert.deepEqual(registries.get(alpine.split('/')[0] as never), all);
      const here = async (text: string) =>
        (await store.graph.content(digestOf(text)))?.storedAt !== undefined;
      assert.deepEqual(await Promise.all(['own', 'shared', 'one', 'two'].map(here)), [
        false,
        true,
        false,
        true,
      ]);
      assert.equal(await store.hasBlob(alpine, digestOf('shared')), true);
      assert.equal((await store.listWantedBlobs({ limit: 10 })).length, 0);
      assert.deepEqual(await store.graph.leaving({ limit: 10 }), []);
    });

    it('takes from a registry what its images do not name any more, though those of another do', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([
        ...[alpine, mirrored, tool].flatMap((owner) => [
          put(owner, `of ${owner}`, { blobs: ['shared'] }),
          link(owner, 'shared'),
        ]),
      ]);
      const counted = async () => {
        const { registries, blobs } = await store.inventory.totals();
        return [blobs, ...['docker.io', 'quay.io'].map((host) => registries.get(host as never)?.blobs)];
      };
      assert.deepEqual(await counted(), [1, 1, 1]);
      const remove = async (owner: RepositoryName) =>
        await store.change([drop(owner, `of ${owner}`), discard(owner, ['shared', `of ${owner}`])]);
      await remove(alpine);
      assert.deepEqual(await counted(), [1, 1, 1]);
      assert.equal(await store.hasBlob(alpine, digestOf('shared')), false);
      await remove(mirrored);
      assert.deepEqual(await counted(), [1, 0, 1]);
      await remove(tool);
      assert.deepEqual(await counted(), [0, 0, 0]);
    });

    it('tells what somebody holds, by a lease or since he brings it', async () => {
      await using made = await create();
      const { store } = made;
      const [leased, brought, other] = ['leased', 'brought', 'other'].map(digestOf) as [
        Digest,
        Digest,
        Digest,
      ];
      await store.change([leaseContent([leased], 'import', 50), announceContent([brought], 70)]);
      const held = async (now: number) =>
        await Promise.all(
          [leased, brought, other].map(async (digest) => await store.graph.isHeld(digest, now)),
        );
      assert.deepEqual(await held(49), [true, true, false]);
      assert.deepEqual(await held(50), [false, true, false]);
      assert.deepEqual(await held(70), [false, false, false]);
      // Of two each ends his own.
      await store.change([leaseContent([leased, other], 'import', 90), leaseContent([leased], 'load', 90)]);
      await store.change([endLease([leased, other, digestOf('unknown')], 'import')]);
      assert.deepEqual(await held(80), [true, false, false]);
    });

    it('tells what the totals count: what somebody owns, and manifests, as long as they are here', async () => {
      await using made = await create();
      const { store } = made;
      const texts = ['brought', 'owned', 'image', 'away', 'unknown'];
      const counted = async () => {
        const found = await store.graph.counted(texts.map(digestOf));
        return texts.map((text) => found.get(digestOf(text)));
      };
      await store.change([arrival('brought'), arrival('owned'), ownBlob(tool, digestOf('away'))]);
      assert.deepEqual(await counted(), [false, false, undefined, undefined, undefined]);
      await store.change([link(tool, 'owned'), put(tool, 'image')]);
      assert.deepEqual(await counted(), [false, true, true, undefined, undefined]);
      await store.change([loseBlob(digestOf('owned'))]);
      assert.deepEqual(await counted(), [false, undefined, true, undefined, undefined]);
    });

    it('leaves what has just come, and what is leased, and says that it is to be looked at again', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([
        put(tool, 'image', { blobs: ['leased', 'layer'] }),
        link(tool, 'leased'),
        link(tool, 'layer'),
      ]);
      await store.change([leaseContent([digestOf('leased'), digestOf('unknown')], 'import', future())]);
      await store.change([
        drop(tool, 'image'),
        discard(tool, ['leased', 'layer', 'image'], Date.now() - dayMs),
      ]);
      const leaving = async () =>
        new Set((await store.graph.leaving({ limit: 10 })).map(({ digest }) => digest));
      assert.deepEqual(await leaving(), new Set(['leased', 'layer', 'image'].map(digestOf)));
      await store.change([discard(tool, ['leased', 'layer', 'image'])]);
      assert.deepEqual(await leaving(), new Set([digestOf('leased')]));
      await store.change([leaseContent([digestOf('leased')], 'import', 1), discard(tool, ['leased'])]);
      assert.deepEqual(await leaving(), new Set());
      assert.equal((await store.graph.content(digestOf('leased')))?.storedAt, undefined);
    });

    it('leaves to its repository what has just come, also where another names it', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([put(mirrored, 'image', { blobs: ['layer'] }), link(mirrored, 'layer')]);
      await store.change([link(tool, 'layer'), leaveContent(tool, [digestOf('layer')])]);
      await store.change([discard(tool, ['layer'], Date.now() - dayMs)]);
      assert.equal(await store.hasBlob(tool, digestOf('layer')), true);
      const leaving = await store.graph.leaving({ limit: 10 });
      assert.deepEqual(
        leaving.map(({ repository, digest }) => [repository, digest]),
        [[tool, digestOf('layer')]],
      );
      await store.change([discard(tool, ['layer'])]);
      assert.equal(await store.hasBlob(tool, digestOf('layer')), false);
    });

    it('keeps what was announced until its time is over, and lets go what nobody has named or owns by then', async () => {
      await using made = await create();
      const { store } = made;
      const announced = async (now = Date.now()) =>
        (await store.graph.announced({ now, limit: 10 })).map(({ digest }) => digest);
      const isHere = async (text: string) =>
        (await store.graph.content(digestOf(text)))?.storedAt !== undefined;
      const texts = ['stray', 'owned', 'named', 'manifest', 'fresh', 'never came'];
      const digests = texts.map(digestOf);
      await store.change([announceContent(digests, 2), ...texts.slice(0, 4).map(arrival)]);
      await store.change([announceContent([digestOf('fresh')], future()), arrival('fresh')]);
      await store.change([announceContent([digestOf('fresh')], 1)]);
      await store.change([
        link(mirrored, 'owned'),
        put(tool, 'image', { blobs: ['named'] }),
        put(alpine, 'manifest'),
      ]);
      assert.deepEqual(new Set(await announced()), new Set(digests.filter((_, at) => at !== 4)));
      assert.equal((await announced(future() + dayMs)).length, digests.length);
      await store.change([discardAnnounced(digests, Date.now() - dayMs)]);
      // It came a moment ago.
      assert.deepEqual(await announced(), [digestOf('stray')]);
      assert.equal(await isHere('stray'), true);
      await store.change([discardAnnounced(digests, future())]);
      assert.deepEqual(await announced(), []);
      const here = await Promise.all(texts.map(isHere));
      assert.deepEqual(here, [false, true, true, true, true, false]);
    });

    it('does not discard, with an image that goes, what somebody has announced', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([put(tool, 'image', { blobs: ['layer'] }), link(tool, 'layer')]);
      await store.change([announceContent([digestOf('layer')], future())]);
      await store.change([drop(tool, 'image'), discard(tool, ['layer', 'image'])]);
      assert.deepEqual(
        (await store.graph.leaving({ limit: 10 })).map(({ digest }) => digest),
        [digestOf('layer')],
      );
    });

    it('has an import take over what it has announced when it says whose that is', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([announceContent(['layer', 'image', 'by another'].map(digestOf), 2)]);
      await store.change([
        linkBlob(tool, digestOf('layer'), 5, 'import'),
        putManifest(tool, { descriptor: descriptor('image'), blobs: [] }, 'import'),
        link(tool, 'by another'),
      ]);
      const announced = await store.graph.announced({ now: Date.now(), limit: 10 });
      assert.deepEqual(announced, [{ digest: digestOf('by another'), until: 2 }]);
    });

    it('goes on behind what was announced with the same time', async () => {
      await using made = await create();
      const { store } = made;
      const digests = ['a', 'b', 'c'].map(digestOf);
      await store.change([announceContent(digests.slice(0, 2), 5), announceContent(digests.slice(2), 7)]);
      const found: string[] = [];
      for (let after: AnnouncedContent | undefined; ; ) {
        [after] = await store.graph.announced({ now: 7, after, limit: 1 });
        if (after === undefined) break;
        found.push(after.digest);
      }
      assert.deepEqual(found, digests);
      assert.deepEqual((await store.graph.announced({ now: 6, limit: 10 })).length, 2);
    });

    it('says that what is linked is leaving where no manifest names it', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([link(alpine, 'layer'), link(alpine, 'named')]);
      await store.change([link(tool, 'layer'), put(tool, 'image', { blobs: ['named'] })]);
      await store.change([leaveContent(tool, ['layer', 'named'].map(digestOf))]);
      assert.deepEqual(await store.graph.leaving({ limit: 10 }), [
        { repository: tool, digest: digestOf('layer') },
      ]);
    });

    it('takes a blob for here where somebody brings it, and not where he says whose it is', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([
        put(tool, 'image', { blobs: ['layer'] }),
        link(tool, 'layer'),
        put(alpine, 'other', { blobs: ['layer'] }),
      ]);
      await store.change([loseBlob(digestOf('layer')), ownBlob(alpine, digestOf('layer'))]);
      assert.equal(await store.hasBlob(alpine, digestOf('layer')), false);
      await store.change([link(tool, 'layer')]);
      assert.equal(await store.hasBlob(alpine, digestOf('layer')), true);
      await store.change([ownBlob(mirrored, digestOf('layer'))]);
      assert.equal(await store.hasBlob(mirrored, digestOf('layer')), true);
      assert.equal((await store.listWantedBlobs({ limit: 10 })).length, 0);
    });

    it('counts who uses bytes, and which tags came last', async () => {
      await using made = await create();
      const { store } = made;
      await store.change([
        ...['one', 'two', 'three'].map((text) => put(tool, text, { blobs: ['layer'] })),
        put(alpine, 'one', { blobs: ['layer'] }),
        put(tool, 'index', { manifests: ['one'] }),
      ]);
      assert.equal(await store.graph.uses(digestOf('layer'), 100), 4);
      assert.equal(await store.graph.uses(digestOf('layer'), 2), 2);
      assert.equal(await store.graph.uses(digestOf('one'), 100), 2);
      for (const [at, text] of ['two', 'one', 'three'].entries())
        await store.change([
          putTag(tool, { tag: parseTag(`t${text}`), descriptor: descriptor(text), checkedAt: 10 + at }),
        ]);
      assert.deepEqual(await store.graph.newestTags(tool, 2), ['tthree', 'tone']);
    });
  });
}
