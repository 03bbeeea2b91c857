import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryPlan } from '#src/app/memory-plan.ts';

const mebibyte = 1024 * 1024;

describe('the memory that this process may use', () => {
  it('goes by a seventh of what Node leaves to what makes it fast, and never by more than 140 MiB', () => {
    const sum = (limit: number) =>
      Object.values(memoryPlan(limit * mebibyte)).reduce((all: number, one: number) => all + one, 0) /
      mebibyte;
    assert.deepEqual([64, 256, 512, 1024, 65_536].map(sum).map(Math.round), [9, 20, 60, 140, 140]);
  });
});
