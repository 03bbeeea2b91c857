import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { aims } from '../../bench/aims.ts';
import type { FigureKey } from '../../bench/figures.ts';
import type { Measurement } from '../../bench/measurement.ts';
import { add, emptyRun, type Run } from '../../bench/recorded-run.ts';
import { report } from '../../bench/report.ts';
import { verdictsOn } from '../../bench/verdicts.ts';

/** A figure of each, round by round. */
function run(
  figure: FigureKey,
  all: Readonly<Record<string, readonly (number | Measurement)[]>>,
  into = emptyRun(false),
): Run {
  for (const [name, series] of Object.entries(all))
    for (const [round, one] of series.entries())
      add(into, name, round, { [figure]: typeof one === 'number' ? { value: one } : one });
  return into;
}

function verdicts(of: Run, key: FigureKey) {
  return verdictsOn(of, key, 'ociregistry').map(({ against, reached, distance, isUnderFloor }) => ({
    against,
    reached,
    distance,
    isUnderFloor,
  }));
}

describe('an aim', () => {
  it('is judged by the peer that is best, and nobody else counts', () => {
    const all = run('imageWarm', { ociregistry: [500], distribution: [100], zot: [400], before: [5000] });
    assert.deepEqual(verdicts(all, 'imageWarm'), [
      { against: 'zot', reached: 1.25, distance: 0.5, isUnderFloor: true },
    ]);
  });

  it('is not judged where nobody of those takes part that it is against', () => {
    assert.deepEqual(verdicts(run('imageWarm', { ociregistry: [500], before: [5000] }), 'imageWarm'), []);
  });

  it('that must be met in each round is judged by the worst of them', () => {
    const all = run('coldBlob', { ociregistry: [300, 200, 400], distribution: [200, 250, 200] });
    assert.deepEqual(verdicts(all, 'coldBlob'), [
      { against: 'distribution', reached: 0.8, distance: 0.8, isUnderFloor: false },
    ]);
  });

  it('of a most is the further away the more there is; nothing, where nothing may be, is right', () => {
    assert.equal(verdicts(run('loopP99', { ociregistry: [40] }), 'loopP99')[0]?.distance, 0.5);
    assert.equal(verdicts(run('lost', { ociregistry: [0] }), 'lost')[0]?.distance, 1);
    assert.equal(verdicts(run('lost', { ociregistry: [3] }), 'lost')[0]?.distance, 0);
  });

  it('can be one of processor time, in an operation or beside the driver', () => {
    const of = (user: number, share: number) => ({ value: 1, user, system: 1, share });
    const all = run('imageCold', { ociregistry: [of(8, 9)], distribution: [of(3, 4)] });
    assert.ok(verdicts(all, 'imageCold').some(({ reached, distance }) => reached === 9 && distance === 0.5));
    const large = run('coldBlob', { ociregistry: [of(8, 9)], distribution: [of(3, 4)] });
    assert.ok(verdicts(large, 'coldBlob').some(({ reached }) => reached === 9 / 4));
  });

  it('says what is wanted at least or at most, and a floor below it', () => {
    for (const { figure, atLeast, atMost, floor = 0 } of aims) {
      assert.notEqual(atLeast === undefined, atMost === undefined, figure);
      assert.ok(floor < (atLeast ?? 1), figure);
    }
  });
});

describe('the report', () => {
  const all = emptyRun(false);
  run('settling', { ociregistry: [20] }, all);
  run('manifestGet', { ociregistry: [900, 1000, 1100], distribution: [100, 100, 100] }, all);
  run('imageWarm', { ociregistry: [100, 200], distribution: [100, 100] }, all);
  run('memory', { ociregistry: [190] }, all);
  const text = report(all, ['ociregistry', 'distribution']);
  const order = text.split('\n\n').map((paragraph) => paragraph.split('\n', 1)[0]);

  it('begins with what is furthest from its aim, and ends with what has none', () => {
    assert.deepEqual(order, [
      'small images, cached, settled (images/s)',
      'memory after the run (MiB)',
      'manifest GET by tag, cached (1/s)',
      'small images, cold and asked for again, until it has settled (ms)',
    ]);
  });

  it('says what was missed, and shows medians with the least and the most', () => {
    assert.match(text, /MISSED: 1\.5 × distribution, wanted ≥ 2\.5/);
    assert.match(text, /reached: 190 MiB, wanted ≤ 200/);
    assert.match(text, /ociregistry +1,000 \(900–1,100\)/);
    assert.match(text, /distribution +100 .* 10 \(9–11\)/);
  });
});
