import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hexOf, sha256 } from '#src/oci/digest.ts';
import type { Digest } from '#src/oci/reference.ts';
import type { BlobOptions, BlobReader } from '#src/oci/registry.ts';
import { WrongBytesError } from '#src/storage/content-store.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { failure, ScriptedFiles } from '#test/fakes/scripted-files.ts';

const alpine = repository('docker.io/library/alpine');
const kibibyte = 1024;
const large = 1024 * kibibyte;
/** Of one reading. */
const heldBack = 64 * kibibyte;

/** A cache that has the blob in files, as this process or an earlier one has left it. */
async function holding({
  size = large,
  by = 'an earlier process' as 'this process' | 'an earlier process',
  verifiesAlways = false,
} = {}) {
  const content = Buffer.from(bytes(size));
  const digest = sha256(content);
  const files = new ScriptedFiles();
  const blobs = await FileBlobStore.open({ directory: '/v1', files });
  const metadata = SqliteMetadataStore.inMemory();
  const log = new LogLines();
  const settings = { blobs, metadata, log, policy: { verifiesAlways } };
  const first = new CacheUnderTest(settings);
  first.content.putBlob(alpine, content);
  await pull(first, digest);
  await first.settle();
  const cache = by === 'this process' ? first : new CacheUnderTest({ ...settings, upstream: first.content });
  if (cache !== first) await first[Symbol.asyncDispose]();
  first.upstream.calls.length = 0;
  const path = `/v1/blobs/sha256/${hexOf(digest)}`;
  const flip = (at: number): void => files.spoil(path, (old) => flipped(old, at));
  return {
    ...{ content, digest, files, blobs, metadata, log, cache, path, flip, upstream: first.content },
    quarantined: () => files.paths.filter((each) => each.startsWith('/v1/quarantine/')),
    [Symbol.asyncDispose]: async () => await cache[Symbol.asyncDispose](),
  };
}

function flipped(old: Buffer, at: number): Buffer {
  const spoilt = Buffer.from(old);
  spoilt[at] = (spoilt[at] ?? 0) ^ 1;
  return spoilt;
}

async function open(cache: CacheUnderTest, digest: Digest, options: BlobOptions = {}): Promise<BlobReader> {
  return await cache.registry.getBlob(alpine, digest, { ...cache.reporting, ...options });
}

async function pull(cache: CacheUnderTest, digest: Digest, options: BlobOptions = {}): Promise<Buffer> {
  await using reader = await open(cache, digest, options);
  return await collect(reader.body);
}

/** What of a body came before it broke off, and why it did. */
async function brokenOff(reader: BlobReader): Promise<{ received: Buffer; error: unknown }> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of reader.body) chunks.push(Uint8Array.from(chunk));
  } catch (error) {
    return { received: Buffer.concat(chunks), error };
  }
  throw new Error('it ended well');
}

const gets = ({ upstream }: CacheUnderTest): string[] =>
  upstream.calls.filter((call) => call.startsWith('GET'));

describe('a stored blob that is to be here', () => {
  it('is so where its file has changed and is right, and known to be right from then on', async () => {
    await using it = await holding();
    const { cache, digest, content } = it;
    it.files.touch(it.path);
    const brought = await cache.registry.bringBlob(alpine, digest);
    assert.deepEqual(brought, { size: content.length, wasHere: true });
    assert.deepEqual(cache.upstream.calls, []);
    await cache.settle();
    await using reader = await open(cache, digest);
    assert.equal(reader.isVerified, true);
  });

  it('is fetched again where its end has changed, which nobody has read', async () => {
    await using it = await holding();
    const { cache, digest, content } = it;
    it.flip(content.length - 10);
    const brought = await cache.registry.bringBlob(alpine, digest);
    assert.deepEqual(brought, { size: content.length, wasHere: false });
    assert.deepEqual(gets(cache), [`GET ${alpine} blob ${digest}`]);
    assert.ok((await pull(cache, digest)).equals(content));
  });
});

for (const by of ['this process', 'an earlier process'] as const) {
  describe(`a stored blob of ${by}`, () => {
    it('is known to be right from its first byte on where its file is as it was', async () => {
      await using it = await holding({ by });
      const { cache, digest, content } = it;
      for (const options of [{}, { range: { first: 5, last: 9 } }]) {
        await using reader = await open(cache, digest, options);
        assert.equal(reader.isVerified, true);
        const { first, last } = reader.range ?? { first: 0, last: content.length - 1 };
        assert.ok((await collect(reader.body)).equals(content.subarray(first, last + 1)));
      }
      assert.equal((await cache.registry.resolveBlob(alpine, digest)).isVerified, true);
      assert.deepEqual(cache.upstream.calls, []);
    });

    it('is broken off before its end where somebody writes to its file while it is read, and is hashed by the next', async () => {
      await using it = await holding({ by });
      const { cache, digest, content } = it;
      {
        await using reader = await open(cache, digest);
        const chunks: Uint8Array[] = [];
        const readAll = async (): Promise<void> => {
          for await (const chunk of reader.body) {
            if (chunks.length === 0) it.flip(content.length - 10);
            chunks.push(Uint8Array.from(chunk));
          }
        };
        await assert.rejects(readAll(), WrongBytesError);
        assert.ok(chunks.length > 0);
      }
      await assert.rejects(pull(cache, digest), WrongBytesError);
      assert.ok((await pull(cache, digest)).equals(content));
    });

    it('is broken off before its end where a byte of its file has changed, and the next answer is right', async () => {
      await using it = await holding({ by });
      const { cache, digest, content, path, log } = it;
      it.flip(content.length - 10);
      {
        await using reader = await open(cache, digest);
        assert.equal(reader.isVerified, false);
        const { received, error } = await brokenOff(reader);
        assert.ok(error instanceof WrongBytesError);
        assert.ok(received.length <= content.length - heldBack);
        assert.ok(received.equals(content.subarray(0, received.length)));
      }
      assert.ok((await pull(cache, digest)).equals(content));
      assert.deepEqual(gets(cache), [`GET ${alpine} blob ${digest}`]);
      await cache.settle();
      const [kept, ...others] = it.quarantined();
      assert.ok(kept);
      assert.ok(kept.startsWith(`/v1/quarantine/sha256-${path.slice(-64)}.`));
      assert.deepEqual(others, []);
      const [line = '', ...more] = log.at('error');
      assert.deepEqual(more, []);
      for (const named of [alpine, digest, kept]) assert.ok(line.includes(named), line);
      assert.ok((await pull(cache, digest)).equals(content));
      assert.deepEqual(cache.outcome, { kind: 'hit' });
      assert.equal(gets(cache).length, 1);
    });

    for (const size of [65 * kibibyte, 300 * kibibyte, 512 * kibibyte]) {
      it(`is fetched again in the same request where nothing was sent yet: ${size} bytes`, async () => {
        await using it = await holding({ by, size });
        const { cache, digest, content } = it;
        it.flip(5);
        assert.ok((await pull(cache, digest)).equals(content));
        assert.deepEqual(cache.outcome, { kind: 'miss', collapsed: false });
        assert.deepEqual(gets(cache), [`GET ${alpine} blob ${digest}`]);
        assert.equal(it.quarantined().length, 1);
      });
    }

    for (const range of [{ first: 0, last: 99 }, { first: 70_000, last: 70_001 }, { suffix: 10 }]) {
      it(`gives no part of a file with other bytes, and the right part in the same request: ${JSON.stringify(range)}`, async () => {
        await using it = await holding({ by });
        const { cache, digest, content } = it;
        it.flip(500_000);
        await using reader = await open(cache, digest, { range });
        const { first, last } = reader.range ?? { first: 0, last: 0 };
        assert.ok((await collect(reader.body)).equals(content.subarray(first, last + 1)));
        assert.equal(gets(cache).length, 1);
        assert.equal(it.quarantined().length, 1);
      });
    }

    it('is fetched again in the same request, and kept aside, where its file is shorter or longer', async () => {
      for (const change of [
        (old: Buffer) => old.subarray(0, -1),
        (old: Buffer) => Buffer.concat([old, Buffer.from('x')]),
      ]) {
        await using it = await holding({ by });
        const { cache, digest, content, files, path } = it;
        files.spoil(path, change);
        assert.ok((await pull(cache, digest)).equals(content));
        assert.equal(gets(cache).length, 1);
        assert.equal(it.quarantined().length, 1);
      }
    });

    it('is given without a wait where only times have changed, and known to be right afterwards, to others too', async () => {
      await using it = await holding({ by });
      const { cache, digest, content, files, blobs, metadata, path } = it;
      files.touch(path);
      assert.equal((await cache.registry.resolveBlob(alpine, digest)).isVerified, false);
      {
        await using reader = await open(cache, digest);
        assert.equal(reader.isVerified, false);
        assert.ok((await collect(reader.body)).equals(content));
      }
      await cache.settle();
      {
        await using reader = await open(cache, digest);
        assert.equal(reader.isVerified, true);
      }
      await using later = new CacheUnderTest({ blobs, metadata });
      await using reader = await open(later, digest);
      assert.equal(reader.isVerified, true);
      assert.deepEqual([...cache.upstream.calls, ...later.upstream.calls], []);
      assert.deepEqual(it.quarantined(), []);
    });

    it('is read once for the hash, however many want parts of it, and never again', async () => {
      await using it = await holding({ by });
      const { cache, digest, content, files, path } = it;
      files.touch(path);
      files.calls.length = 0;
      const parts = Array.from({ length: 10 }, async (_, at) => {
        const part = await pull(cache, digest, { range: { first: at, last: at + 99 } });
        assert.ok(part.equals(content.subarray(at, at + 100)));
      });
      await Promise.all(parts);
      assert.equal(files.calls.filter((call) => call === `open ${path}`).length, 11);
      await pull(cache, digest, { range: { first: 3, last: 3 } });
      assert.equal(files.calls.filter((call) => call === `open ${path}`).length, 12);
      assert.deepEqual(cache.upstream.calls, []);
    });
  });
}

describe('a stored blob whose file has changed', () => {
  it('is hashed by all who read it together: who comes later need not begin anew, who leaves takes nothing along', async () => {
    await using it = await holding();
    const { cache, digest, content, files, path } = it;
    files.touch(path);
    const leaving = await open(cache, digest);
    await using staying = await open(cache, digest);
    const body = leaving.body[Symbol.asyncIterator]();
    await body.next();
    await leaving[Symbol.asyncDispose]();
    assert.ok((await collect(staying.body)).equals(content));
    await using after = await open(cache, digest);
    assert.equal(after.isVerified, true);
  });

  it('is broken off for all who read it as soon as one has found it wrong, and fetched once', async () => {
    await using it = await holding();
    const { cache, digest, content } = it;
    it.flip(content.length - 1);
    await using slow = await open(cache, digest);
    const body = slow.body[Symbol.asyncIterator]();
    await body.next();
    await using fast = await open(cache, digest);
    await brokenOff(fast);
    await assert.rejects(body.next(), WrongBytesError);
    const answers = await Promise.all([pull(cache, digest), pull(cache, digest)]);
    for (const answer of answers) assert.ok(answer.equals(content));
    assert.equal(gets(cache).length, 1);
  });

  it('is given whole though nobody can read it for a hash alone', async () => {
    await using it = await holding();
    const { cache, digest, content, files, path } = it;
    files.touch(path);
    await using whole = await open(cache, digest);
    let opened = 0;
    files.script = (call) => {
      if (call !== `open ${path}`) return;
      opened += 1;
      if (opened === 2) throw failure('EMFILE');
    };
    await assert.rejects(pull(cache, digest, { range: { first: 1, last: 2 } }), { code: 'EMFILE' });
    assert.ok((await collect(whole.body)).equals(content));
    assert.ok((await pull(cache, digest, { range: { first: 1, last: 2 } })).equals(content.subarray(1, 3)));
  });

  it('is nothing that whoever waits for a part has to wait for when he leaves', async () => {
    await using it = await holding();
    const { cache, digest, files, path } = it;
    files.touch(path);
    const gate = Promise.withResolvers<void>();
    let opened = 0;
    files.script = async (call) => {
      if (call !== `open ${path}`) return;
      opened += 1;
      if (opened === 2) await gate.promise;
    };
    const gone = new AbortController();
    const waiting = pull(cache, digest, { range: { first: 1, last: 2 }, signal: gone.signal });
    await cache.settle();
    gone.abort(new Error('the client has left'));
    await assert.rejects(waiting, { message: 'the client has left' });
    gate.resolve();
    await cache.settle();
    assert.equal((await cache.registry.resolveBlob(alpine, digest)).isVerified, true);
  });

  it('is not hashed where another process has written it anew', async () => {
    await using it = await holding({ by: 'this process' });
    const { cache, digest, content, blobs, metadata, files, path } = it;
    const other = new CacheUnderTest({ blobs, metadata, upstream: cache.content });
    files.spoil(path, (old) => old.subarray(1));
    await pull(other, digest);
    await other.settle();
    await other[Symbol.asyncDispose]();
    await using reader = await open(cache, digest);
    assert.equal(reader.isVerified, true);
    assert.ok((await collect(reader.body)).equals(content));
    assert.deepEqual(cache.upstream.calls, []);
  });

  it('is fetched again in the same request though another repository was found to own it meanwhile', async () => {
    await using it = await holding();
    const { cache, digest, content, files, path, flip } = it;
    const other = repository('docker.io/acme/other');
    flip(900_000);
    const [gate, moved] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let opened = 0;
    files.script = async (call) => {
      if (call === `rename ${path}`) await moved.promise;
      if (call !== `open ${path}`) return;
      opened += 1;
      if (opened === 2) await gate.promise;
    };
    const part = pull(cache, digest, { range: { first: 1, last: 2 } });
    await cache.settle();
    it.upstream.putBlob(other, content);
    const proving = cache.registry.getBlob(other, digest, { range: { first: 1, last: 2 } });
    await cache.settle();
    gate.resolve();
    await cache.settle();
    await cache.settle();
    moved.resolve();
    assert.ok((await part).equals(content.subarray(1, 3)));
    await using reader = await proving;
    assert.ok((await collect(reader.body)).equals(content.subarray(1, 3)));
    assert.equal(it.quarantined().length, 1);
  });

  it('is not given where it cannot be fetched again', async () => {
    await using it = await holding();
    const { cache, digest } = it;
    it.flip(1);
    cache.upstream.script = () => {
      throw new Error('upstream is away');
    };
    await using reader = await open(cache, digest);
    await brokenOff(reader);
    await assert.rejects(pull(cache, digest));
    await assert.rejects(pull(cache, digest, { range: { first: 100, last: 200 } }));
    assert.equal(it.quarantined().length, 1);
  });
});

describe('a small stored blob with other bytes', () => {
  it('is fetched again in the same request, and kept aside', async () => {
    await using it = await holding({ size: 1000 });
    const { cache, digest, content, log } = it;
    it.flip(7);
    assert.ok((await pull(cache, digest)).equals(content));
    assert.equal(gets(cache).length, 1);
    assert.equal(it.quarantined().length, 1);
    assert.ok(log.at('error')[0]?.includes(alpine));
  });
});

describe('a stored manifest with other bytes', () => {
  it('is fetched again in the same request, and kept aside', async () => {
    await using it = await holding({ size: 1000 });
    const { cache, files, blobs, metadata, log } = it;
    const image = putImage(it.upstream, alpine, 'v1', []);
    const { digest } = image.manifest;
    await cache.registry.getManifest(alpine, digest);
    await cache.settle();
    files.spoil(`/v1/blobs/sha256/${hexOf(digest)}`, (old) => flipped(old, 3));
    await using next = new CacheUnderTest({ blobs, metadata, log, upstream: it.upstream });
    const { bytes: read } = await next.registry.getManifest(alpine, digest);
    assert.equal(sha256(read), digest);
    const [kept] = it.quarantined();
    assert.ok(kept);
    const [line = ''] = log.at('error');
    for (const named of [kept, digest, alpine]) assert.ok(line.includes(named), line);
    await next.settle();
    await using last = new CacheUnderTest({ blobs, metadata });
    assert.equal(sha256((await last.registry.getManifest(alpine, digest)).bytes), digest);
  });
});

describe('where each reading is to be checked', () => {
  it('rot that moves no time is found: no whole answer, no part', async () => {
    for (const range of [undefined, { first: 1, last: 100 }]) {
      await using it = await holding({ verifiesAlways: true });
      const { cache, digest, content, files, path } = it;
      files.rot(path, (old) => flipped(old, 900_000));
      await using reader = await open(cache, digest, { range });
      if (range === undefined) await brokenOff(reader);
      else assert.ok((await collect(reader.body)).equals(content.subarray(1, 101)));
      assert.ok((await pull(cache, digest)).equals(content));
      assert.equal(gets(cache).length, 1);
      assert.equal(it.quarantined().length, 1);
    }
  });

  it('one reader’s hash is no other’s, and parts share one that is a minute old', async () => {
    await using it = await holding({ verifiesAlways: true });
    const { cache, digest, content, files, path } = it;
    await using slow = await open(cache, digest);
    assert.ok((await pull(cache, digest)).equals(content));
    assert.equal(slow.isVerified, false);
    files.calls.length = 0;
    const opened = (): number => files.calls.filter((call) => call === `open ${path}`).length;
    for (let time = 0; time < 3; time += 1) await pull(cache, digest, { range: { first: 1, last: 2 } });
    assert.equal(opened(), 3);
    await cache.clock.advance(61_000);
    await pull(cache, digest, { range: { first: 1, last: 2 } });
    assert.equal(opened(), 5);
  });
});
