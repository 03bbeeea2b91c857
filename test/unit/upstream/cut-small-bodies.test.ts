import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTag } from '#src/oci/reference.ts';
import type { Registry } from '#src/oci/registry.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import { bytes, type Image, putImage } from '#test/fakes/images.ts';
import { cutAfter, on, stalledAfter, times } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const tag = parseTag('v1');
type Ask = (registry: Registry, made: UpstreamUnderTest, image: Image) => Promise<unknown>;

const asks: Readonly<Record<string, Ask>> = {
  'a manifest by tag': async (registry, { name }) => await registry.getManifest(name, tag),
  'a manifest by digest': async (registry, { name }, { manifest }) =>
    await registry.getManifest(name, manifest.digest),
  'a list of tags': async (registry, { name }) => await registry.listTags(name),
  'a list of referrers': async (registry, { name }, { manifest }) =>
    await registry.listReferrers(name, manifest.digest),
};

async function start(settings: Parameters<typeof UpstreamUnderTest.start>[0] = {}) {
  const made = await UpstreamUnderTest.start(settings);
  return { made, image: putImage(made.upstream.content, made.name, 'v1', [bytes(100)]) };
}

describe('an upstream that cuts', () => {
  for (const [what, ask] of Object.entries(asks)) {
    it(`${what} once is asked again, and nobody hears of it`, async () => {
      const { made, image } = await start();
      await using _ = made;
      const want = await ask(made.registry, made, image);
      made.upstream.requests.splice(0);
      made.spoil(times(1, cutAfter(10)));
      assert.deepEqual(await ask(made.registry, made, image), want);
      const [first] = made.upstream.calls;
      assert.deepEqual(made.upstream.calls, [first, first]);
    });

    it(`${what} for ever is asked three times, is 502, and is asked for other things as before`, async () => {
      const { made, image } = await start();
      await using _ = made;
      made.spoil(times(3, cutAfter(10)));
      await assert.rejects(ask(made.registry, made, image), { code: 'UNAVAILABLE', status: 502 });
      assert.equal(made.upstream.calls.length, 3);
      // One answer that is cut says nothing of the host.
      await ask(made.registry, made, image);
      assert.deepEqual(made.oddities, []);
    });
  }

  it('a token once is asked again for it', async () => {
    await using tokens = await FakeTokenServer.start();
    const { made } = await start();
    await using _ = made;
    made.spoil(tokens.fault);
    tokens.spoil(times(1, cutAfter(5)));
    await made.registry.getManifest(made.name, tag);
    assert.equal(tokens.requests.length, 2);
  });

  it('a manifest in its silence is given up by the wire and asked again', async () => {
    const { made } = await start({ stallTimeoutMs: 50 });
    await using _ = made;
    const never = Promise.withResolvers<void>();
    made.spoil(
      on(
        'GET',
        times(
          1,
          stalledAfter(10, async () => await never.promise),
        ),
      ),
    );
    await made.registry.getManifest(made.name, tag);
    assert.equal(made.upstream.calls.length, 2);
    never.resolve();
  });

  it('is one of several mirrors: the next is asked, not the same again', async () => {
    const { made } = await start();
    await using _ = made;
    await using mirror = await UpstreamUnderTest.start({ mirror: { path: '/v2', of: made.upstream.host } });
    putImage(mirror.upstream.content, mirror.name, 'v1', [bytes(100)]);
    mirror.spoil(cutAfter(10));
    await assert.rejects(mirror.registry.getManifest(mirror.name, tag), { status: 502 });
    assert.equal(mirror.upstream.calls.length, 1);
  });
});
