import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TaskSet } from '#src/base/task-set.ts';
import { Backlog } from '#src/cache/fills/backlog.ts';
import { BlobSizes } from '#src/cache/memory/blob-sizes.ts';
import { ManifestCache } from '#src/cache/memory/manifest-cache.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseTag } from '#src/oci/reference.ts';
import type { Manifest } from '#src/oci/registry.ts';
import type { OpenBlob } from '#src/storage/content-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { loseBlob, removeManifest } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const v1 = parseTag('v1');

function manifest(text: string): Manifest {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, text }));
  return { descriptor: { mediaType: ociManifest, digest: sha256(bytes), size: bytes.length }, bytes };
}

/** Over the same stores again and again: each has a memory of its own. */
class Stores {
  readonly log = new LogLines();
  readonly tasks = new TaskSet(this.log);
  readonly metadata = SqliteMetadataStore.inMemory();
  readonly blobs = new MemoryBlobStore();

  readonly clock = new FakeClock();
  /** Who asked the backlog for one: bytes. */
  readonly places: number[] = [];

  open(): ManifestCache {
    const { blobs, metadata, tasks, log, clock } = this;
    const [sizes, backlog] = [new BlobSizes(metadata), new Backlog(clock)];
    const admit = backlog.admit.bind(backlog);
    backlog.admit = async (bytes, signal) => {
      this.places.push(bytes);
      return await admit(bytes, signal);
    };
    return new ManifestCache({
      content: blobs,
      metadata,
      tasks,
      log,
      sizes,
      backlog,
      clock,
      changed() {},
    });
  }

  /** Lets what is being stored be stored. */
  async settle(): Promise<void> {
    await this.tasks.idle();
  }

  async turns(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  /** The bytes of a blob as they come from a broken disk. */
  damage(digest: Digest): () => void {
    const open = this.blobs.open.bind(this.blobs);
    this.blobs.open = async (asked) => {
      const blob = await open(asked);
      if (blob === undefined || asked !== digest) return blob;
      return damaged(blob);
    };
    return () => {
      this.blobs.open = open;
    };
  }
}

function damaged(blob: OpenBlob): OpenBlob {
  return {
    ...blob,
    async *read(range) {
      for await (const chunk of blob.read(range)) yield Buffer.alloc(chunk.length);
    },
  };
}

describe('the cache of manifests', () => {
  it('keeps no more than the bytes of a manifest, which may have come as a part of something larger', async () => {
    const stores = new Stores();
    const { descriptor, bytes } = manifest('kept');
    const pool = Buffer.alloc(64 * 1024);
    pool.set(bytes, 1000);
    const cache = stores.open();
    await cache.keep(alpine, { descriptor, bytes: pool.subarray(1000, 1000 + bytes.length) });
    await stores.settle();
    for (const memory of [cache, stores.open()]) {
      await memory.find(alpine, descriptor.digest);
      const found = await memory.find(alpine, descriptor.digest);
      assert.deepEqual(found?.bytes, bytes);
      assert.equal(found.bytes.buffer.byteLength, bytes.length);
    }
  });

  it('keeps what was said of a tag while the index was asked about it', async () => {
    const stores = new Stores();
    const [older, newer] = [manifest('older'), manifest('newer')];
    const first = stores.open();
    await first.keepTag(alpine, older, v1, first.asking());
    await stores.settle();
    const getTag = stores.metadata.getTag.bind(stores.metadata);
    const held = gate();
    stores.metadata.getTag = async (...asked) => {
      const record = await getTag(...asked);
      await held.wait();
      return record;
    };
    const cache = stores.open();
    const finding = cache.findTag(alpine, v1);
    await held.reached;
    await cache.keepTag(alpine, newer, v1, cache.asking());
    held.open();
    assert.equal((await finding)?.descriptor.digest, newer.descriptor.digest);
    assert.equal((await cache.findTag(alpine, v1))?.descriptor.digest, newer.descriptor.digest);
    await stores.settle();
  });

  it('writes a manifest anew that it found damaged, and deletes none: by then the right bytes may be there', async () => {
    const stores = new Stores();
    const kept = manifest('kept');
    const { digest } = kept.descriptor;
    await stores.open().keep(alpine, kept);
    await stores.settle();
    const repair = stores.damage(digest);
    const cache = stores.open();
    const held = gate();
    const open = stores.blobs.open.bind(stores.blobs);
    stores.blobs.open = async (asked) => {
      const blob = await open(asked);
      stores.blobs.open = open;
      await held.wait();
      return blob;
    };
    const slow = cache.find(alpine, digest);
    await held.reached;
    assert.equal(await cache.find(alpine, digest), undefined);
    const begin = stores.blobs.begin.bind(stores.blobs);
    let written = 0;
    stores.blobs.begin = async () => {
      written += 1;
      return await begin();
    };
    await cache.keep(alpine, kept);
    await stores.settle();
    assert.equal(written, 1);
    held.open();
    assert.equal((await slow)?.descriptor.digest, digest);
    repair();
    assert.equal((await stores.open().find(alpine, digest))?.descriptor.digest, digest);
  });

  it('tries again what the store did not take when it is asked for: five seconds later, then after ten, one at a time', async () => {
    const stores = new Stores();
    const kept = manifest('kept');
    const { digest } = kept.descriptor;
    const begin = stores.blobs.begin.bind(stores.blobs);
    let tries = 0;
    stores.blobs.begin = async () => {
      tries += 1;
      throw new Error('ENOSPC');
    };
    const cache = stores.open();
    const askedFor = async () => {
      await Promise.all([cache.find(alpine, digest), cache.find(alpine, digest)]);
      await stores.settle();
      return tries;
    };
    await cache.keepTag(alpine, kept, v1, cache.asking());
    await stores.settle();
    const seen = [];
    for (const passed of [0, 4999, 1, 5000, 4999, 1]) {
      await stores.clock.advance(passed);
      seen.push(await askedFor());
    }
    assert.deepEqual(seen, [1, 1, 2, 2, 2, 3]);
    stores.blobs.begin = begin;
    await stores.clock.advance(20_000);
    await askedFor();
    assert.equal((await stores.open().findTag(alpine, v1))?.descriptor.digest, digest);
    assert.equal((await stores.open().find(alpine, digest))?.descriptor.digest, digest);
  });

  it('leaves places to clients: four manifests at a time are tried again', async () => {
    const stores = new Stores();
    const begin = stores.blobs.begin.bind(stores.blobs);
    stores.blobs.begin = async () => {
      throw new Error('EMFILE');
    };
    const cache = stores.open();
    const all = Array.from({ length: 10 }, (_, at) => manifest(`image ${at}`));
    for (const one of all) await cache.keep(alpine, one);
    await stores.settle();
    await stores.clock.advance(5000);
    const disk = gate();
    let begun = 0;
    stores.blobs.begin = async () => {
      begun += 1;
      await disk.wait();
      return await begin();
    };
    for (const { descriptor } of all) await cache.find(alpine, descriptor.digest);
    await disk.reached;
    await stores.turns();
    assert.equal(begun, 4);
    disk.open();
    await stores.settle();
    for (const { descriptor } of all) await cache.find(alpine, descriptor.digest);
    await stores.settle();
    assert.equal(begun, 8);
  });

  it('stores a tag of what is stored without a place, and one of what is being stored with it', async () => {
    const stores = new Stores();
    const [first, second] = [manifest('first'), manifest('second')];
    const [v2, v3] = [parseTag('v2'), parseTag('v3')];
    const cache = stores.open();
    await cache.keep(alpine, first);
    await stores.settle();
    const places = stores.places.length;
    await cache.keepTag(alpine, first, v1, cache.asking());
    await stores.settle();
    assert.equal(stores.places.length, places);
    const disk = gate();
    const begin = stores.blobs.begin.bind(stores.blobs);
    stores.blobs.begin = async () => {
      await disk.wait();
      return await begin();
    };
    await cache.keepTag(alpine, second, v2, cache.asking());
    await disk.reached;
    await cache.keepTag(alpine, second, v3, cache.asking());
    disk.open();
    await stores.settle();
    assert.equal(stores.places.length, places + 1);
    for (const [tag, { descriptor }] of [
      [v1, first],
      [v2, second],
      [v3, second],
    ] as const)
      assert.equal((await stores.metadata.getTag(alpine, tag))?.descriptor.digest, descriptor.digest);
  });

  it('holds of a manifest from the disk its bytes, and not once more what they say', async () => {
    const stores = new Stores();
    const bytes = Buffer.from(JSON.stringify({ mediaType: ociManifest, annotations: { a: 'b' } }));
    const descriptor = { mediaType: ociManifest, digest: sha256(bytes), size: bytes.length };
    await stores.open().keep(alpine, { descriptor, bytes });
    await stores.settle();
    const found = await stores.open().find(alpine, descriptor.digest);
    assert.deepEqual([found?.descriptor, Buffer.from(found?.bytes ?? [])], [descriptor, bytes]);
  });
});

describe('a tag that another process knows better', () => {
  it('is where the store says, when an earlier answer comes late', async () => {
    const stores = new Stores();
    const [older, newer] = [manifest('older'), manifest('newer')];
    const [here, there] = [stores.open(), stores.open()];
    const early = here.asking();
    await stores.clock.advance(1000);
    await there.keepTag(alpine, newer, v1, there.asking());
    await stores.turns();
    here.forget({ kind: 'tag', repository: alpine, tag: v1 });
    await here.keepTag(alpine, older, v1, early);
    await stores.settle();
    assert.equal((await here.findTag(alpine, v1))?.descriptor.digest, newer.descriptor.digest);
  });

  it('is forgotten when upstream confirms it too late: its manifest was removed', async () => {
    const stores = new Stores();
    const kept = manifest('kept');
    const cache = stores.open();
    await cache.keepTag(alpine, kept, v1, cache.asking());
    await stores.turns();
    const record = (await cache.findTag(alpine, v1)) ?? assert.fail();
    await stores.metadata.change([removeManifest(alpine, kept.descriptor.digest)]);
    cache.forget({ kind: 'tag', repository: alpine, tag: v1 });
    cache.touch(alpine, record, cache.asking());
    await stores.settle();
    assert.equal(await cache.findTag(alpine, v1), undefined);
    assert.deepEqual(stores.log.at('error'), []);
  });

  it('is no failure where its image was removed between the two that the store takes', async () => {
    const stores = new Stores();
    const kept = manifest('kept');
    const { digest } = kept.descriptor;
    const cache = stores.open();
    const { metadata } = stores;
    const change = metadata.change.bind(metadata);
    let isRemoved = false;
    metadata.change = async (operations, locked) => {
      if (operations.some(({ kind }) => kind === 'put tag') && !isRemoved) {
        isRemoved = true;
        await change([removeManifest(alpine, digest)]);
        cache.forget({ kind: 'manifest', repository: alpine, digest });
      }
      await change(operations, locked);
    };
    await cache.keepTag(alpine, kept, v1, cache.asking());
    await stores.settle();
    assert.deepEqual(stores.log.at('error'), []);
    assert.equal(await metadata.getTag(alpine, v1), undefined);
    // Who asks for it then has it stored again.
    await stores.clock.advance(6000);
    assert.ok(await cache.find(alpine, digest));
    await stores.settle();
    assert.equal((await metadata.getTag(alpine, v1))?.descriptor.digest, digest);
  });

  it('stays while the store has no room to hear that it was confirmed', async () => {
    const stores = new Stores();
    const kept = manifest('kept');
    const cache = stores.open();
    await cache.keepTag(alpine, kept, v1, cache.asking());
    await stores.turns();
    const record = (await cache.findTag(alpine, v1)) ?? assert.fail();
    await stores.clock.advance(1000);
    stores.metadata.change = async () => await Promise.reject(new Error('no room'));
    cache.touch(alpine, record, cache.asking());
    await stores.settle();
    assert.equal((await cache.findTag(alpine, v1))?.checkedAt, stores.clock.now());
  });
});

describe('a tag that somebody has told may have moved', () => {
  const image = manifest('image');

  it('is vouched for by nothing but what upstream is asked after that', async () => {
    const stores = new Stores();
    const cache = stores.open();
    await cache.keepTag(alpine, image, v1, cache.asking());
    await stores.turns();
    const before = cache.asking();
    await cache.doubt(alpine, v1);
    assert.equal(cache.knownTag(alpine, v1)?.checkedAt, 0);
    assert.equal((await stores.metadata.getTag(alpine, v1))?.checkedAt, 0);
    const record = cache.knownTag(alpine, v1) ?? assert.fail();
    cache.touch(alpine, record, before);
    await stores.turns();
    assert.equal((await stores.open().findTag(alpine, v1))?.checkedAt, 0);
    cache.touch(alpine, record, cache.asking());
    await stores.settle();
    assert.notEqual((await stores.metadata.getTag(alpine, v1))?.checkedAt, 0);
    assert.notEqual(cache.knownTag(alpine, v1)?.checkedAt, 0);
  });

  it('is so also where the store has yet to learn of the tag', async () => {
    const stores = new Stores();
    const cache = stores.open();
    const writing = gate();
    const change = stores.metadata.change.bind(stores.metadata);
    stores.metadata.change = async (operations, locked) => {
      await writing.passed;
      await change(operations, locked);
    };
    const kept = cache.keepTag(alpine, image, v1, cache.asking());
    await kept;
    const doubting = cache.doubt(alpine, v1);
    await stores.turns();
    assert.equal(cache.knownTag(alpine, v1)?.checkedAt, 0);
    writing.open();
    await doubting;
    await stores.turns();
    await stores.clock.advance(6000);
    // Whoever asks has it tried again.
    cache.known(alpine, image.descriptor.digest);
    await stores.settle();
    assert.equal((await stores.metadata.getTag(alpine, v1))?.checkedAt, 0);
  });

  it('is gone by the answer to the last question alone', async () => {
    const stores = new Stores();
    const cache = stores.open();
    const overtaken = cache.asking();
    await cache.keepTag(alpine, image, v1, cache.asking());
    cache.gone(alpine, v1, overtaken);
    assert.notEqual(cache.knownTag(alpine, v1)?.checkedAt, 0);
    cache.gone(alpine, v1, cache.asking());
    assert.equal(cache.knownTag(alpine, v1)?.checkedAt, 0);
    await stores.settle();
    assert.equal((await stores.metadata.getTag(alpine, v1))?.checkedAt, 0);
  });
});

describe('a manifest whose file is lost', () => {
  const image = manifest('image');
  const { digest } = image.descriptor;

  /** Kept by one memory; `lose` takes its file, as a check does it beside us. */
  async function kept() {
    const stores = new Stores();
    const cache = stores.open();
    await cache.keepTag(alpine, image, v1, cache.asking());
    await stores.turns();
    let writes = 0;
    const keep = stores.blobs.keep.bind(stores.blobs);
    stores.blobs.keep = async (blob, bytes) => {
      writes += 1;
      return await keep(blob, bytes);
    };
    const lose = async () => {
      await stores.blobs.delete(digest);
      await stores.metadata.change([loseBlob(digest)]);
      cache.forget({ kind: 'blob', digest });
    };
    return { stores, cache, lose, writes: () => writes };
  }

  it('is written again by the memory that has it, once for each loss', async () => {
    const { stores, cache, lose, writes } = await kept();
    for (const times of [1, 2]) {
      await lose();
      cache.forget({ kind: 'blob', digest });
      await stores.turns();
      assert.equal(writes(), times);
      assert.equal((await stores.metadata.getChecked(digest))?.isHere, true);
      assert.deepEqual((await stores.open().find(alpine, digest))?.bytes, Buffer.from(image.bytes));
    }
    // Its file has come: there is nothing to do.
    cache.forget({ kind: 'blob', digest });
    await stores.settle();
    assert.equal(writes(), 2);
  });

  it('is not where its image was removed', async () => {
    const { stores, lose, writes } = await kept();
    await stores.metadata.change([removeManifest(alpine, digest)]);
    await lose();
    await stores.settle();
    assert.equal(writes(), 0);
    assert.equal(await stores.blobs.stat(digest), undefined);
  });
});
