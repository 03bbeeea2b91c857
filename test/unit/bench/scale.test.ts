import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dimensions } from '../../bench/scale/dimensions.ts';
import { scalePage } from '../../bench/scale/scale-page.ts';
import { plotOf } from '../../bench/scale/scale-plot.ts';

const points = [1024, 1024 ** 2, 4 * 1024 ** 3].map((at, index) => ({
  at,
  values: {
    coldMs: 2 * 100 ** index,
    firstByteMs: 2,
    cachedMs: 1,
    cpu: 1 + index,
    residentMiB: 150,
    descriptors: 40,
  },
}));
const blob = dimensions['blob'];
assert.ok(blob !== undefined);

/** Of the marks in the panel of a series. */
function marks(svg: string, title: string): { x: number; y: number }[] {
  const panel = svg.split('<g ').find((part) => part.includes(`>${title}<`)) ?? '';
  return [...panel.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => ({
    x: Number(x),
    y: Number(y),
  }));
}

describe('the plot of a dimension', () => {
  const svg = plotOf(blob, points);

  it('has a mark for each point, from left to right, more above less', () => {
    const cold = marks(svg, 'cold, median (ms)');
    assert.equal(cold.length, 3);
    assert.deepEqual(
      cold.map(({ x }) => x).toSorted((one, other) => one - other),
      cold.map(({ x }) => x),
    );
    const heights = cold.map(({ y }) => y);
    assert.deepEqual(
      heights.toSorted((one, other) => other - one),
      heights,
    );
  });

  it('draws what stays the same as a level line, above nothing', () => {
    const level = marks(svg, 'memory, most (MiB)').map(({ y }) => y);
    assert.equal(new Set(level).size, 1);
    assert.ok(Number(level[0]) < 150);
  });

  it('draws equal ratios as equal steps where values differ by much', () => {
    const [first, second, third] = marks(svg, 'cold, median (ms)').map(({ y }) => y);
    assert.ok(Math.abs(Number(first) - Number(second) - (Number(second) - Number(third))) < 1);
  });

  it('leaves out what was not measured', () => {
    assert.deepEqual(marks(svg, 'delay of the event loop, p99 (ms)'), []);
    assert.doesNotMatch(svg, /NaN|Infinity/);
  });
});

describe('the page about cost as work grows', () => {
  it('has a part for each dimension that was measured, with a row for each point', () => {
    const page = scalePage({ blob: { date: '2026-11-28T10:00:00Z', machine: 'a machine', points } }, 'scale');
    assert.match(page, /^## Size of a blob$/m);
    assert.match(page, /!\[.*\]\(scale\/blob\.svg\)/);
    assert.match(page, /^\| 4 GiB \| 20,000 \| 2 \| 1 \| 3 \| 150 \| 40 \| – \|$/m);
    assert.doesNotMatch(page, /^## Clients$/m);
  });
});
