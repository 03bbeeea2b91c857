import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lookupThreads, setUpThreadPool } from '#src/process/thread-pool.ts';

describe('the threads of the process', () => {
  it('are as many as the operator says, and eight otherwise', () => {
    const own: Record<string, string | undefined> = {};
    setUpThreadPool(own);
    assert.equal(own['UV_THREADPOOL_SIZE'], '8');
    const said = { UV_THREADPOOL_SIZE: '32' };
    setUpThreadPool(said);
    assert.equal(said.UV_THREADPOOL_SIZE, '32');
  });

  it('are for names to less than a half, and one at least', () => {
    const rows: [threads: string | undefined, names: number][] = [
      [undefined, 1],
      ['8', 3],
      ['4', 1],
      ['7', 3],
      ['1', 1],
      ['0', 1],
      ['many', 1],
      ['64', 31],
    ];
    for (const [threads, names] of rows)
      assert.equal(lookupThreads({ UV_THREADPOOL_SIZE: threads }), names, threads);
  });
});
