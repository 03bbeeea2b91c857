import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryLimit, memoryShare } from '#src/base/memory-limit.ts';

const mebibyte = 1024 * 1024;

describe('the memory that this process may use', () => {
  it('is the limit of its container, or what the machine has', () => {
    const total = 8192 * mebibyte;
    assert.equal(memoryLimit(256 * mebibyte, total), 256 * mebibyte);
    // No limit: as cgroup v2 and v1 say it.
    for (const none of [0, 2 ** 64]) assert.equal(memoryLimit(none, total), total);
  });

  it('is shared out as far as the program does not take it idle, and nobody has more than he wants', () => {
    const shares = [64, 128, 240, 576, 1024, 65_536].map((limit) =>
      memoryShare(64 * mebibyte, limit * mebibyte),
    );
    assert.deepEqual(
      shares,
      [4, 4, 8, 32, 64, 64].map((share) => share * mebibyte),
    );
  });
});
