import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { RegistryError } from '#src/oci/error.ts';
import { type Digest, parseTag, type Reference } from '#src/oci/reference.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { failure, ScriptedFiles } from '#test/fakes/scripted-files.ts';
import { indexThatWaits } from '#test/fakes/scripted-index.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const v1 = parseTag('v1');

/** So many small files are admitted at first. */
const admitted = 64;

/** Blobs in memory that become durable when the test says so. */
class SlowBlobStore extends MemoryBlobStore {
  disk = gate();
  /** Writers that are not disposed of. */
  begun = 0;
  committing = 0;
  givenUp = 0;

  override async put(...asked: Parameters<MemoryBlobStore['put']>) {
    this.committing += 1;
    await this.disk.wait();
    return await super.put(...asked);
  }

  override async begin() {
    const spool = await super.begin();
    this.begun += 1;
    const dispose = spool[Symbol.asyncDispose].bind(spool);
    return Object.assign(spool, {
      giveUp: () => {
        this.givenUp += 1;
      },
      [Symbol.asyncDispose]: async () => {
        this.begun -= 1;
        await dispose();
      },
    });
  }
}

function slowCache(policy = {}) {
  const blobs = new SlowBlobStore();
  return { blobs, cache: new CacheUnderTest({ blobs, policy }) };
}

async function pull(cache: CacheUnderTest, digest: Digest): Promise<Buffer> {
  await using reader = await cache.registry.getBlob(alpine, digest, cache.reporting);
  return await collect(reader.body);
}

/** Has clients pull as many small blobs as are admitted. */
async function fillBacklog(cache: CacheUnderTest): Promise<void> {
  for (let seed = 1; seed <= admitted; seed += 1) {
    const { digest } = cache.content.putBlob(alpine, bytes(100, seed));
    await pull(cache, digest);
  }
}

/** Pulls an image that is served from memory, since the disk had no time for its manifest; the digest of that. */
async function pullUnstored(cache: CacheUnderTest): Promise<Digest> {
  await fillBacklog(cache);
  const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10)]);
  const answer = cache.registry.getManifest(alpine, v1);
  await cache.settle();
  await cache.clock.advance(5000);
  assert.equal((await answer).descriptor.digest, manifest.digest);
  return manifest.digest;
}

describe('a client of a blob that the disk has no time for', () => {
  it('has all but the last bytes, and these when the blob is admitted', async () => {
    const { blobs, cache } = slowCache();
    await using _ = cache;
    await fillBacklog(cache);
    const layer = bytes(200_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    await using reader = await cache.registry.getBlob(alpine, digest);
    let got = 0;
    const reading = (async () => {
      for await (const chunk of reader.body) got += chunk.length;
    })();
    await cache.settle();
    assert.equal(got, 200_000 - 64 * 1024);
    assert.equal(blobs.committing, admitted);
    blobs.disk.open();
    await reading;
    await cache.settle();
    assert.equal(got, 200_000);
    assert.equal((await blobs.stat(digest))?.size, 200_000);
    assert.equal(await cache.parts.metadata.hasBlob(alpine, digest), true);
  });

  it('has them after five seconds in any case; then nothing of it is kept', async () => {
    const { blobs, cache } = slowCache();
    await using _ = cache;
    await fillBacklog(cache);
    const layer = bytes(200_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    const pulling = pull(cache, digest);
    await cache.settle();
    await cache.clock.advance(5000);
    assert.ok((await pulling).equals(layer));
    await cache.settle();
    assert.equal(blobs.begun, admitted);
    assert.equal(blobs.givenUp, 1);
    blobs.disk.open();
    await cache.settle();
    assert.equal(await blobs.stat(digest), undefined);
    assert.equal(await cache.parts.metadata.hasBlob(alpine, digest), false);
    // And it is fetched again by the next.
    assert.ok((await pull(cache, digest)).equals(layer));
    await cache.settle();
    assert.equal((await blobs.stat(digest))?.size, 200_000);
  });

  it('is told so when the server stops while the disk holds up what is written', async () => {
    const blobs = new MemoryBlobStore();
    const disk = gate();
    const begin = blobs.begin.bind(blobs);
    blobs.begin = async () => Object.assign(await begin(), { write: async () => await disk.wait() });
    await using cache = new CacheUnderTest({ blobs });
    const { digest } = cache.content.putBlob(alpine, bytes(4_000_000));
    const pulling = assert.rejects(pull(cache, digest), /stopping/);
    await disk.reached;
    let isStopped = false;
    const stopped = cache.parts.fills[Symbol.asyncDispose]().then(() => (isStopped = true));
    await cache.settle();
    assert.equal(isStopped, true);
    disk.open();
    await Promise.all([pulling, stopped]);
  });

  it('is told so when the server stops meanwhile', async () => {
    const { blobs, cache } = slowCache();
    await using _ = cache;
    await fillBacklog(cache);
    const { digest } = cache.content.putBlob(alpine, bytes(1000));
    const pulling = assert.rejects(pull(cache, digest), /stopping/);
    await cache.settle();
    const stopped = cache.parts.fills[Symbol.asyncDispose]();
    await pulling;
    blobs.disk.open();
    await stopped;
  });
});

describe('a client of a manifest that the disk has no time for', () => {
  it('waits until it is admitted', async () => {
    const { blobs, cache } = slowCache();
    await using _ = cache;
    await fillBacklog(cache);
    const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10)]);
    let answered = 0;
    const ask = async (reference: Reference) => {
      await cache.registry.getManifest(alpine, reference);
      answered += 1;
    };
    const first = ask(v1);
    await cache.settle();
    // Whoever comes meanwhile waits as well.
    const others = [ask(v1), ask(manifest.digest)];
    await cache.settle();
    assert.equal(answered, 0);
    assert.equal(blobs.begun, admitted);
    blobs.disk.open();
    await Promise.all([first, ...others]);
    await cache.settle();
    assert.equal((await cache.parts.metadata.getTag(alpine, v1))?.descriptor.digest, manifest.digest);
  });

  it('has it after five seconds; then the store knows of no tag, and the tag is asked for when memory has lost the manifest', async () => {
    const { blobs, cache } = slowCache();
    await using _ = cache;
    const digest = await pullUnstored(cache);
    await cache.registry.getManifest(alpine, v1, cache.reporting);
    assert.deepEqual(cache.outcome, { kind: 'hit' });
    blobs.disk.open();
    await cache.settle();
    assert.equal(await cache.parts.metadata.getTag(alpine, v1), undefined);
    assert.equal(await blobs.stat(digest), undefined);

    await crowdOut(cache);
    const moved = putImage(cache.content, alpine, 'v1', [bytes(11)]);
    const later = await cache.registry.getManifest(alpine, v1);
    assert.equal(later.descriptor.digest, moved.manifest.digest);
  });

  it('has it stored when its tag is found unchanged later', async () => {
    const { blobs, cache } = slowCache({ freshness: freshnessPolicy([], 60_000) });
    await using _ = cache;
    const digest = await pullUnstored(cache);
    blobs.disk.open();
    await cache.settle();
    await cache.clock.advance(60_000);
    await cache.registry.getManifest(alpine, v1);
    await cache.settle();
    assert.equal((await cache.parts.metadata.getTag(alpine, v1))?.descriptor.digest, digest);
    assert.deepEqual(cache.upstream.calls.slice(admitted), [
      `GET ${alpine} manifest v1`,
      `HEAD ${alpine} manifest v1`,
    ]);
  });

  it('is not told that upstream is slow: a tag that moved is the new one, for HEAD and GET, when it is admitted or after five seconds', async () => {
    for (const [isGet, refusesHead, opensAt] of [
      [true, false, 5000],
      [true, true, 3000],
      [false, true, 5000],
    ] as const) {
      const { blobs, cache } = slowCache({ freshness: freshnessPolicy([], 'always') });
      await using _ = cache;
      blobs.disk.open();
      putImage(cache.content, alpine, 'v1', [bytes(10, 1)]);
      await cache.registry.getManifest(alpine, v1);
      await cache.settle();
      blobs.disk = gate();
      await fillBacklog(cache);
      const { digest } = putImage(cache.content, alpine, 'v1', [bytes(10, 2)]).manifest;
      const describe = cache.upstream.resolveManifest.bind(cache.upstream);
      cache.upstream.resolveManifest = async (name, tag, options) => {
        if (!refusesHead) return await describe(name, tag, options);
        const manifest = await cache.upstream.getManifest(name, tag);
        options?.take?.(manifest);
        return manifest.descriptor;
      };
      cache.upstream.calls.length = 0;
      const ask = async () =>
        isGet
          ? (await cache.registry.getManifest(alpine, v1, cache.reporting)).descriptor
          : await cache.registry.resolveManifest(alpine, v1, cache.reporting);
      const first = ask();
      await cache.settle();
      await cache.clock.advance(2999);
      const second = ask();
      await cache.settle();
      if (opensAt === 3000) blobs.disk.open();
      else await cache.clock.advance(2001);
      assert.deepEqual([(await first).digest, (await second).digest], [digest, digest]);
      assert.equal(cache.outcome?.kind, 'miss');
      const calls = refusesHead ? ['GET v1'] : ['HEAD v1', `GET ${digest}`];
      assert.deepEqual(
        cache.upstream.calls.map((call) => call.replace(`${alpine} manifest `, '')),
        calls,
      );
      blobs.disk.open();
    }
  });

  it('that moved, or moved back, has its tag moved without a wait where the manifest is here', async () => {
    for (const isGet of [true, false]) {
      const { blobs, cache } = slowCache({ freshness: freshnessPolicy([], 'always') });
      await using _ = cache;
      blobs.disk.open();
      const { digest } = putImage(cache.content, alpine, 'v1', [bytes(10, 1)]).manifest;
      await cache.registry.getManifest(alpine, v1);
      putImage(cache.content, alpine, 'v1', [bytes(10, 2)]);
      await cache.registry.getManifest(alpine, v1);
      await cache.settle();
      putImage(cache.content, alpine, 'v1', [bytes(10, 1)]);
      blobs.disk = gate();
      await fillBacklog(cache);
      const answer = isGet
        ? (await cache.registry.getManifest(alpine, v1)).descriptor
        : await cache.registry.resolveManifest(alpine, v1);
      assert.equal(answer.digest, digest);
      await cache.settle();
      assert.equal((await cache.parts.metadata.getTag(alpine, v1))?.descriptor.digest, digest);
      blobs.disk.open();
    }
  });

  it('has it stored when it is asked for again, though its tag is fresh: the next process serves it in an outage', async () => {
    for (const asksByDigest of [false, true]) {
      const { blobs, cache } = slowCache();
      await using _ = cache;
      const digest = await pullUnstored(cache);
      blobs.disk.open();
      await cache.settle();
      await cache.clock.advance(5000);
      await cache.registry.getManifest(alpine, asksByDigest ? digest : v1, cache.reporting);
      assert.deepEqual(cache.outcome, { kind: 'hit' });
      await cache.settle();
      await using next = new CacheUnderTest({ blobs, metadata: cache.parts.metadata });
      next.upstream.script = () => {
        throw new RegistryError('UNAVAILABLE');
      };
      assert.equal((await next.registry.getManifest(alpine, v1)).descriptor.digest, digest);
      assert.deepEqual(next.upstream.calls, []);
    }
  });
});

/** Fills the memory of manifests with others. */
async function crowdOut(cache: CacheUnderTest): Promise<void> {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  for (let at = 0; at < 20; at += 1) {
    const tag = parseTag(`big${at}`);
    const annotations = { filler: `${at}${'x'.repeat(3_500_000)}` };
    const config = {
      mediaType: 'application/vnd.oci.empty.v1+json',
      digest: `sha256:${'a'.repeat(64)}`,
      size: 2,
    };
    const manifest = { schemaVersion: 2, mediaType, config, layers: [], annotations };
    cache.content.putManifest(alpine, tag, Buffer.from(JSON.stringify(manifest)), mediaType);
    await cache.registry.getManifest(alpine, tag);
    await cache.settle();
  }
}

describe('the record of a manifest', () => {
  it('is written when its bytes are durable, also where another has just made a file of them', async () => {
    const files = new ScriptedFiles();
    const order = files.calls;
    const metadata = indexThatWaits('put manifest', async ([operation]) => {
      if (operation?.kind === 'put manifest') order.push(`record ${operation.manifest.descriptor.digest}`);
    });
    const blobs = await FileBlobStore.open({ directory: '/v1', files });
    await using cache = new CacheUnderTest({ blobs, metadata });
    const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10)]);
    putImage(cache.content, repository('docker.io/acme/other'), 'v1', [bytes(10)]);
    const directory = gate();
    files.script = async (call) => (call === 'sync /v1/blobs/sha256' ? await directory.wait() : undefined);
    await cache.registry.getManifest(alpine, v1);
    await directory.reached;
    await cache.registry.getManifest(repository('docker.io/acme/other'), v1);
    await cache.settle();
    assert.ok(files.paths.some((path) => path.endsWith(manifest.digest.slice(7))));
    assert.ok(!order.includes(`record ${manifest.digest}`));
    directory.open();
    await cache.settle();
    assert.equal(order.filter((call) => call === `record ${manifest.digest}`).length, 2);
  });
});

describe('a blob that is whole and waits for the disk', () => {
  it('takes no memory that no reader wants', async () => {
    const { blobs, cache } = slowCache();
    await using _ = cache;
    const layer = bytes(300_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    let fromFile = 0;
    const begin = blobs.begin.bind(blobs);
    blobs.begin = async () => {
      const spool = await begin();
      const read = spool.read.bind(spool);
      return Object.assign(spool, {
        read: (range: Parameters<typeof read>[0]) => {
          fromFile += 1;
          return read(range);
        },
      });
    };
    assert.ok((await pull(cache, digest)).equals(layer));
    await cache.settle();
    assert.equal(blobs.committing, 1);
    assert.equal(fromFile, 0);
    assert.ok((await pull(cache, digest)).equals(layer));
    assert.equal(fromFile, 1);
    blobs.disk.open();
  });
});

describe('where no file can be opened any more', () => {
  for (const code of ['EMFILE', 'ENFILE', 'EROFS'])
    it(`blobs and manifests pass through (${code})`, async () => {
      const files = new ScriptedFiles();
      files.script = (call) => {
        if (call.startsWith('open /v1/partial')) throw failure(code);
      };
      const blobs = await FileBlobStore.open({ directory: '/v1', files });
      await using cache = new CacheUnderTest({ blobs });
      const layer = bytes(300_000);
      const { layers, manifest } = putImage(cache.content, alpine, 'v1', [layer]);
      const got = await cache.registry.getManifest(alpine, v1);
      assert.equal(got.descriptor.digest, manifest.digest);
      assert.ok(layers[0]);
      assert.ok((await pull(cache, layers[0].digest)).equals(layer));
      await cache.settle();
      assert.equal(await cache.parts.metadata.getTag(alpine, v1), undefined);
      assert.equal(await cache.parts.metadata.hasBlob(alpine, layers[0].digest), false);

      files.script = () => {};
      await cache.clock.advance(5000);
      await cache.registry.getManifest(alpine, v1, cache.reporting);
      assert.deepEqual(cache.outcome, { kind: 'hit' });
      await cache.settle();
      assert.equal((await cache.parts.metadata.getTag(alpine, v1))?.descriptor.digest, manifest.digest);
      assert.equal((await blobs.stat(manifest.digest))?.size, manifest.size);
    });
});
