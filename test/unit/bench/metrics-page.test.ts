import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { loopDelayIn, metricIn, metricsIn } from '../../bench/metrics-page.ts';

const page = `# HELP evicted_total Images
# TYPE evicted_total counter
evicted_total{reason="maxSize"} 12
evicted_total{reason="minFree"} 3
used_bytes 1.5e+9
nodejs_eventloop_lag_p99_seconds 0.0125
nodejs_eventloop_lag_max_seconds 0.25
`;

describe('a page of metrics', () => {
  it('has numbers, by their label and together', () => {
    assert.equal(metricIn(page, 'used_bytes'), 1.5e9);
    assert.equal(metricIn(page, 'evicted_total'), 15);
    assert.deepEqual(metricsIn(page, 'evicted_total'), { maxSize: 12, minFree: 3 });
    assert.deepEqual(loopDelayIn(page), { delayP99: 2.5, delayMost: 240 });
  });

  it('says how late a loop is, and not how often it looks', async () => {
    const histogram = monitorEventLoopDelay({ resolution: 10 });
    histogram.enable();
    while (histogram.count < 5) await setTimeout(10);
    histogram.disable();
    // As long as it waits for the next look it is not late.
    assert.ok(histogram.percentile(50) / 1e6 >= 9, String(histogram.percentile(50)));
    const idle = `nodejs_eventloop_lag_p99_seconds 0.0099\nnodejs_eventloop_lag_max_seconds 0.0104`;
    const { delayP99, delayMost } = loopDelayIn(idle);
    assert.equal(delayP99, 0);
    assert.ok(delayMost < 0.5);
  });

  it('has nothing of what it does not have', () => {
    assert.ok(Number.isNaN(metricIn(page, 'used')));
    assert.ok(Number.isNaN(loopDelayIn('').delayP99));
    assert.deepEqual(metricsIn(page, 'used_bytes'), {});
  });
});
