import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryLimit, memoryPlan } from '#src/app/memory-plan.ts';

const mebibyte = 1024 * 1024;

describe('the memory that this process may use', () => {
  it('is the limit of its container, or what the machine has', () => {
    const total = 8192 * mebibyte;
    assert.equal(memoryLimit(256 * mebibyte, total), 256 * mebibyte);
    // No limit: as cgroup v2 and v1 say it.
    for (const none of [0, 2 ** 64]) assert.equal(memoryLimit(none, total), total);
  });

  it('goes by an eighth to what makes it fast, and never by more than 128 MiB', () => {
    const sum = (limit: number) =>
      Object.values(memoryPlan(limit * mebibyte)).reduce((all: number, one: number) => all + one, 0) /
      mebibyte;
    assert.deepEqual([256, 512, 1024, 65_536].map(sum), [32, 64, 128, 128]);
  });
});
