import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freeChunks } from '#src/base/free-chunks.ts';

describe('chunks of a body that were used', () => {
  it('give their memory back at once, but none that is not their own', () => {
    const [own, shared] = [Buffer.from(new ArrayBuffer(100)), Buffer.alloc(100).subarray(1)];
    freeChunks([own, shared]);
    assert.deepEqual([own.length, shared.length], [0, 99]);
    // Nothing is left to give back of what was.
    freeChunks([own, shared]);
  });
});
