import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { algorithmOf, DigestHasher, digestAside, digestLike, hexOf, sha256 } from '#src/oci/digest.ts';
import { Fault } from '#src/oci/fault.ts';
import { parseDigest } from '#src/oci/reference.ts';

const algorithm = fc.constantFrom('sha256', 'sha512');

function digestOf(name: string, bytes: Uint8Array) {
  return parseDigest(`${name}:${createHash(name).update(bytes).digest('hex')}`);
}

describe('a digest', () => {
  it('is its algorithm and the bytes’ hash by it', () => {
    fc.assert(
      fc.property(algorithm, fc.uint8Array(), (name, bytes) => {
        const digest = digestOf(name, bytes);
        assert.equal(`${algorithmOf(digest)}:${hexOf(digest)}`, digest);
        assert.equal(digestLike(digest, bytes), digest);
        assert.equal(sha256(bytes), digestLike(sha256(Buffer.alloc(0)), bytes));
      }),
    );
  });

  it('is the same whoever hashes the bytes', async () => {
    for (const name of ['sha256', 'sha512']) {
      for (const size of [0, 10, 256 * 1024, 256 * 1024 + 1, 1_000_000]) {
        const part = Buffer.alloc(size + 7, name).subarray(7);
        assert.equal(await digestAside(name, part), digestOf(name, part));
      }
    }
  });

  it('is the same however the bytes are cut', () => {
    fc.assert(
      fc.property(algorithm, fc.array(fc.uint8Array()), (name, chunks) => {
        const whole = Buffer.concat(chunks);
        const hasher = new DigestHasher(digestOf(name, whole));
        for (const chunk of chunks) hasher.update(chunk);
        const { digest, size } = hasher.verify();
        assert.deepEqual([digest, size], [digestOf(name, whole), whole.length]);
      }),
    );
  });

  it('of other bytes is a fault that says which came, and not from whom', () => {
    fc.assert(
      fc.property(algorithm, fc.uint8Array(), fc.uint8Array(), (name, wanted, sent) => {
        if (Buffer.from(wanted).equals(sent)) return;
        const hasher = new DigestHasher(digestOf(name, wanted));
        hasher.update(sent);
        assert.throws(
          () => hasher.verify(),
          new Fault(`wrong bytes: want ${digestOf(name, wanted)}, got ${digestOf(name, sent)}`),
        );
      }),
    );
  });
});
