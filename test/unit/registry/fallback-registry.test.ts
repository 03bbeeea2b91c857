import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tooMuchRead } from '#src/oci/busy.ts';
import { sha256 } from '#src/oci/digest.ts';
import { type ErrorCode, RegistryError } from '#src/oci/error.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import type { Manifest } from '#src/oci/registry.ts';
import { Stopping } from '#src/oci/stopping.ts';
import { FallbackRegistry } from '#src/registry/fallback-registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import type { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { cut, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const name = repository('docker.io/library/alpine');
const tag = parseTag('v1');
const layer = Buffer.from(bytes(300_000));

/** Two mirrors and a registry that have the same image, each to be watched and spoilt. */
function three() {
  const content = new MemoryRegistry();
  const image = putImage(content, name, tag, [layer]);
  const [first, second, itself] = [content, content, content].map((inner) => new ScriptedRegistry(inner));
  assert.ok(first && second && itself);
  const passed: string[] = [];
  const registry = new FallbackRegistry([first, second], itself, {
    onFallback: (at, { code }) => void passed.push(`${at} ${code}`),
  });
  const digest = image.layers[0]?.digest ?? assert.fail();
  return { first, second, itself, registry, passed, digest, image };
}

function fails(code: ErrorCode, status?: number) {
  return () => {
    throw new RegistryError(code, `${code} here`, { status });
  };
}

describe('a registry with mirrors', () => {
  it('is not asked for what the first mirror gives', async () => {
    const { first, second, itself, registry, digest } = three();
    await registry.resolveManifest(name, tag);
    await registry.getManifest(name, tag);
    await registry.resolveBlob(name, digest);
    await using reader = await registry.getBlob(name, digest, { range: { first: 5, last: 9 } });
    assert.deepEqual(await collect(reader.body), layer.subarray(5, 10));
    await registry.listTags(name);
    assert.equal(first.calls.length, 5);
    assert.deepEqual([...second.calls, ...itself.calls], []);
  });

  const failures: [code: ErrorCode, status?: number][] = [
    ['MANIFEST_UNKNOWN'],
    ['NAME_UNKNOWN'],
    ['DENIED'],
    ['TOOMANYREQUESTS'],
    ['UNAVAILABLE', 502],
    ['UNAVAILABLE', 504],
  ];
  for (const [code, status] of failures) {
    it(`is asked in the order of its mirrors when they answer ${code} ${status ?? ''}`, async () => {
      const { first, second, itself, registry, passed, digest } = three();
      first.script = fails(code, status);
      second.script = fails(code, status);
      await registry.resolveManifest(name, tag);
      await registry.getManifest(name, tag);
      await registry.resolveBlob(name, digest);
      await (await registry.getBlob(name, digest))[Symbol.asyncDispose]();
      assert.deepEqual((await registry.listTags(name)).tags, [tag]);
      assert.deepEqual((await registry.listReferrers(name, digest)).referrers, []);
      assert.deepEqual(first.calls, itself.calls);
      assert.deepEqual(second.calls, itself.calls);
      assert.equal(itself.calls.length, 6);
      assert.deepEqual(passed.slice(0, 2), [`0 ${code}`, `1 ${code}`]);
    });
  }

  it('is asked where a mirror contradicts the digest that it announces, which is served where no other has it', async () => {
    const { first, second, itself, registry, image } = three();
    const contradicts = sha256(layer);
    for (const mirror of [first, second]) {
      const give = mirror.getManifest.bind(mirror);
      mirror.getManifest = async (...asked) => ({ ...(await give(...asked)), contradicts });
    }
    const vouchedFor = await registry.getManifest(name, tag);
    assert.deepEqual([vouchedFor.descriptor, vouchedFor.contradicts], [image.manifest, undefined]);
    itself.script = fails('MANIFEST_UNKNOWN');
    assert.equal((await registry.getManifest(name, tag)).contradicts, contradicts);
    assert.deepEqual(second.calls, itself.calls);
  });

  it('is asked too where a mirror that describes a tag by a GET contradicts itself: nobody takes its manifest then', async () => {
    const { first, second, itself, registry, image } = three();
    const contradicts = sha256(layer);
    const wrong = { ...image.manifest, digest: sha256(bytes(10)) };
    for (const mirror of [first, second]) {
      mirror.resolveManifest = async (repository, reference, options) => {
        const manifest = await mirror.getManifest(repository, reference);
        options?.take?.({ ...manifest, descriptor: wrong, contradicts });
        return wrong;
      };
    }
    const taken: Manifest[] = [];
    const take = (manifest: Manifest) => void taken.push(manifest);
    assert.deepEqual(await registry.resolveManifest(name, tag), image.manifest);
    assert.deepEqual(await registry.resolveManifest(name, tag, { take }), image.manifest);
    assert.equal(taken.length, 0);
    itself.script = fails('MANIFEST_UNKNOWN');
    assert.deepEqual(await registry.resolveManifest(name, tag, { take }), wrong);
    assert.deepEqual(
      taken.map((manifest) => manifest.contradicts),
      [contradicts],
    );
    assert.deepEqual(
      [first, second, itself].map(({ calls }) => calls.length),
      [3, 3, 3],
    );
  });

  it('has its own error counted when all fail', async () => {
    const { first, second, itself, registry } = three();
    first.script = fails('UNAVAILABLE');
    second.script = fails('DENIED');
    itself.script = fails('MANIFEST_UNKNOWN');
    await assert.rejects(registry.getManifest(name, tag), { code: 'MANIFEST_UNKNOWN', status: 404 });
  });

  it('is not asked for whoever has left, nor after an error that is ours', async () => {
    const { first, second, itself, registry } = three();
    const leaving = new AbortController();
    first.script = () => {
      leaving.abort(new Error('left'));
      throw new RegistryError('UNAVAILABLE');
    };
    await assert.rejects(registry.getManifest(name, tag, { signal: leaving.signal }), { message: 'left' });
    first.script = () => {
      throw new TypeError('a bug');
    };
    await assert.rejects(registry.getManifest(name, tag), TypeError);
    assert.deepEqual([...second.calls, ...itself.calls], []);
  });
});

describe('a list that breaks off at a mirror', () => {
  it('is asked for at the next, and the longest is given where it breaks off everywhere', async () => {
    const { first, second, itself, registry, passed } = three();
    const tags = ['a', 'b', 'c'].map(parseTag);
    first.tags = async () => ({ tags: tags.slice(0, 2), hasMore: true, cut: 'failed' });
    second.tags = async () => ({ tags, hasMore: true, cut: 'bounded' });
    assert.deepEqual(await registry.listTags(name), { tags, hasMore: true, cut: 'bounded' });
    assert.deepEqual(passed, ['0 UNAVAILABLE']);
    assert.deepEqual(itself.calls, []);
    second.tags = async () => ({ tags: tags.slice(0, 1), hasMore: true, cut: 'failed' });
    itself.script = fails('UNAVAILABLE');
    assert.deepEqual(await registry.listTags(name), { tags: tags.slice(0, 2), hasMore: true, cut: 'failed' });
  });

  it('and has nothing in it is asked for at the next, and believed of the registry alone', async () => {
    const { first, second, itself, registry, passed } = three();
    for (const mirror of [first, second]) mirror.tags = async () => ({ tags: [], hasMore: false });
    assert.deepEqual((await registry.listTags(name)).tags, [tag]);
    assert.deepEqual(passed, ['0 UNAVAILABLE', '1 UNAVAILABLE']);
    itself.tags = async () => ({ tags: [], hasMore: false });
    assert.deepEqual(await registry.listTags(name), { tags: [], hasMore: false });
    itself.script = fails('UNAVAILABLE', 504);
    await assert.rejects(registry.listTags(name), { status: 504 });
  });

  it('does not end by the word of a mirror that may have had nothing of it at all', async () => {
    const { first, second, itself, registry } = three();
    for (const mirror of [first, second]) mirror.tags = async () => ({ tags: [], hasMore: false });
    const [one, two] = [parseTag('v1'), parseTag('v2')];
    const parts = [one, two].values();
    itself.tags = async () => ({ tags: [...parts.take(1)], hasMore: true });
    assert.deepEqual((await registry.listTags(name)).tags, [one]);
    assert.deepEqual((await registry.listTags(name, { last: one })).tags, [two]);
    itself.tags = async () => ({ tags: [], hasMore: false });
    assert.deepEqual(await registry.listTags(name, { last: two }), { tags: [], hasMore: false });
  });

  it('has its end where a mirror says that nothing is behind the last one, and nobody else can say', async () => {
    const { first, second, itself, registry } = three();
    first.tags = async () => ({ tags: [], hasMore: false });
    for (const other of [second, itself]) other.script = fails('UNAVAILABLE', 504);
    assert.deepEqual(await registry.listTags(name, { last: tag }), { tags: [], hasMore: false });
  });

  it('is so of referrers as well', async () => {
    const { first, second, itself, registry, image } = three();
    const referrers = [image.config, image.manifest];
    first.referrers = async () => ({ referrers: [image.config], cut: 'failed' });
    second.referrers = async () => ({ referrers });
    assert.deepEqual(await registry.listReferrers(name, image.manifest.digest), { referrers });
    assert.deepEqual(itself.calls, []);
  });
});

describe('the referrers of a manifest', () => {
  const listed = (upstream: ScriptedRegistry) => upstream.calls.length;

  it('are the first that anyone knows of', async () => {
    const { first, second, itself, registry, image } = three();
    const other = new MemoryRegistry();
    const subject = image.manifest;
    const referrer = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config: image.config, layers: [], subject }),
    );
    const put = other.putManifest(name, parseTag('sig'), referrer, ociManifest);
    const knowing = new ScriptedRegistry(other);
    const fallback = new FallbackRegistry([first, knowing], itself);
    assert.deepEqual(
      (await fallback.listReferrers(name, subject.digest)).referrers.map(({ digest }) => digest),
      [put.digest],
    );
    assert.deepEqual([listed(first), listed(knowing), listed(itself)], [1, 1, 0]);
    assert.deepEqual((await registry.listReferrers(name, subject.digest)).referrers, []);
    assert.deepEqual([listed(second), listed(itself)], [1, 1]);
  });

  it('are none where the registry itself says so, whatever became of its mirrors', async () => {
    const { first, second, registry, image } = three();
    first.script = fails('UNAVAILABLE', 504);
    second.script = fails('MANIFEST_UNKNOWN');
    assert.deepEqual((await registry.listReferrers(name, image.manifest.digest)).referrers, []);
  });

  for (const [code, status] of [
    ['UNAVAILABLE', 502],
    ['UNAVAILABLE', 503],
    ['UNAVAILABLE', 504],
    ['DENIED', 403],
    ['TOOMANYREQUESTS', 429],
  ] as const) {
    it(`are not known where mirrors know of none and the registry says ${status}, which is the answer`, async () => {
      const { second, itself, registry, image } = three();
      second.script = fails('NAME_UNKNOWN');
      itself.script = fails(code, status);
      await assert.rejects(registry.listReferrers(name, image.manifest.digest), { code, status });
      assert.equal(listed(itself), 1);
    });
  }

  it('are as many as a mirror gave before its list broke off, where nobody else gives any', async () => {
    const { first, itself, registry, image } = three();
    const list = { referrers: [image.config], cut: 'failed' } as const;
    first.referrers = async () => list;
    itself.script = fails('UNAVAILABLE');
    assert.deepEqual(await registry.listReferrers(name, image.manifest.digest), list);
  });
});

describe('the end of this process', () => {
  it('is none of a mirror’s answers: the next is not asked', async () => {
    const { first, second, itself, registry, passed } = three();
    first.script = () => {
      throw new Stopping();
    };
    await assert.rejects(registry.getManifest(name, tag), {
      status: 503,
      name: 'RegistryError',
      message: 'the server is stopping',
    });
    assert.deepEqual([...second.calls, ...itself.calls, ...passed], []);
  });
});

describe('want of room in our memory', () => {
  const noRoom = (): never => {
    throw tooMuchRead();
  };

  it('is none of a registry’s answers: what a mirror lacks is not taken for all there is', async () => {
    const { first, itself, registry, image } = three();
    itself.script = noRoom;
    await assert.rejects(registry.listReferrers(name, image.manifest.digest), { status: 503 });
    first.tags = async () => ({ tags: [parseTag('a')], hasMore: true, cut: 'failed' });
    const alone = new FallbackRegistry([first], itself);
    await assert.rejects(alone.listTags(name), { status: 503 });
  });

  it('makes no mirror that contradicts itself the one that counts', async () => {
    const { first, second, itself, image } = three();
    const contradicts = image.config.digest;
    first.getManifest = async () => ({ ...(await second.getManifest(name, tag)), contradicts });
    itself.script = noRoom;
    await assert.rejects(new FallbackRegistry([first], itself).getManifest(name, tag), { status: 503 });
  });
});

describe('a blob that breaks off at a mirror', () => {
  async function reads({ registry, digest }: ReturnType<typeof three>): Promise<boolean> {
    await using reader = await registry.getBlob(name, digest);
    return await collect(reader.body).then(
      (body) => body.equals(layer),
      () => false,
    );
  }
  const broken = new RegistryError('UNAVAILABLE', 'cut');

  it('is resumed there once, then at the next, and from the first again when it is whole', async () => {
    const made = three();
    made.first.body = (chunks) => cut(chunks, 1000, broken);
    assert.deepEqual([await reads(made), await reads(made)], [false, false]);
    assert.equal(made.first.calls.length, 2);
    assert.equal(await reads(made), true);
    assert.deepEqual([made.first.calls.length, made.second.calls.length], [2, 1]);
    made.first.body = (chunks) => chunks;
    assert.equal(await reads(made), true);
    assert.deepEqual([made.first.calls.length, made.second.calls.length], [3, 1]);
  });

  it('is resumed at the registry itself where it came from there', async () => {
    const made = three();
    made.first.script = fails('BLOB_UNKNOWN');
    made.second.script = fails('BLOB_UNKNOWN');
    made.itself.body = (chunks) => cut(chunks, 1000, broken);
    for (let tries = 0; tries < 4; tries += 1) assert.equal(await reads(made), false);
    assert.deepEqual(
      [made.first.calls.length, made.second.calls.length, made.itself.calls.length],
      [1, 1, 4],
    );
  });

  it('and comes in parts from the next is not asked for again where it broke off', async () => {
    const made = three();
    made.first.body = (chunks) => cut(chunks, 1000, broken);
    assert.deepEqual([await reads(made), await reads(made)], [false, false]);
    const { registry, digest } = made;
    await using part = await registry.getBlob(name, digest, { range: { first: 1000, last: 1999 } });
    await collect(part.body);
    assert.equal(await reads(made), true);
    assert.deepEqual([made.first.calls.length, made.second.calls.length], [2, 2]);
  });

  it('has the mirror asked again when the others fail', async () => {
    const made = three();
    made.first.body = (chunks) => cut(chunks, 1000, broken);
    made.second.script = fails('UNAVAILABLE');
    made.itself.script = fails('UNAVAILABLE');
    assert.deepEqual([await reads(made), await reads(made)], [false, false]);
    await assert.rejects(reads(made), { code: 'UNAVAILABLE' });
    made.first.body = (chunks) => chunks;
    assert.equal(await reads(made), true);
  });

  it('is asked for at the next place first where it hardly got on, and there again where no other gives it', async () => {
    const made = three();
    const { first, second, itself, registry, digest } = made;
    const putOff = async () => {
      await using reader = await registry.getBlob(name, digest);
      reader.putOffPlace?.();
    };
    await putOff();
    await putOff();
    assert.deepEqual([first.calls.length, second.calls.length, itself.calls.length], [1, 1, 0]);
    itself.script = fails('BLOB_UNKNOWN');
    assert.equal(await reads(made), true);
    assert.deepEqual([first.calls.length, second.calls.length, itself.calls.length], [2, 1, 1]);
    await putOff();
    first.script = fails('UNAVAILABLE');
    second.script = fails('UNAVAILABLE');
    await assert.rejects(reads(made), { code: 'BLOB_UNKNOWN' });
    assert.deepEqual([first.calls.length, second.calls.length, itself.calls.length], [4, 2, 2]);
  });

  it('is not asked for again where it was wrong as well as slow', async () => {
    const made = three();
    const { first, registry, digest } = made;
    await using reader = await registry.getBlob(name, digest);
    reader.putOffPlace?.();
    reader.leavePlace?.();
    made.second.script = fails('BLOB_UNKNOWN');
    made.itself.script = fails('BLOB_UNKNOWN');
    await assert.rejects(reads(made), { code: 'BLOB_UNKNOWN' });
    assert.equal(first.calls.length, 1);
  });

  it('is no fault of the mirror when its reader left', async () => {
    const made = three();
    for (let tries = 0; tries < 3; tries += 1) {
      const leaving = new AbortController();
      made.first.body = (chunks) => cut(chunks, 1000, new Error('aborted'));
      await using reader = await made.registry.getBlob(name, made.digest, { signal: leaving.signal });
      leaving.abort();
      await assert.rejects(collect(reader.body));
    }
    assert.deepEqual([made.first.calls.length, made.second.calls.length], [3, 0]);
  });

  it('reaches the client whole, without a byte twice, through the cache', async () => {
    const made = three();
    made.first.body = (chunks) => cut(chunks, 100_000, broken);
    await using cache = new CacheUnderTest({ upstream: made.registry });
    await using reader = await cache.registry.getBlob(name, made.digest);
    const reading = collect(reader.body);
    for (let resume = 0; resume < 2; resume += 1) {
      await cache.clock.untilPausing();
      await cache.clock.advance(5000);
    }
    assert.ok((await reading).equals(layer));
    const blob = `GET ${name} blob ${made.digest}`;
    assert.deepEqual(made.first.calls, [blob, `${blob} {"first":100000}`]);
    assert.deepEqual(made.second.calls, [`${blob} {"first":200000}`]);
    assert.deepEqual(made.itself.calls, []);
  });

  it('with wrong bytes is fetched from the next by the next who asks', async () => {
    const made = three();
    made.first.body = async function* () {
      yield bytes(layer.length, 7);
    };
    await using cache = new CacheUnderTest({ upstream: made.registry });
    const read = async (): Promise<Buffer> => {
      await using reader = await cache.registry.getBlob(name, made.digest);
      return await collect(reader.body);
    };
    await assert.rejects(read());
    assert.ok((await read()).equals(layer));
    assert.deepEqual([made.first.calls.length, made.second.calls.length], [1, 1]);
  });

  it('with another size than its manifest says is fetched from the next at once', async () => {
    const made = three();
    made.first.size = () => 313;
    await using cache = new CacheUnderTest({ upstream: made.registry, policy: { complete: false } });
    await cache.registry.getManifest(name, tag);
    const { clock } = cache;
    const others = clock.pausing;
    const opening = cache.registry.getBlob(name, made.digest);
    await clock.untilPausing(others + 1);
    await clock.advance(5000);
    await using reader = await opening;
    assert.ok((await collect(reader.body)).equals(layer));
    assert.deepEqual([made.first.calls.length, made.second.calls.length], [2, 1]);
  });

  /** The mirror gives so many wrong bytes without saying how many, to a client that has just read the manifest. */
  async function afterWrong(
    length: number,
    then: (clock: FakeClock, others: number) => Promise<void>,
  ): Promise<boolean> {
    const made = three();
    made.second.script = fails('BLOB_UNKNOWN');
    made.first.size = () => undefined;
    made.first.body = async function* () {
      yield bytes(length, 7);
      made.first.script = fails('UNAVAILABLE');
    };
    await using cache = new CacheUnderTest({ upstream: made.registry, policy: { complete: false } });
    await cache.registry.getManifest(name, tag);
    const read = async (): Promise<Buffer> => {
      await using reader = await cache.registry.getBlob(name, made.digest);
      return await collect(reader.body);
    };
    const others = cache.clock.pausing;
    const failing = assert.rejects(read());
    await then(cache.clock, others);
    await failing;
    made.first.script = () => undefined;
    return (await read()).equals(layer);
  }

  it('with more bytes than its manifest says is fetched from the next by the next who asks', async () => {
    assert.equal(await afterWrong(layer.length + 5, async () => undefined), true);
  });

  it('that ended early, and was ended by the registry, is fetched from there by the next who asks', async () => {
    const resumes = async (clock: FakeClock, others: number): Promise<void> => {
      await clock.untilPausing(others + 1);
      await clock.advance(5000);
    };
    assert.equal(await afterWrong(313, resumes), true);
  });
});
