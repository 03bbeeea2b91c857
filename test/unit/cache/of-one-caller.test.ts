import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CachePolicy } from '#src/cache/cache-parts.ts';
import { CachedRegistry } from '#src/cache/cached-registry.ts';
import { partsOfCaller } from '#src/cache/parts-of-caller.ts';
import type { ContentEvent } from '#src/observe/content-event.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseTag } from '#src/oci/reference.ts';
import type { Registry } from '#src/oci/registry.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { gate, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const app = repository('upstream.example/team/app');
const v1 = parseTag('v1');
const policy: CachePolicy = {
  freshness: () => 'always',
  staleIfError: true,
  staleDeadline: 2000,
  onGone: 'notFound',
  negativeTtl: 10_000,
  complete: false,
  offline: false,
  ofOneCaller: true,
};

/** A cache, with what has become known of tags, and the registry as several see it. */
function open() {
  const events: ContentEvent[] = [];
  const test = new CacheUnderTest({ tell: (event) => void events.push(event) });
  const as = (caller: string, upstream: Registry = test.content, more: Partial<CachePolicy> = {}) =>
    new CachedRegistry(upstream, { ...policy, ...more }, partsOfCaller(test.parts, caller));
  return { test, as, events };
}

/** One that says of nothing that it is there. */
function withNothing(): Registry {
  const none = async (): Promise<never> => await Promise.reject(new RegistryError('MANIFEST_UNKNOWN'));
  return {
    ...{ resolveManifest: none, getManifest: none, resolveBlob: none, getBlob: none },
    ...{ listTags: none, listReferrers: none },
  };
}

describe('a cached registry that is asked by the credential of one caller', () => {
  it('says of no tag that it is gone, since that is said to him alone', async () => {
    for (const ofOneCaller of [true, false]) {
      const { test, as, events } = open();
      await using _test = test;
      putImage(test.content, app, 'v1', []);
      await as('alice').getManifest(app, v1);
      await test.settle();
      await assert.rejects(as('carol', withNothing(), { ofOneCaller }).getManifest(app, v1), { status: 404 });
      const isTold = events.some(({ kind }) => kind === 'gone');
      assert.equal(isTold, !ofOneCaller);
    }
  });

  it('has what is stored, whoever has brought it', async () => {
    const { test, as } = open();
    await using _test = test;
    const image = putImage(test.content, app, 'v1', [bytes(100_000)]);
    const [layer] = image.layers;
    assert.ok(layer);
    await collect((await as('alice').getBlob(app, layer.digest)).body);
    await test.settle();
    const reader = await as('carol', withNothing()).getBlob(app, layer.digest);
    assert.equal((await collect(reader.body)).length, 100_000);
  });

  it('shares no transfer with another, and one with himself', async () => {
    const { test, as } = open();
    await using _test = test;
    const image = putImage(test.content, app, 'v1', [bytes(100_000)]);
    const [layer] = image.layers;
    assert.ok(layer);
    const [hers, his] = [new ScriptedRegistry(test.content), new ScriptedRegistry(test.content)];
    const held = gate();
    hers.script = held.wait;
    const [alice, carol] = [as('alice', hers), as('carol', his)];
    const two = [alice, alice].map(async (one) => await collect((await one.getBlob(app, layer.digest)).body));
    await test.settle();
    assert.equal((await collect((await carol.getBlob(app, layer.digest)).body)).length, 100_000);
    held.open();
    for (const got of await Promise.all(two)) assert.equal(got.length, 100_000);
    assert.deepEqual(
      [hers, his].map(({ calls }) => calls.filter((call) => / blob /.test(call)).length),
      [1, 1],
    );
  });
});
