import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SmallBlobs } from '#src/cache/memory/small-blobs.ts';
import { sha256 } from '#src/oci/digest.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { bytes } from '#test/fakes/images.ts';

const kibibyte = 1024;

function blob(size: number, seed = 1) {
  const content = bytes(size, seed);
  return { content, digest: sha256(content) };
}

describe('small blobs in memory', () => {
  it('are those of 64 KiB at most, the one of no bytes too', () => {
    const small = new SmallBlobs();
    for (const [size, isKept] of [
      [0, true],
      [64 * kibibyte - 1, true],
      [64 * kibibyte, true],
      [64 * kibibyte + 1, false],
    ] as const) {
      const { content, digest } = blob(size);
      small.put(digest, content);
      assert.equal(small.get(digest) !== undefined, isKept, String(size));
      if (isKept) assert.deepEqual(Buffer.from(small.get(digest) ?? []), Buffer.from(content));
    }
  });

  it('take no more than they may, with what each takes besides its bytes: who was asked for longest ago goes', () => {
    const small = new SmallBlobs(100 * kibibyte);
    const all = Array.from({ length: 200 }, (_, seed) => blob(10, seed));
    for (const { content, digest } of all) {
      small.put(digest, content);
      small.get(all[0]?.digest ?? digest);
    }
    const left = all.filter(({ digest }) => small.get(digest) !== undefined);
    assert.ok(left.length > 150 && left.length < 200, String(left.length));
    assert.equal(left[0], all[0]);
    assert.equal(left.at(-1), all.at(-1));
  });

  it('keep nothing of what they came in', () => {
    const small = new SmallBlobs();
    const received = Buffer.alloc(512 * kibibyte, 7);
    const part = received.subarray(100, 200);
    const digest = sha256(part);
    small.put(digest, part);
    assert.equal(small.get(digest)?.buffer.byteLength, 100);
    received.fill(0);
    assert.deepEqual(Buffer.from(small.get(digest) ?? []), Buffer.alloc(100, 7));
  });

  it('stay when another process has brought or lost them, of which somebody is told, until they are removed or anything may have changed', () => {
    const told: unknown[] = [];
    const small = new SmallBlobs(undefined, (digest) => told.push(digest));
    const [one, two] = [blob(10, 1), blob(10, 2)];
    for (const { content, digest } of [one, two]) small.put(digest, content);
    small.forget({
      kind: 'manifest',
      repository: repository('docker.io/library/alpine'),
      digest: one.digest,
    });
    assert.deepEqual(told, []);
    for (const { digest } of [one, blob(10, 3)]) small.forget({ kind: 'blob', digest });
    assert.deepEqual(told, [one.digest]);
    assert.notEqual(small.get(one.digest), undefined);
    small.removed(one.digest);
    assert.deepEqual([small.get(one.digest), small.get(two.digest) === undefined], [undefined, false]);
    small.forgetAll();
    assert.equal(small.get(two.digest), undefined);
  });
});
