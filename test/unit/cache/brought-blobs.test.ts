import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { verifyWhole } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import type { Outcome } from '#src/oci/outcome.ts';
import { linkBlob } from '#src/storage/operation.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const other = repository('docker.io/acme/other');

/** Upstream is asked for a blob, and answers nothing until `down` is called: then it cannot be reached. */
function waitingCache() {
  const cache = new CacheUnderTest();
  const layer = Buffer.from(bytes(200_000));
  const { digest } = cache.content.putBlob(alpine, layer);
  cache.content.putBlob(other, bytes(1));
  const asked = gate();
  cache.upstream.script = async () => {
    await asked.wait();
    throw new RegistryError('UNAVAILABLE', 'it cannot be reached', { status: 502 });
  };
  /** As an import does it, in whichever process. `isTold`: the cache hears of it. */
  const bring = async (name = alpine, isTold = false): Promise<void> => {
    await cache.parts.content.keep(verifyWhole(digest, layer), layer);
    const operations = [linkBlob(name, digest, layer.length, 'import')];
    await (isTold ? cache.change(operations) : cache.parts.metadata.change(operations));
  };
  return { ...{ cache, layer, digest, bring }, asked: asked.reached, down: () => asked.open() };
}

describe('a blob that an import brings while upstream is asked for it', () => {
  it('is given to whoever has waited in vain', async () => {
    const { cache, layer, digest, bring, asked, down } = waitingCache();
    await using _ = cache;
    let outcome: Outcome | undefined;
    const report = (told: Outcome): void => {
      outcome = told;
    };
    const getting = cache.registry.getBlob(alpine, digest, { report });
    await asked;
    await bring();
    const joining = cache.registry.getBlob(alpine, digest, { range: { first: 100_000 } });
    down();
    await using whole = await getting;
    await using part = await joining;
    assert.ok((await collect(whole.body)).equals(layer));
    assert.ok((await collect(part.body)).equals(layer.subarray(100_000)));
    assert.deepEqual(outcome, { kind: 'hit' });
    assert.equal(cache.upstream.calls.length, 1);
  });

  it('is known to whoever has asked for its size in vain', async () => {
    const { cache, layer, digest, bring, asked, down } = waitingCache();
    await using _ = cache;
    const resolving = cache.registry.resolveBlob(alpine, digest);
    await asked;
    await bring();
    down();
    assert.equal((await resolving).size, layer.length);
  });

  it('is not given to a repository that it was not brought for', async () => {
    const { cache, digest, bring, asked, down } = waitingCache();
    await using _ = cache;
    const getting = cache.registry.getBlob(alpine, digest);
    getting.catch(() => undefined);
    await asked;
    await bring(other);
    down();
    await assert.rejects(getting, { status: 502 });
  });

  it('is given at once to all who wait, whole, in part and by its size, though upstream is silent', async () => {
    const { cache, layer, digest, bring, asked, down } = waitingCache();
    await using _ = cache;
    using silence = new DisposableStack();
    silence.defer(down);
    const getting = cache.registry.getBlob(alpine, digest, cache.reporting);
    await asked;
    const joining = cache.registry.getBlob(alpine, digest, { range: { first: 100_000 } });
    const resolving = cache.registry.resolveBlob(alpine, digest);
    await bring(alpine, true);
    await using whole = await getting;
    await using part = await joining;
    assert.ok((await collect(whole.body)).equals(layer));
    assert.ok((await collect(part.body)).equals(layer.subarray(100_000)));
    assert.equal((await resolving).size, layer.length);
    assert.deepEqual(cache.outcome, { kind: 'hit' });
    assert.equal(cache.parts.fills.abandoned, 1);
    assert.equal(cache.parts.awaited.size, 0);
  });

  it('is given to a repository of which upstream is still to say that it owns it', async () => {
    const { cache, layer, digest, bring, asked, down } = waitingCache();
    await using _ = cache;
    using silence = new DisposableStack();
    silence.defer(down);
    const first = cache.registry.getBlob(alpine, digest);
    first.catch(() => undefined);
    await asked;
    const second = cache.registry.getBlob(other, digest);
    await cache.settle();
    await bring(other, true);
    await using reader = await second;
    assert.ok((await collect(reader.body)).equals(layer));
    assert.deepEqual(cache.upstream.calls, [`GET ${alpine} blob ${digest}`, `HEAD ${other} blob ${digest}`]);
  });

  it('is given where it came between the look into the store and the waiting', async () => {
    const { cache, layer, digest, bring, down } = waitingCache();
    await using _ = cache;
    using silence = new DisposableStack();
    silence.defer(down);
    const { metadata } = cache.parts;
    const hasBlob = metadata.hasBlob.bind(metadata);
    metadata.hasBlob = async (...asked) => {
      const seen = await hasBlob(...asked);
      metadata.hasBlob = hasBlob;
      await bring(alpine, true);
      return seen;
    };
    await using reader = await cache.registry.getBlob(alpine, digest);
    assert.ok((await collect(reader.body)).equals(layer));
  });

  it('leaves who waits for another waiting', async () => {
    const { cache, digest, bring, asked, down } = waitingCache();
    await using _ = cache;
    const getting = cache.registry.getBlob(alpine, digest);
    getting.catch(() => undefined);
    await asked;
    await bring(other, true);
    await cache.settle();
    assert.equal(cache.parts.awaited.size, 1);
    down();
    await assert.rejects(getting, { status: 502 });
    assert.equal(cache.parts.awaited.size, 0);
  });
});
