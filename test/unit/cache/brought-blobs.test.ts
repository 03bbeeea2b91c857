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
  /** As an import does it, in whichever process. */
  const bring = async (name = alpine): Promise<void> => {
    const { content, metadata } = cache.parts;
    await content.keep(verifyWhole(digest, layer), layer);
    await metadata.change([linkBlob(name, digest, layer.length, 'import')]);
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
});
