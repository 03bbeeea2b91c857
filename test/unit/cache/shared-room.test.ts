import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { memoryShare } from '#src/base/memory-limit.ts';
import { largeAnswers } from '#src/base/room.ts';
import { tooMuchRead } from '#src/oci/busy.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import type { CallOptions } from '#src/oci/registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes } from '#test/fakes/images.ts';

const alpine = repository('docker.io/library/alpine');
const v1 = parseTag('v1');
const subject = sha256(Buffer.from('subject'));
const mebibyte = 1024 * 1024;
const size = 10 * mebibyte;
/** What of it counts. */
const counted = size - 64 * 1024;

const tags = Array.from({ length: 2000 }, (_, at) => parseTag(`t${at}`));
const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, layers: [] }));

/** An upstream whose answers are said to be large, and how often it was asked. */
function large() {
  let asked = 0;
  const sized = ({ room }: CallOptions = {}): void => {
    asked += 1;
    room?.settle(size);
  };
  const descriptor = { mediaType: ociManifest, digest: sha256(manifest), size: manifest.length };
  const upstream = Object.assign(new MemoryRegistry(), {
    listTags: async (_name: unknown, options?: CallOptions) => {
      sized(options);
      return { tags, hasMore: false };
    },
    listReferrers: async (_name: unknown, _digest: unknown, options?: CallOptions) => {
      sized(options);
      return { referrers: [descriptor] };
    },
    getManifest: async (_name: unknown, _reference: unknown, options?: CallOptions) => {
      sized(options);
      return { descriptor, bytes: manifest };
    },
  });
  return { upstream, asked: () => asked };
}

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

describe('a large answer', () => {
  afterEach(() => assert.equal(largeAnswers.taken, 0));

  for (const [what, ask] of [
    ['list of tags', async (cache, options) => await cache.registry.listTags(alpine, options)],
    [
      'list of referrers',
      async (cache, options) => await cache.registry.listReferrers(alpine, subject, options),
    ],
    ['manifest', async (cache, options) => await cache.registry.getManifest(alpine, v1, options)],
  ] as const satisfies [string, (cache: CacheUnderTest, options: CallOptions) => Promise<unknown>][]) {
    it(`has room once for all who are given it at a time: a ${what}`, async () => {
      const { upstream, asked } = large();
      await using cache = new CacheUnderTest({ upstream, policy: { complete: false } });
      const shares: Disposable[] = [];
      const holds = (share: Disposable): void => void shares.push(share);
      await Promise.all(Array.from({ length: 20 }, async () => await ask(cache, { holds })));
      for (let turns = 0; turns < 5; turns += 1) await turn();
      assert.deepEqual([asked(), shares.length, largeAnswers.taken], [1, 20, counted]);
      for (const share of shares.slice(1)) share[Symbol.dispose]();
      assert.equal(largeAnswers.taken, counted);
      shares[0]?.[Symbol.dispose]();
    });
  }

  it('that is a part of a list has room of its own for each, and that of a few tags none', async () => {
    const { upstream } = large();
    await using cache = new CacheUnderTest({ upstream });
    const shares: Disposable[] = [];
    const holds = (share: Disposable): void => void shares.push(share);
    await cache.registry.listTags(alpine);
    await turn();
    await cache.registry.listTags(alpine, { holds, last: tags[0] });
    await cache.registry.listTags(alpine, { holds, n: 10 });
    const part = largeAnswers.taken;
    assert.deepEqual([shares.length, part > 0 && part < counted], [1, true], String(part));
    shares[0]?.[Symbol.dispose]();
  });

  it('that was kept for an outage is not read while there is no room for it, and who waits is told to come again', async () => {
    const { upstream } = large();
    const up = { ...upstream, isDown: false };
    const list = upstream.listTags;
    upstream.listTags = async (...args) => {
      if (up.isDown) throw new RegistryError('UNAVAILABLE', 'down', { status: 503 });
      return await list(...args);
    };
    await using cache = new CacheUnderTest({ upstream });
    await cache.registry.listTags(alpine);
    await cache.parts.tasks[Symbol.asyncDispose]();
    up.isDown = true;
    await cache.clock.advance(60_000);
    const getTagList = cache.parts.metadata.getTagList.bind(cache.parts.metadata);
    let read = 0;
    cache.parts.metadata.getTagList = async (...args) => {
      read += 1;
      return await getTagList(...args);
    };
    largeAnswers.force('others', 1e9);
    const leaving = new AbortController();
    const waiting = cache.registry.listTags(alpine, { signal: leaving.signal });
    while (largeAnswers.waiting === 0) await turn();
    assert.equal(read, 0);
    largeAnswers.giveBack('others', 1e9);
    assert.deepEqual((await waiting).tags, tags);
    assert.equal(read, 1);
    for (let turns = 0; turns < 3; turns += 1) await turn();
  });

  it('that is a manifest on the disk is read once for all who ask', async () => {
    const content = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: ociManifest,
        text: Buffer.from(bytes(mebibyte)).toString('hex'),
      }),
    );
    const descriptor = { mediaType: ociManifest, digest: sha256(content), size: content.length };
    await using cache = new CacheUnderTest();
    await cache.parts.manifests.keep(alpine, { descriptor, bytes: content });
    await cache.parts.tasks[Symbol.asyncDispose]();
    cache.parts.manifests.forgetAll();
    const open = cache.blobs.open.bind(cache.blobs);
    let opened = 0;
    cache.blobs.open = async (digest) => {
      opened += 1;
      return await open(digest);
    };
    const shares: Disposable[] = [];
    const holds = (share: Disposable): void => void shares.push(share);
    const all = await Promise.all(
      Array.from(
        { length: 20 },
        async () => await cache.registry.getManifest(alpine, descriptor.digest, { holds }),
      ),
    );
    await turn();
    assert.equal(new Set(all.map(({ bytes: same }) => same)).size, 1);
    assert.deepEqual([opened, shares.length, largeAnswers.taken], [1, 20, content.length - 64 * 1024]);
    for (const share of shares) share[Symbol.dispose]();
  });

  it('that is a manifest on the disk is counted for its registry, and waits for no other', async () => {
    const text = Buffer.from(bytes(mebibyte)).toString('hex');
    const content = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, text }));
    const descriptor = { mediaType: ociManifest, digest: sha256(content), size: content.length };
    await using cache = new CacheUnderTest();
    await cache.parts.manifests.keep(alpine, { descriptor, bytes: content });
    await cache.parts.tasks[Symbol.asyncDispose]();
    cache.parts.manifests.forgetAll();
    // As much as one may have, and not all.
    const most = Math.max(20 * mebibyte, Math.floor((memoryShare(256 * mebibyte) * 3) / 8));
    largeAnswers.force('', most);
    const found = cache.registry.getManifest(alpine, descriptor.digest);
    for (let turns = 0; turns < 50; turns += 1) await turn();
    assert.equal(largeAnswers.waiting, 0);
    largeAnswers.giveBack('', most);
    assert.equal((await found).bytes.length, content.length);
    await turn();
  });

  it('that is older is given at once where there is no room for a new one, if it takes none', async () => {
    const { upstream } = large();
    let isFull = false;
    const list = upstream.listTags;
    upstream.listTags = async (...args) => {
      if (isFull) throw tooMuchRead();
      args[1]?.room?.settle(100);
      return { ...(await list(args[0])), tags: tags.slice(0, 10) };
    };
    await using cache = new CacheUnderTest({ upstream });
    await cache.registry.listTags(alpine);
    await cache.parts.tasks[Symbol.asyncDispose]();
    await cache.clock.advance(60_000);
    isFull = true;
    assert.deepEqual((await cache.registry.listTags(alpine, cache.reporting)).tags, tags.slice(0, 10));
    assert.equal(cache.outcome?.kind, 'stale');
    largeAnswers.force('others', 1e12);
    await assert.rejects(cache.registry.listTags(alpine), { status: 503 });
    largeAnswers.giveBack('others', 1e12);
    await turn();
  });
});
