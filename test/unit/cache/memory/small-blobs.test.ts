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

  it('are looked for again when another process has brought or lost them, and for no other change', () => {
    const small = new SmallBlobs();
    const [one, two] = [blob(10, 1), blob(10, 2)];
    for (const { content, digest } of [one, two]) small.put(digest, content);
    small.forget({
      kind: 'manifest',
      repository: repository('docker.io/library/alpine'),
      digest: one.digest,
    });
    assert.notEqual(small.get(one.digest), undefined);
    small.forget({ kind: 'blob', digest: one.digest });
    assert.deepEqual([small.get(one.digest), small.get(two.digest) === undefined], [undefined, false]);
    small.forgetAll();
    assert.equal(small.get(two.digest), undefined);
  });
});
