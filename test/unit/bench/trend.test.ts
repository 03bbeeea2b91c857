import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { trendOf } from '../../bench/trend.ts';

describe('the trend of a series', () => {
  it('is the slope of most of it, whatever a few show that stand out', () => {
    const values = Array.from({ length: 15 }, (_, at) => (at === 4 || at === 11 ? 500 : 10 + 2 * at));
    assert.deepEqual(trendOf(values), { slope: 2, isRising: true });
  });

  it('is no rise where the values are in no order, are the same, or fall', () => {
    assert.equal(trendOf([5, 3, 6, 4, 5, 3, 6, 4, 5, 3]).isRising, false);
    assert.deepEqual(trendOf(Array.from({ length: 10 }, () => 7)), { slope: 0, isRising: false });
    assert.equal(trendOf([9, 8, 7, 6, 5, 4, 3, 2, 1]).isRising, false);
  });
});
