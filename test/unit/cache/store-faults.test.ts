import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTag } from '#src/oci/reference.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

const alpine = repository('docker.io/library/alpine');

describe('a store without room', () => {
  it('is told once a minute, with how often it was met, however much is pulled', async () => {
    const log = new LogLines();
    await using cache = new CacheUnderTest({ log, blobs: new MemoryBlobStore({ capacity: 0 }) });
    const pull = async (tag: string, seed: number) => {
      const { layers } = putImage(cache.content, alpine, tag, [bytes(200_000, seed)]);
      await cache.registry.getManifest(alpine, parseTag(tag));
      for (const { digest } of layers) {
        await using reader = await cache.registry.getBlob(alpine, digest);
        assert.equal((await collect(reader.body)).length, 200_000);
      }
      await cache.settle();
    };
    for (let at = 0; at < 10; at += 1) await pull(`v${at}`, at);
    // Each at most once: at which step of its way a blob finds no room may differ.
    const messages = (): string[] => log.at('error').map((line) => line.slice(0, line.indexOf('{')));
    assert.ok(messages().includes('error storing a manifest failed '));
    assert.equal(new Set(messages()).size, messages().length, messages().join());
    const first = messages().length;
    await cache.clock.advance(60_000);
    assert.ok(messages().length > first && messages().length <= 2 * first);
    assert.ok(log.lines.some((line) => line.includes('times: 9')));
  });
});
