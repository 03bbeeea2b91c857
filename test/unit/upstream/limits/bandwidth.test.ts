import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Bandwidth } from '#src/upstream/limits/bandwidth.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const patient = new AbortController().signal;

/** Takes slices until it is stopped; counts what it got. */
function download(bandwidth: Bandwidth, chunk = bandwidth.slice) {
  const got = { bytes: 0 };
  const stop = new AbortController();
  const done = (async () => {
    for (;;) {
      await bandwidth.take(chunk, stop.signal);
      got.bytes += chunk;
    }
  })().catch(() => undefined);
  const end = async (): Promise<void> => {
    stop.abort();
    await done;
  };
  return { got, end };
}

/** Lets all that is due happen in so many steps of time. */
async function pass(clock: FakeClock, milliseconds: number, step = 10): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += step) await clock.advance(step);
}

describe('a bandwidth', () => {
  it('lets one second’s worth pass at once, and then as much each second', async () => {
    const clock = new FakeClock();
    const { got, end } = download(new Bandwidth(1000, clock));
    await clock.untilSleeping();
    assert.equal(got.bytes, 1000);
    await pass(clock, 500);
    assert.equal(got.bytes, 1500);
    await pass(clock, 1500);
    assert.equal(got.bytes, 3000);
    await end();
  });

  it('saves up no more than that second', async () => {
    const clock = new FakeClock();
    const bandwidth = new Bandwidth(1000, clock);
    await clock.advance(3_600_000);
    const { got, end } = download(bandwidth);
    await clock.untilSleeping();
    assert.equal(got.bytes, 1000);
    await end();
  });

  it('gives all who share it the same', async () => {
    const clock = new FakeClock();
    const bandwidth = new Bandwidth(1000, clock);
    const downloads = [1, 2, 3, 4].map(() => download(bandwidth));
    await clock.untilSleeping();
    await pass(clock, 9000);
    assert.deepEqual(
      downloads.map(({ got }) => got.bytes),
      [2500, 2500, 2500, 2500],
    );
    for (const { end } of downloads) await end();
  });

  it('has one timer at a time, of ten milliseconds at the least', async () => {
    const clock = new FakeClock();
    const bandwidth = new Bandwidth(1_000_000_000, clock);
    const downloads = Array.from({ length: 20 }, () => download(bandwidth, 65_536));
    await clock.untilSleeping();
    await clock.advance(0);
    const before = downloads.reduce((sum, { got }) => sum + got.bytes, 0);
    await clock.advance(9);
    assert.equal(clock.sleeping, 1);
    assert.equal(
      downloads.reduce((sum, { got }) => sum + got.bytes, 0),
      before,
    );
    for (const { end } of downloads) await end();
  });

  it('gives nothing to who has left, whether at the head of those who wait or behind', async () => {
    const clock = new FakeClock();
    const bandwidth = new Bandwidth(1000, clock);
    for (let slice = 0; slice < 10; slice += 1) await bandwidth.take(100, patient);
    const [head, second] = [new AbortController(), new AbortController()];
    const leaving = [bandwidth.take(100, head.signal), bandwidth.take(100, second.signal)];
    let isServed = false;
    const third = bandwidth.take(100, patient).then(() => {
      isServed = true;
    });
    await clock.untilSleeping();
    second.abort(new Error('second left'));
    head.abort(new Error('head left'));
    await assert.rejects(leaving[0] ?? third, /head left/);
    await assert.rejects(leaving[1] ?? third, /second left/);
    await clock.untilSleeping();
    assert.equal(isServed, false);
    await clock.advance(100);
    await third;
  });

  it('is not exceeded by more than a second’s worth, however it is asked', async () => {
    const chunk = fc.integer({ min: 1, max: 100 });
    const turns = fc.array(fc.tuple(chunk, fc.integer({ min: 0, max: 700 })), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(turns, async (list) => {
        const clock = new FakeClock();
        const bandwidth = new Bandwidth(1000, clock);
        const begin = clock.now();
        const end = new AbortController();
        let passed = 0;
        for (const [bytes, milliseconds] of list) {
          bandwidth.take(bytes, end.signal).then(
            () => {
              passed += bytes;
            },
            () => undefined,
          );
          await clock.advance(milliseconds);
          assert.ok(passed <= 1000 + (clock.now() - begin) + 1);
        }
        end.abort();
      }),
      { numRuns: 50 },
    );
  });

  it('keeps what it has when the clock is set back', async () => {
    const clock = new FakeClock();
    const bandwidth = new Bandwidth(1000, clock);
    await bandwidth.take(100, patient);
    await clock.advance(-5000);
    await bandwidth.take(100, patient);
    assert.equal(clock.sleeping, 0);
  });

  it('is left as it is by who had gone before', async () => {
    const clock = new FakeClock();
    const bandwidth = new Bandwidth(1000, clock);
    await assert.rejects(bandwidth.take(100, AbortSignal.abort(new Error('gone'))), /gone/);
    const { got, end } = download(bandwidth);
    await clock.untilSleeping();
    assert.equal(got.bytes, 1000);
    await end();
  });
});
