import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BlobLinks } from '#src/cache/memory/blob-links.ts';
import { sha256 } from '#src/oci/digest.ts';
import { linkBlob, loseBlob } from '#src/storage/operation.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { bytes } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { scriptedIndex } from '#test/fakes/scripted-index.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const other = repository('docker.io/acme/other');
const digest = sha256(bytes(1));

/** An index whose next answer can be held up after it was made, and that can be unable to write. */
function start() {
  const script: { held?: ReturnType<typeof gate> | undefined; isFull: boolean } = { isFull: false };
  const metadata = scriptedIndex((store) => ({
    hasBlob: async (name, blob) => {
      const { held } = script;
      script.held = undefined;
      const answer = await store.hasBlob(name, blob);
      await held?.wait();
      return answer;
    },
    change: async (operations) => {
      if (script.isFull) throw new Error('no room');
      await store.change(operations);
    },
  }));
  return { script, metadata, links: new BlobLinks(metadata, new LogLines()) };
}

describe('the links of blobs', () => {
  it('are forgotten for all repositories, those that memory knows and those that it does not', async () => {
    const { metadata, links } = start();
    await links.add(alpine, digest, 1);
    await metadata.change([linkBlob(other, digest)]);
    await links.lose(digest, links.now(), 'missing');
    assert.deepEqual([await links.has(alpine, digest), await links.has(other, digest)], [false, false]);
    await links.add(alpine, digest, 1);
    // Whose it is was a fact all the time.
    assert.deepEqual([await links.has(alpine, digest), await links.has(other, digest)], [true, true]);
  });

  it('of who only proved to own a blob say that alone: it may have gone since it was seen', async () => {
    const { metadata, links } = start();
    await links.add(alpine, digest, 1);
    await metadata.change([loseBlob(digest)]);
    await links.add(other, digest);
    assert.equal(await metadata.hasBlob(other, digest), false);
    await links.add(alpine, digest, 1);
    assert.equal(await metadata.hasBlob(other, digest), true);
  });

  it('are one change of the index where they are said at once, of 64 at most and in their order', async () => {
    const changes: number[] = [];
    const metadata = scriptedIndex((store) => ({
      change: async (operations, locked) => {
        changes.push(operations.length);
        await store.change(operations, locked);
      },
    }));
    const links = new BlobLinks(metadata, new LogLines());
    const digests = Array.from({ length: 100 }, (_, at) => sha256(bytes(10, at + 1)));
    await Promise.all(digests.map(async (each) => await links.add(alpine, each, 10)));
    for (const each of digests) assert.equal(await metadata.hasBlob(alpine, each), true);
    const since = links.now();
    await Promise.all([links.add(alpine, digest, 1), links.lose(digest, since + 1, 'missing')]);
    assert.equal(await metadata.hasBlob(alpine, digest), false);
    assert.deepEqual(changes, [64, 36, 2]);
  });

  it('fail together where the index cannot be written, and are said all the same', async () => {
    const { script, metadata, links } = start();
    script.isFull = true;
    await Promise.all([links.add(alpine, digest, 1), links.add(other, digest, 1)]);
    assert.deepEqual([await links.has(alpine, digest), await links.has(other, digest)], [true, true]);
    assert.equal(await metadata.hasBlob(alpine, digest), false);
    script.isFull = false;
    await links.add(alpine, digest, 1);
    assert.equal(await metadata.hasBlob(alpine, digest), true);
  });

  it('stay when the blob was linked after somebody began to look for its bytes', async () => {
    const { metadata, links } = start();
    await links.add(alpine, digest, 1);
    const since = links.now();
    await links.add(alpine, digest, 1);
    await links.lose(digest, since, 'missing');
    assert.equal(await links.has(alpine, digest), true);
    assert.equal(await metadata.hasBlob(alpine, digest), true);
  });

  it('are not brought back by an answer of the index from before they were forgotten', async () => {
    const { script, metadata, links } = start();
    await metadata.change([linkBlob(alpine, digest)]);
    const held = gate();
    script.held = held;
    const asking = links.has(alpine, digest);
    await held.reached;
    await links.lose(digest, links.now(), 'missing');
    held.open();
    assert.equal(await asking, false);
    assert.equal(await links.has(alpine, digest), false);
  });

  it('are not lost by an answer of the index from before they were made', async () => {
    const { script, links } = start();
    const held = gate();
    script.held = held;
    const asking = links.has(alpine, digest);
    await held.reached;
    await links.add(alpine, digest, 1);
    held.open();
    assert.equal(await asking, true);
  });

  it('are forgotten though the index cannot be written', async () => {
    const { script, metadata, links } = start();
    await links.add(alpine, digest, 1);
    await metadata.change([linkBlob(other, digest)]);
    script.isFull = true;
    await links.lose(digest, links.now(), 'missing');
    assert.deepEqual([await links.has(alpine, digest), await links.has(other, digest)], [false, false]);
  });

  it('that another process makes after they were forgotten are seen', async () => {
    const { metadata, links } = start();
    await links.add(alpine, digest, 1);
    await links.lose(digest, links.now(), 'missing');
    await metadata.change([linkBlob(alpine, digest)]);
    assert.equal(await links.has(alpine, digest), true);
  });

  it('are looked up again when the index says that anything may have changed, also by who is looking just now', async () => {
    const { script, metadata, links } = start();
    await links.add(alpine, digest, 1);
    await metadata.change([linkBlob(other, digest)]);
    const held = gate();
    script.held = held;
    const asking = links.has(other, digest);
    await held.reached;
    await metadata.change([loseBlob(digest)]);
    links.forgetAll();
    held.open();
    await asking;
    assert.deepEqual([await links.has(alpine, digest), await links.has(other, digest)], [false, false]);
  });

  it('of more blobs than are remembered as lost are looked up again, too', async () => {
    const { metadata, links } = start();
    await links.add(alpine, digest, 1);
    await metadata.change([loseBlob(digest)]);
    links.forget({ kind: 'blob', digest });
    for (let at = 0; at < 6000; at += 1) links.forget({ kind: 'blob', digest: sha256(Buffer.from(`${at}`)) });
    assert.equal(await links.has(alpine, digest), false);
  });
});
