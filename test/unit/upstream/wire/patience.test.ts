import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Patience } from '#src/upstream/wire/patience.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

describe('patience with a connection that was used before', () => {
  it('is twice what the upstream was seen to take, and no less than at first', () => {
    const patience = new Patience(new FakeClock(), 5000);
    assert.equal(patience.milliseconds, 5000);
    for (const [ms, expected] of [
      [100, 5000],
      [10_000, 20_000],
      [3000, 20_000],
      [12_000, 24_000],
    ] as const) {
      patience.answered(ms);
      assert.equal(patience.milliseconds, expected);
    }
  });

  it('is as at first when nothing was slow for ten minutes', async () => {
    const clock = new FakeClock();
    const patience = new Patience(clock, 5000);
    patience.answered(10_000);
    await clock.advance(600_000);
    assert.equal(patience.milliseconds, 20_000);
    await clock.advance(1);
    assert.equal(patience.milliseconds, 5000);
    patience.answered(4000);
    assert.equal(patience.milliseconds, 8000);
  });

  it('is over with all that were not heard of since one was silent', () => {
    const patience = new Patience(new FakeClock(), 5000);
    assert.ok(patience.trusts(0));
    patience.wasSilentSince(70);
    patience.wasSilentSince(60);
    assert.deepEqual(
      [60, 70, 71].map((at) => patience.trusts(at)),
      [false, false, true],
    );
  });
});
