import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Recurring } from '#src/base/recurring.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { heapHeldBy } from '#test/fakes/held-memory.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

describe('work that is done now and then', () => {
  it('is done first when it is time, then with pauses, sooner when somebody says so, and goes on after a failure', async () => {
    const [clock, log] = [new FakeClock(), new LogLines()];
    let done = 0;
    const work = async (): Promise<void> => {
      done += 1;
      if (done === 2) throw new Error('not this time');
    };
    {
      await using recurring = new Recurring('the work', { firstMs: 1000, pauseMs: 60_000 }, work, {
        clock,
        log,
      });
      await clock.untilPausing();
      assert.equal(done, 0);
      await clock.advance(1000);
      await clock.untilPausing();
      assert.equal(done, 1);
      recurring.soon(500);
      recurring.soon(500);
      await clock.advance(499);
      assert.equal(done, 1);
      await clock.advance(1);
      await clock.untilPausing();
      assert.equal(done, 2);
      assert.match(log.at('error')[0] ?? '', /the work failed.*not this time/s);
      await clock.advance(60_000);
      await clock.untilPausing();
      assert.equal(done, 3);
    }
    assert.equal(clock.sleeping, 0);
  });

  it('is told to end when its owner does, and waited for', async () => {
    const [clock, log] = [new FakeClock(), new LogLines()];
    let isOver = false;
    const begun = Promise.withResolvers<void>();
    const work = async (signal: AbortSignal): Promise<void> => {
      begun.resolve();
      await clock.sleep(1_000_000, signal).finally(() => {
        isOver = true;
      });
    };
    {
      await using _ = new Recurring('the work', { firstMs: 0, pauseMs: 1 }, work, { clock, log });
      await begun.promise;
    }
    assert.deepEqual([isOver, log.lines], [true, []]);
  });

  it('may have pauses of months', async () => {
    const [clock, log] = [new FakeClock(), new LogLines()];
    let done = 0;
    const month = 30 * 86_400_000;
    await using _ = new Recurring(
      'the work',
      { firstMs: month, pauseMs: month },
      async () => {
        done += 1;
      },
      { clock, log },
    );
    for (let day = 0; day < 29; day += 1) {
      await clock.untilPausing();
      await clock.advance(86_400_000);
    }
    assert.equal(done, 0);
    await clock.untilPausing();
    await clock.advance(86_400_000);
    await clock.untilPausing();
    assert.equal(done, 1);
  });

  it('may have another pause each time', async () => {
    const [clock, log] = [new FakeClock(), new LogLines()];
    const pauses = [1000, 5000];
    let done = 0;
    const work = async (): Promise<void> => {
      done += 1;
    };
    const recurrence = { firstMs: 0, pauseMs: () => pauses.shift() ?? 60_000 };
    await using _ = new Recurring('the work', recurrence, work, { clock, log });
    for (const [at, pauseMs] of [1000, 5000].entries()) {
      await clock.untilPausing();
      await clock.advance(pauseMs - 1);
      assert.equal(done, at + 1);
      await clock.advance(1);
    }
    await clock.untilPausing();
    assert.equal(done, 3);
  });

  it('is done at once for who waits for it, once more where it was begun before he came, and no more when it has ended', async () => {
    const [clock, log] = [new FakeClock(), new LogLines()];
    let begun = 0;
    let gate = Promise.withResolvers<void>();
    const work = async (): Promise<void> => {
      begun += 1;
      await gate.promise;
    };
    const recurring = new Recurring('the work', { firstMs: 1000, pauseMs: 60_000 }, work, { clock, log });
    await clock.untilPausing();
    const first = recurring.now();
    const turn = async () => await new Promise((resolve) => setImmediate(resolve));
    await turn();
    assert.equal(begun, 1);
    let isOver = false;
    const second = recurring.now().then(() => {
      isOver = true;
    });
    gate.resolve();
    gate = Promise.withResolvers();
    await first;
    await turn();
    assert.deepEqual([begun, isOver], [2, false]);
    gate.resolve();
    await second;
    await clock.untilPausing();
    await recurring[Symbol.asyncDispose]();
    await recurring.now();
    assert.equal(begun, 2);
  });

  it('remembers none of those who have waited for it', async () => {
    const [clock, log] = [new FakeClock(), new LogLines()];
    await using recurring = new Recurring('the work', { firstMs: 0, pauseMs: 60_000 }, async () => {}, {
      clock,
      log,
    });
    const bytes = await heapHeldBy(5000, async () => {
      await recurring.now();
      await new Promise((resolve) => setImmediate(resolve));
    });
    assert.ok(bytes < 5000 * 200, `${bytes}`);
  });
});
