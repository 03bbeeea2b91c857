import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Pace } from '#src/cache/fills/pace.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

/** Enough for ten seconds at the least rate. Bytes. */
const enough = 8 * 1024 * 10;

function watched() {
  const clock = new FakeClock();
  const slow: { at: number; times: number }[] = [];
  const begun = clock.monotonic();
  const pace = new Pace(clock, (times) => slow.push({ at: clock.monotonic() - begun, times }));
  /** Of these seconds each brings so many bytes, for which we wait. */
  const seconds = async (count: number, bytesEach: number): Promise<void> => {
    for (let second = 0; second < count; second += 1) {
      await clock.advance(1000);
      if (bytesEach === 0) continue;
      pace.arrived(bytesEach);
      pace.waits();
    }
  };
  return { clock, pace, slow, seconds };
}

describe('the pace of a transfer', () => {
  it('is slow when ten seconds have brought less than the least rate, then twenty, and so on', async () => {
    const { pace, slow, seconds } = watched();
    using _ = pace;
    pace.begin();
    await seconds(400, 1000);
    assert.deepEqual(
      slow.map(({ at, times }) => [at / 1000, times]),
      [10, 30, 70, 150, 270, 390].map((at, index) => [at, index + 1]),
    );
  });

  it('is slow ten seconds after the last bytes, however fast they came', async () => {
    const { pace, slow, seconds } = watched();
    using _ = pace;
    pace.begin();
    await seconds(9, 50_000_000);
    await seconds(9, 0);
    assert.deepEqual(slow, []);
    await seconds(2, 0);
    assert.deepEqual(slow.length, 1);
  });

  it('is never slow above the least rate, and once it was reached begins anew', async () => {
    const { pace, slow, seconds } = watched();
    using _ = pace;
    pace.begin();
    await seconds(60, enough / 8);
    assert.deepEqual(slow, []);
    await seconds(10, 10);
    await seconds(1, 10 * enough);
    await seconds(10, 10);
    assert.deepEqual(
      slow.map(({ times }) => times),
      [1, 1],
    );
  });

  it('is judged less often, though now and then a window is good, until the bytes come well', async () => {
    const { pace, slow, seconds } = watched();
    using _ = pace;
    pace.begin();
    for (let burst = 0; burst < 30; burst += 1) {
      await seconds(11, 0);
      pace.arrived(120_000);
      pace.waits();
    }
    assert.deepEqual(
      slow.map(({ at }) => at / 1000),
      [10, 42],
    );
  });

  it('takes no time while nothing is waited for', async () => {
    const { clock, pace, slow } = watched();
    using _ = pace;
    pace.begin();
    pace.arrived(10);
    for (let minute = 0; minute < 10; minute += 1) await clock.advance(60_000);
    assert.deepEqual(slow, []);
    pace.waits();
    await clock.advance(9000);
    pace.rest();
    for (let minute = 0; minute < 10; minute += 1) await clock.advance(60_000);
    assert.deepEqual(slow, []);
  });

  it('takes no time while our own limits hold it up', async () => {
    const { clock, pace, slow } = watched();
    using _ = pace;
    let heldUpMs = 0;
    pace.begin(() => heldUpMs);
    for (let second = 0; second < 60; second += 1) {
      heldUpMs += 1000;
      await clock.advance(1000);
    }
    assert.deepEqual(slow, []);
    for (let second = 0; second < 11; second += 1) await clock.advance(1000);
    assert.equal(slow.length, 1);
  });

  it('leaves no timer', () => {
    const { clock, pace } = watched();
    pace.begin();
    pace[Symbol.dispose]();
    assert.equal(clock.sleeping, 0);
  });

  it('is not judged by a look that comes late: what came while we did not run is not read yet', async () => {
    const { clock, pace, slow } = watched();
    using _ = pace;
    pace.begin();
    await clock.advance(15_000);
    pace.arrived(enough);
    pace.waits();
    await clock.advance(1000);
    assert.deepEqual(slow, []);
  });
});
