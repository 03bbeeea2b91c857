import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { sha256 } from '#src/oci/digest.ts';
import { hostOf, parseTag } from '#src/oci/reference.ts';
import type { UpstreamSettings } from '#src/upstream/upstream.ts';
import { type CacheOptions, CacheUnderTest } from '#test/fakes/cache-under-test.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import {
  cutAfter,
  delayed,
  failing,
  on,
  stalledAfter,
  times,
  wrongBytes,
} from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const tag = parseTag('v1');
const layer = Buffer.from(bytes(1_000_000));
const digest = sha256(layer);
const blobCall = `GET /v2/library/alpine/blobs/${digest}`;

/** A cache in front of the real client in front of a fake upstream with one image. */
async function start(settings: Partial<UpstreamSettings> = {}, options: CacheOptions = {}) {
  const stack = new AsyncDisposableStack();
  const made = stack.use(await UpstreamUnderTest.start(settings));
  const cache = stack.use(new CacheUnderTest({ upstream: made.registry, ...options }));
  putImage(made.upstream.content, made.name, tag, [layer]);
  return {
    made,
    cache,
    upstream: made.upstream,
    name: made.name,
    async pull() {
      await using reader = await cache.registry.getBlob(made.name, digest, cache.reporting);
      return await collect(reader.body);
    },
    /** Settles when the blob's transfer, if there is one, is over. */
    async filled() {
      await cache.parts.fills.get(hostOf(made.name), digest)?.done;
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

describe('a cache in front of an upstream', () => {
  it('asks it once for twenty clients that pull one cold blob at once', async () => {
    await using test = await start();
    const bodies = await Promise.all(Array.from({ length: 20 }, async () => await test.pull()));
    assert.ok(bodies.every((body) => body.equals(layer)));
    assert.deepEqual(test.upstream.calls, [blobCall]);
  });

  it('asks for one token for twenty manifests in turn, though each is checked', async () => {
    await using tokens = await FakeTokenServer.start();
    await using test = await start({}, { policy: { freshness: freshnessPolicy([], 'always') } });
    test.made.spoil(tokens.fault);
    for (let pull = 0; pull < 20; pull += 1) await test.cache.registry.getManifest(test.name, tag);
    assert.equal(tokens.requests.length, 1);
    const calls = test.upstream.calls.map((call) => call.split(' ')[0]);
    assert.deepEqual(calls, ['GET', 'GET', ...Array<string>(19).fill('HEAD')]);
  });

  it('has the blob afterwards though its client was cut off half-way', async () => {
    await using test = await start();
    const half = gate();
    test.made.spoil(stalledAfter(500_000, half.wait));
    const client = new AbortController();
    const reader = await test.cache.registry.getBlob(test.name, digest, { signal: client.signal });
    const reading = assert.rejects(collect(reader.body));
    await half.reached;
    client.abort(new Error('client is gone'));
    await reader[Symbol.asyncDispose]();
    await reading;
    half.open();
    await test.filled();
    assert.ok(layer.equals(await test.pull()));
    assert.deepEqual(test.cache.outcome, { kind: 'hit' });
    assert.deepEqual(test.upstream.calls, [blobCall]);
  });

  for (const [what, ask] of [
    ['manifest', async ({ cache, name }) => await cache.registry.getManifest(name, tag)],
    ['blob', async ({ pull }) => await pull()],
  ] as [string, (test: Awaited<ReturnType<typeof start>>) => Promise<unknown>][]) {
    it(`gives its error to all ten who wait for one ${what}`, async () => {
      await using test = await start();
      const asked = gate();
      test.made.spoil(delayed(asked.wait), failing(403, {}, 'DENIED'));
      const waiting = Array.from({ length: 10 }, async () => await ask(test));
      await asked.reached;
      asked.open();
      for (const result of await Promise.allSettled(waiting)) {
        assert.ok(result.status === 'rejected');
        assert.equal((result.reason as { code?: string }).code, 'DENIED');
      }
      assert.equal(test.upstream.calls.length, 1);
    });
  }

  it('gives all ten who wait for a blob that breaks off for good an error, and none a false end', async () => {
    await using test = await start();
    test.made.spoil(wrongBytes);
    const results = await Promise.allSettled(Array.from({ length: 10 }, async () => await test.pull()));
    assert.ok(results.every(({ status }) => status === 'rejected'));
    assert.equal(await test.cache.parts.content.stat(digest), undefined);
  });

  it('resumes a blob where the connection broke, from the registry’s own URL', async () => {
    await using test = await start();
    test.made.spoil(times(1, cutAfter(500_000)));
    const pulling = test.pull();
    await test.cache.clock.untilPausing();
    await test.cache.clock.advance(5000);
    assert.ok(layer.equals(await pulling));
    assert.deepEqual(test.upstream.calls, [blobCall, blobCall]);
    assert.equal(test.upstream.requests[1]?.headers.range, 'bytes=500000-');
  });

  it('resumes a blob that stalled', async () => {
    await using test = await start({ stallTimeoutMs: 50 });
    const never = gate();
    test.made.spoil(on(/blobs/, times(1, stalledAfter(500_000, never.wait))));
    const pulling = test.pull();
    await test.cache.clock.untilPausing();
    await test.cache.clock.advance(5000);
    assert.ok(layer.equals(await pulling));
    assert.equal(test.upstream.requests[1]?.headers.range, 'bytes=500000-');
    never.open();
  });

  it('resumes a blob with a new token where the old has ended meanwhile', async () => {
    await using tokens = await FakeTokenServer.start();
    await using test = await start();
    const half = gate();
    test.made.spoil(
      tokens.fault,
      times(
        1,
        async (request, next) =>
          await stalledAfter(500_000, half.wait)(request, async () => await cutAfter(600_000)(request, next)),
      ),
    );
    const pulling = test.pull();
    await half.reached;
    tokens.revoke();
    half.open();
    await test.cache.clock.untilPausing();
    await test.cache.clock.advance(5000);
    assert.ok(layer.equals(await pulling));
    assert.equal(tokens.requests.length, 2);
  });
});
