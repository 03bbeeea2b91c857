import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { walk } from '#src/base/walk.ts';

describe('a walk', () => {
  it('reads each page behind the last of the one before, to the one that is not full', async () => {
    const asked: unknown[] = [];
    const read = async (after: number | undefined, limit: number): Promise<number[]> => {
      asked.push(after);
      const first = (after ?? -1) + 1;
      return Array.from({ length: Math.min(limit, 7 - first) }, (_, at) => first + at);
    };
    const pages = await Array.fromAsync(walk(read, { monotonic: () => 0 }, 3));
    assert.deepEqual(pages, [[0, 1, 2], [3, 4, 5], [6]]);
    assert.deepEqual(asked, [undefined, 2, 5]);
    const full = await Array.fromAsync(walk(async () => [], { monotonic: () => 0 }, 3));
    assert.deepEqual(full, [[]]);
  });

  it('lets others have their turn, though nobody waits for anything between its pages', async () => {
    let now = 0;
    let pages = 0;
    let others = 0;
    let isOver = false;
    const turn = (): void => {
      others += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    const read = async (): Promise<number[]> => {
      pages += 1;
      return pages < 100 ? [1] : [];
    };
    // What is done with a page takes a millisecond.
    for await (const _ of walk(read, { monotonic: () => now }, 1)) now += 1;
    isOver = true;
    assert.ok(others >= 15, `${others}`);
  });
});
