import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CachePolicy } from '#src/cache/cache-parts.ts';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { tooMuchRead } from '#src/oci/busy.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { AfterAnswer, NoAnswer } from '#src/oci/no-answer.ts';
import { type Digest, parseTag, type RepositoryName, type Tag } from '#src/oci/reference.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const v1 = parseTag('v1');
const v2 = parseTag('v2');
const minute = freshnessPolicy([], 60_000);
const always = freshnessPolicy([], 'always');

/** Puts an image of its own at the tag; its manifest’s digest. */
function put(cache: CacheUnderTest, seed: number, tag: Tag = v1): Digest {
  return putImage(cache.content, alpine, tag, [bytes(10, seed)]).manifest.digest;
}

/** What a HEAD of the tag says. */
async function head(cache: CacheUnderTest, tag: Tag = v1, name: RepositoryName = alpine): Promise<Digest> {
  return (await cache.registry.resolveManifest(name, tag, cache.reporting)).digest;
}

async function get(cache: CacheUnderTest, reference: Tag | Digest = v1): Promise<Digest> {
  return (await cache.registry.getManifest(alpine, reference, cache.reporting)).descriptor.digest;
}

/** What reached upstream since this was called last: `HEAD v1`. */
function asked(cache: CacheUnderTest): string[] {
  return cache.upstream.calls.splice(0).map((call) => call.replace(`${alpine} manifest `, ''));
}

/** A cache that has the tag at one image, which is not fresh, and an upstream that has it at the next. */
async function moved(policy: Partial<CachePolicy> = { freshness: always }) {
  const cache = new CacheUnderTest({ policy });
  const old = put(cache, 1);
  await get(cache);
  await cache.clock.advance(60_000);
  const now = put(cache, 2);
  asked(cache);
  return { cache, old, now };
}

/** Upstream's answer to a HEAD of the tag is what it is now, and waits at the gate. */
async function heldHead(cache: CacheUnderTest) {
  const slow = gate();
  const answer = await cache.content.resolveManifest(alpine, v1);
  cache.upstream.resolveManifest = async () => {
    await slow.wait();
    return answer;
  };
  return { slow, answer };
}

function limited(call: string): void {
  if (call.startsWith('GET')) throw new RegistryError('TOOMANYREQUESTS', 'pull rate limit');
}

const upstreamUrl = new URL('https://registry.example.com');

function down(): never {
  throw new NoAnswer(upstreamUrl, 'host', 'connection refused; asked again in 2 s');
}

describe('a HEAD of a tag that is not cached', () => {
  it('costs a HEAD each time and no GET, and completes nothing', async () => {
    await using cache = new CacheUnderTest({ policy: { complete: true } });
    const digest = put(cache, 1);
    for (let call = 0; call < 2; call += 1) {
      assert.equal(await head(cache), digest);
      assert.deepEqual(cache.outcome, { kind: 'miss', collapsed: false });
    }
    await cache.settle();
    await cache.clock.advance(5000);
    await cache.settle();
    assert.deepEqual(asked(cache), ['HEAD v1', 'HEAD v1']);
    assert.equal(await cache.parts.metadata.getTag(alpine, v1), undefined);
  });

  it('costs one HEAD for twenty who ask at once', async () => {
    await using cache = new CacheUnderTest();
    put(cache, 1);
    await Promise.all(Array.from({ length: 20 }, async () => await head(cache)));
    assert.deepEqual(cache.outcome, { kind: 'miss', collapsed: true });
    assert.deepEqual(asked(cache), ['HEAD v1']);
  });

  it('leaves the tag cached for an outage once its digest was pulled, also for the next process', async () => {
    await using cache = new CacheUnderTest();
    const digest = put(cache, 1);
    const tags = [v1, parseTag('same')];
    const { bytes: image, descriptor } = await cache.content.getManifest(alpine, v1);
    cache.content.putManifest(alpine, parseTag('same'), image, descriptor.mediaType);
    for (const tag of tags) await head(cache, tag);
    await get(cache, digest);
    assert.deepEqual(asked(cache), ['HEAD v1', 'HEAD same', `GET ${digest}`]);
    await cache.settle();
    const { blobs } = cache;
    const { metadata } = cache.parts;
    await using next = new CacheUnderTest({ blobs, metadata });
    cache.upstream.script = next.upstream.script = down;
    for (const one of [cache, next]) {
      for (const tag of tags) {
        assert.equal((await one.registry.getManifest(alpine, tag, one.reporting)).descriptor.digest, digest);
        assert.deepEqual(one.outcome, { kind: 'hit' });
        assert.equal(await head(one, tag), digest);
      }
    }
  });

  it('points the tag at what is here already', async () => {
    await using cache = new CacheUnderTest();
    const digest = put(cache, 1);
    await get(cache, digest);
    assert.equal(await head(cache), digest);
    assert.deepEqual(cache.outcome, { kind: 'miss', collapsed: false });
    assert.equal(await get(cache), digest);
    assert.deepEqual(cache.outcome, { kind: 'hit' });
    assert.deepEqual(asked(cache), [`GET ${digest}`, 'HEAD v1']);
  });

  it('says of what is here what its bytes say, and not what upstream claims of type and size', async () => {
    await using cache = new CacheUnderTest();
    const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(10, 1)]);
    await get(cache, manifest.digest);
    const describe = cache.upstream.resolveManifest.bind(cache.upstream);
    cache.upstream.resolveManifest = async (...asked) => ({
      ...(await describe(...asked)),
      size: 999,
      mediaType: 'application/vnd.oci.image.index.v1+json',
    });
    assert.deepEqual(await cache.registry.resolveManifest(alpine, v1), manifest);
  });

  it('is what a GET gives while it is fresh, though the tag has moved meanwhile', async () => {
    for (const [freshness, passed, isOld] of [
      [minute, 59_999, true],
      [minute, 60_000, false],
      [freshnessPolicy([], 'immutable'), 3_599_999, true],
      [freshnessPolicy([], 'immutable'), 3_600_000, false],
      [always, 0, false],
    ] as const) {
      await using cache = new CacheUnderTest({ policy: { freshness } });
      const announced = put(cache, 1);
      await head(cache);
      const now = put(cache, 2);
      await cache.clock.advance(passed);
      assert.equal(await get(cache), isOld ? announced : now);
      assert.deepEqual(asked(cache), ['HEAD v1', isOld ? `GET ${announced}` : 'GET v1']);
    }
  });

  it('that upstream does not know is remembered for the GET, and the GET’s for it', async () => {
    await using cache = new CacheUnderTest();
    put(cache, 1);
    for (const [tag, first, second] of [
      [parseTag('none'), head, get],
      [parseTag('neither'), get, head],
    ] as const) {
      await assert.rejects(first(cache, tag), { status: 404 });
      await assert.rejects(second(cache, tag), { status: 404 });
    }
    assert.deepEqual(asked(cache), ['HEAD none', 'GET neither']);
    await cache.clock.advance(10_000);
    put(cache, 1, parseTag('none'));
    await head(cache, parseTag('none'));
  });

  it('joins the GET that is under way', async () => {
    await using cache = new CacheUnderTest();
    const digest = put(cache, 1);
    const answer = gate();
    cache.upstream.script = answer.wait;
    const getting = get(cache);
    await answer.reached;
    const heading = head(cache);
    answer.open();
    assert.deepEqual(await Promise.all([getting, heading]), [digest, digest]);
    assert.deepEqual(asked(cache), ['GET v1']);
  });

  it('keeps the manifest that upstream had to be asked for to describe it', async () => {
    await using cache = new CacheUnderTest();
    const digest = put(cache, 1);
    cache.upstream.resolveManifest = async (name, reference, options) => {
      const manifest = await cache.upstream.getManifest(name, reference);
      options?.take?.(manifest);
      return manifest.descriptor;
    };
    assert.equal(await head(cache), digest);
    assert.equal(await get(cache), digest);
    assert.equal(await get(cache, digest), digest);
    assert.deepEqual(asked(cache), ['GET v1']);
  });

  it('does not announce again what upstream did not have: the tag’s own bytes say what it is', async () => {
    await using cache = new CacheUnderTest({ policy: { negativeTtl: 0 } });
    const digest = put(cache, 1);
    const wrong = sha256(bytes(12));
    const { descriptor } = await cache.content.getManifest(alpine, v1);
    cache.upstream.resolveManifest = async () => ({ ...descriptor, digest: wrong });
    assert.equal(await head(cache), wrong);
    await assert.rejects(get(cache, wrong), { status: 404 });
    assert.equal(await head(cache), digest);
    assert.deepEqual(asked(cache), [`GET ${wrong}`, 'GET v1']);
  });

  it('is answered while manifests cannot be fetched, since there is no cached copy to agree with', async () => {
    await using cache = new CacheUnderTest();
    const digest = put(cache, 1);
    cache.upstream.script = limited;
    assert.equal(await head(cache), digest);
    await assert.rejects(get(cache, digest), { status: 429 });
    assert.equal(await head(cache), digest);
    assert.deepEqual(asked(cache), ['HEAD v1', `GET ${digest}`, 'HEAD v1']);
  });
});

describe('a HEAD of a tag that moved', () => {
  it('costs a HEAD; its GET then fetches what was announced, without asking again while that is fresh', async () => {
    const { cache, old, now } = await moved({ freshness: minute });
    await using _ = cache;
    assert.equal(await head(cache), now);
    assert.deepEqual(cache.outcome, { kind: 'miss' });
    await cache.clock.advance(10_000);
    assert.equal(await get(cache), now);
    assert.deepEqual(cache.outcome, { kind: 'miss', collapsed: false });
    assert.deepEqual(asked(cache), ['HEAD v1', `GET ${now}`]);
    await cache.clock.advance(49_999);
    assert.equal(await get(cache), now);
    assert.deepEqual(cache.outcome, { kind: 'hit' });
    await cache.clock.advance(1);
    assert.equal(await head(cache), now);
    assert.deepEqual(cache.outcome, { kind: 'revalidated' });
    assert.deepEqual(asked(cache), ['HEAD v1']);
    assert.notEqual(old, now);
  });

  it('to what is here costs a HEAD and moves the tag', async () => {
    const { cache, now } = await moved();
    await using _ = cache;
    await get(cache, now);
    assert.equal(await head(cache), now);
    assert.deepEqual(cache.outcome, { kind: 'revalidated' });
    cache.upstream.script = down;
    assert.equal(await get(cache), now);
    assert.deepEqual(asked(cache), [`GET ${now}`, 'HEAD v1', 'HEAD v1']);
  });

  it('and its GET by digest move the tag: the outage afterwards serves the new one', async () => {
    const { cache, now } = await moved();
    await using _ = cache;
    await head(cache);
    await get(cache, now);
    cache.upstream.script = down;
    for (const ask of [get, head]) assert.equal(await ask(cache), now);
    assert.deepEqual(cache.outcome, { kind: 'stale', cause: 'upstream unavailable' });
  });

  it('does not announce what a GET was not given: both answer the cached copy, until it is given', async () => {
    for (const failure of [limited, (call: string) => call.startsWith('GET') && down()]) {
      const { cache, old, now } = await moved();
      await using _ = cache;
      assert.equal(await head(cache), now);
      cache.upstream.script = failure;
      await assert.rejects(get(cache, now));
      for (let round = 0; round < 2; round += 1) {
        for (const ask of [head, get, head]) {
          assert.equal(await ask(cache), old);
          assert.equal(cache.outcome?.kind, 'stale');
        }
        await cache.clock.advance(2000);
      }
      assert.deepEqual(asked(cache), [
        'HEAD v1',
        `GET ${now}`,
        ...['HEAD v1', `GET ${now}`],
        ...['HEAD v1', `GET ${now}`],
      ]);
      cache.upstream.script = () => undefined;
      assert.equal(await head(cache), now);
      assert.equal(await get(cache), now);
    }
  });

  it('does not announce it either where another manifest of the registry has just met its limit', async () => {
    const { cache, old, now } = await moved();
    await using _ = cache;
    cache.upstream.script = limited;
    await assert.rejects(get(cache, put(cache, 3, v2)), { status: 429 });
    assert.equal(await head(cache), old);
    assert.deepEqual(cache.outcome, { kind: 'stale', cause: 'upstream limits requests' });
    cache.upstream.script = () => undefined;
    await cache.clock.advance(2000);
    assert.equal(await head(cache), now);
  });

  it('announces what it was told where nothing stale may be served', async () => {
    const { cache, now } = await moved({ freshness: always, staleIfError: false });
    await using _ = cache;
    cache.upstream.script = limited;
    await assert.rejects(get(cache), { status: 429 });
    assert.equal(await head(cache), now);
  });

  it('is kept from announcing by a manifest without an answer in its own repository, not in another; by a 503 in any', async () => {
    const other = repository('docker.io/acme/broken');
    for (const [name, status, isAnnounced] of [
      [other, 502, true],
      [other, 504, true],
      [other, 503, false],
      [alpine, 502, false],
    ] as const) {
      const { cache, now } = await moved();
      await using _ = cache;
      const { digest } = putImage(cache.content, name, v2, [bytes(10, 3)]).manifest;
      cache.upstream.script = (call) => {
        if (call !== `GET ${name} manifest ${digest}`) return;
        throw new NoAnswer(upstreamUrl, 'exchange', 'reset', { status });
      };
      await assert.rejects(cache.registry.getManifest(name, digest), { status });
      asked(cache);
      assert.equal(await head(cache), now);
      // It is asked for, to know whether a GET would be given it.
      assert.deepEqual(asked(cache), isAnnounced ? ['HEAD v1'] : ['HEAD v1', `GET ${now}`]);
    }
  });

  for (const [what, error] of [
    ['while its host is given a rest', new NoAnswer(upstreamUrl, 'host', 'refused; asked again in 2 s')],
    ['through a proxy that gives no way', new NoAnswer(upstreamUrl, 'exchange', 'the proxy answered 502')],
    ['for want of a credential', new NoAnswer(upstreamUrl, 'nothing', 'no credentials from AWS')],
    [
      'after a challenge, for want of a token',
      new AfterAnswer(upstreamUrl, new RegistryError('UNAVAILABLE')),
    ],
    ['while too much is read here', tooMuchRead()],
  ] as const) {
    it(`is not taken for wrong when the GET of what it announced had no answer ${what}`, async () => {
      const { cache, old, now } = await moved();
      await using _ = cache;
      cache.upstream.script = (call) => {
        if (call.startsWith('GET')) throw error;
      };
      assert.equal(await get(cache), old);
      cache.upstream.script = () => undefined;
      asked(cache);
      await cache.clock.advance(60_000);
      assert.equal(await get(cache), now);
      // By what is announced, and not by the tag, which is for what is not to be had.
      assert.deepEqual(asked(cache), ['HEAD v1', `GET ${now}`]);
    });
  }

  it('is not kept from announcing by what could not be read here for now, in its own repository or another', async () => {
    for (const name of [alpine, repository('docker.io/acme/large')]) {
      const { cache, now } = await moved();
      await using _ = cache;
      const { digest } = putImage(cache.content, name, v2, [bytes(10, 3)]).manifest;
      cache.upstream.script = (call) => {
        if (call === `GET ${name} manifest ${digest}`) throw tooMuchRead();
      };
      await assert.rejects(cache.registry.getManifest(name, digest), { status: 503 });
      asked(cache);
      assert.equal(await head(cache), now);
      assert.deepEqual(asked(cache), ['HEAD v1']);
    }
  });

  it('is not kept from announcing by one manifest that is broken', async () => {
    const { cache, now } = await moved();
    await using _ = cache;
    cache.upstream.script = (call) => {
      if (call.startsWith('GET')) throw new RegistryError('UNAVAILABLE', 'upstream sent a wrong manifest');
    };
    await assert.rejects(get(cache, put(cache, 3, v2)));
    asked(cache);
    assert.equal(await head(cache), now);
    assert.deepEqual(asked(cache), ['HEAD v1']);
  });

  it('answers the cached copy where its answer shows that the quota is low', async () => {
    let isRich = true;
    const { cache, old } = await moved({ freshness: always, mayRevalidate: () => isRich });
    await using _ = cache;
    cache.upstream.script = () => {
      isRich = false;
    };
    for (const ask of [head, get]) {
      assert.equal(await ask(cache), old);
      assert.deepEqual(cache.outcome, { kind: 'stale', cause: 'upstream quota is low' });
    }
    assert.deepEqual(asked(cache), ['HEAD v1']);
  });

  it('there and back points where it was, whoever pulls what was announced in between', async () => {
    const { cache, old, now } = await moved({ freshness: minute });
    await using _ = cache;
    assert.equal(await head(cache), now);
    put(cache, 1);
    assert.equal(await head(cache), old);
    await get(cache, now);
    assert.equal(await get(cache), old);
    assert.deepEqual(cache.outcome, { kind: 'hit' });
  });
});

describe('answers about a tag that overtake each other', () => {
  it('leave it where the later question was answered', async () => {
    for (const pullsAnnounced of [false, true]) {
      const { cache, old, now } = await moved({ freshness: minute });
      await using _ = cache;
      const { slow } = await heldHead(cache);
      const heading = head(cache);
      await slow.reached;
      // A question that was not shared: asked later, and answered first.
      const newest = put(cache, 3);
      await cache.parts.manifests.keepTag(
        alpine,
        await cache.content.getManifest(alpine, v1),
        v1,
        cache.parts.manifests.asking(),
      );
      slow.open();
      assert.equal(await heading, now);
      if (pullsAnnounced) await get(cache, now);
      assert.equal(await get(cache), newest);
      assert.deepEqual(cache.outcome, { kind: 'hit' });
      await cache.settle();
      assert.equal((await cache.parts.metadata.getTag(alpine, v1))?.descriptor.digest, newest);
      assert.notEqual(old, newest);
    }
  });

  it('leave a cold tag where the later question was answered', async () => {
    await using cache = new CacheUnderTest();
    put(cache, 1);
    const { slow, answer } = await heldHead(cache);
    const heading = head(cache);
    await slow.reached;
    const newest = put(cache, 2);
    assert.equal(await get(cache), newest);
    slow.open();
    await heading;
    await get(cache, answer.digest);
    assert.equal(await get(cache), newest);
    await cache.settle();
    assert.equal((await cache.parts.metadata.getTag(alpine, v1))?.descriptor.digest, newest);
  });

  it('serve what another has brought meanwhile, rather than what was cached when upstream was asked', async () => {
    const { cache } = await moved({ freshness: minute });
    await using _ = cache;
    const failing = gate();
    cache.upstream.resolveManifest = async () => {
      await failing.wait();
      return down();
    };
    const getting = get(cache);
    await failing.reached;
    const newest = put(cache, 3);
    const manifest = await cache.content.getManifest(alpine, v1);
    await cache.parts.manifests.keepTag(alpine, manifest, v1, cache.parts.manifests.asking());
    failing.open();
    assert.equal(await getting, newest);
    assert.deepEqual(cache.outcome, { kind: 'hit' });
  });
});
