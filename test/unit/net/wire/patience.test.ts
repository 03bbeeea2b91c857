import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Patience } from '#src/net/wire/patience.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const origin = 'https://registry.example';

function patienceOf(clock = new FakeClock(), mostMs = Number.POSITIVE_INFINITY): Patience {
  return new Patience({ clock, leastMs: 5000, mostMs });
}

describe('patience with a connection that was used before', () => {
  it('is twice what the upstream was seen to take, and no less than at first', () => {
    const patience = patienceOf();
    assert.equal(patience.with(origin), 5000);
    for (const [ms, expected] of [
      [100, 5000],
      [10_000, 20_000],
      [3000, 20_000],
      [12_000, 24_000],
    ] as const) {
      patience.answered(origin, ms);
      assert.equal(patience.with(origin), expected);
    }
  });

  it('is as at first when nothing was slow for ten minutes', async () => {
    const clock = new FakeClock();
    const patience = patienceOf(clock);
    patience.answered(origin, 10_000);
    await clock.advance(600_000);
    assert.equal(patience.with(origin), 20_000);
    await clock.advance(1);
    assert.equal(patience.with(origin), 5000);
    patience.answered(origin, 4000);
    assert.equal(patience.with(origin), 8000);
  });

  it('is over with all that were not heard of since one was silent', () => {
    const patience = patienceOf();
    assert.ok(patience.trusts(0));
    patience.wasSilentSince(70);
    patience.wasSilentSince(60);
    assert.deepEqual(
      [60, 70, 71].map((at) => patience.trusts(at)),
      [false, false, true],
    );
  });

  it('has an end before a try has, however slow an upstream was, and is with each origin another', () => {
    const patience = patienceOf(new FakeClock(), 7000);
    patience.answered(origin, 6500);
    assert.deepEqual([patience.with(origin), patience.with('https://storage.example')], [7000, 5000]);
    assert.equal(patienceOf(new FakeClock(), 700).with(origin), 700);
  });

  it('has learnt of a connection that was given up for the time of its try, not of one that was left at once', async () => {
    const clock = new FakeClock();
    const patience = patienceOf(clock);
    const sentAt = clock.monotonic();
    await clock.advance(4999);
    patience.gaveUp(sentAt);
    assert.ok(patience.trusts(sentAt));
    await clock.advance(1);
    patience.gaveUp(sentAt);
    assert.ok(!patience.trusts(sentAt));
  });
});
