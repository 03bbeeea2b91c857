import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { release } from '#src/base/release.ts';

const large = 100_000;

describe('bytes that nobody has any more', () => {
  it('give their memory back', () => {
    const bytes = Buffer.concat([Buffer.alloc(large, 'a')]);
    release(bytes);
    assert.equal(bytes.length, 0);
  });

  it('keep what is not theirs alone: a part of another buffer, of a pool, or of memory that threads share', () => {
    const whole = Buffer.alloc(large + 1, 'a');
    const pooled = Buffer.from('abc');
    const shared = new Uint8Array(new SharedArrayBuffer(large));
    for (const bytes of [whole.subarray(1), pooled, shared]) release(bytes);
    assert.deepEqual([whole.length, pooled.toString(), shared.length], [large + 1, 'abc', large]);
  });
});
