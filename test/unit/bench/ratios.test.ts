import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { median, pairwise, spreadOf } from '../../bench/ratios.ts';

describe('figures of several rounds', () => {
  it('have the median, the least and the most, without rounds that measured nothing', () => {
    assert.deepEqual(spreadOf([3, undefined, 1, Number.NaN, 10]), { median: 3, least: 1, most: 10 });
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.ok(Number.isNaN(spreadOf([undefined]).median));
  });

  it('are compared round by round: a slow round of both is no difference', () => {
    assert.deepEqual(pairwise([100, 10, 80], [50, 5, 40]), [2, 2, 2]);
    // The ratio of the medians would be 1.67.
    assert.equal(spreadOf(pairwise([90, 10, 50], [30, 20, 40])).median, 1.25);
  });

  it('count in no round that one of both has not', () => {
    assert.deepEqual(pairwise([1, undefined, 3], [2, 4]), [0.5, undefined, undefined]);
  });
});
