import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Histogram, histogramText } from '#src/observe/histogram.ts';

describe('a histogram', () => {
  it('counts a value in its own bucket and in all above, bounds included', () => {
    const histogram = new Histogram([0.5, 1, 2]);
    for (const value of [0.25, 0.5, 0.75, 2, 3]) histogram.add(value);
    const text = histogramText(
      { name: 'x_seconds', type: 'histogram', help: 'What it is' },
      new Map([['kind="blob"', histogram]]),
    );
    assert.deepEqual(text.split('\n'), [
      '# HELP ociregistry_x_seconds What it is',
      '# TYPE ociregistry_x_seconds histogram',
      'ociregistry_x_seconds_bucket{le="0.5",kind="blob"} 2',
      'ociregistry_x_seconds_bucket{le="1",kind="blob"} 3',
      'ociregistry_x_seconds_bucket{le="2",kind="blob"} 4',
      'ociregistry_x_seconds_bucket{le="+Inf",kind="blob"} 5',
      'ociregistry_x_seconds_sum{kind="blob"} 6.5',
      'ociregistry_x_seconds_count{kind="blob"} 5',
      '',
    ]);
  });
});
