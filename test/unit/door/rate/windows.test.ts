import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FixedWindow } from '#src/door/rate/fixed-window.ts';
import { Limiter } from '#src/door/rate/limiter.ts';
import type { Allowance, RateLimitSettings } from '#src/door/rate/rate-limit.ts';
import { type LimitPlace, SharedFixedWindow } from '#src/door/rate/shared-window.ts';
import { SlidingWindow } from '#src/door/rate/sliding-window.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const settings = { requests: 15, per: 60_000 };
const minute = 60_000;

function times(count: number, take: () => Allowance): boolean[] {
  return Array.from({ length: count }, () => take().isOver);
}

describe('a fixed window', () => {
  it('lets the fifteen of its minute through and refuses the sixteenth, until the minute turns', async () => {
    const clock = new FakeClock();
    await clock.advance(minute - (clock.now() % minute) + 1000);
    const window = new FixedWindow(settings, clock);
    assert.deepEqual(
      times(16, () => window.count('a')),
      [...Array.from({ length: 15 }, () => false), true],
    );
    assert.equal(window.count('b').isOver, false);
    const { remaining, resetMs } = window.count('a');
    assert.deepEqual([remaining, resetMs], [0, 59_000]);
    await clock.advance(59_000);
    assert.deepEqual(window.count('a'), { isOver: false, remaining: 14, resetMs: minute });
  });

  it('says whether one more is one too many, and counts nothing by it', async () => {
    const clock = new FakeClock();
    const windows = [new FixedWindow(settings, clock), new SlidingWindow(settings, clock)];
    for (const window of windows) {
      for (let time = 0; time < 15; time += 1) {
        for (let look = 0; look < 3; look += 1) assert.equal(window.isOver('a'), false);
        assert.equal(window.count('a').isOver, false);
      }
      assert.deepEqual([window.isOver('a'), window.isOver('b')], [true, false]);
    }
    await clock.advance(2 * minute);
    for (const window of windows) assert.equal(window.isOver('a'), false);
  });
});

describe('a fixed window that is shared', () => {
  /** What one limit asks of the store, which counts by the key. */
  function shared(per: number, place: LimitPlace | 'joined', stored = new Map<string, number>()) {
    const asked: [string, number][] = [];
    const clock = new FakeClock();
    const counts = {
      async increment(key: string, seconds: number) {
        asked.push([key, seconds]);
        stored.set(key, (stored.get(key) ?? 0) + 1);
        return stored.get(key) ?? 0;
      },
      read: async (key: string) => stored.get(key) ?? 0,
      run: async () => assert.fail('no script'),
    };
    const window = new SharedFixedWindow({ requests: 1, per }, counts, { clock, place });
    return { window, clock, asked };
  }

  it('of a minute has the minute of the hour in its key, and EXPIRE 59, as others have it that count in the same store', async () => {
    const { window, clock, asked } = shared(minute, 'joined');
    assert.equal((await window.count('000000')).isOver, false);
    assert.equal((await window.count('000000')).isOver, true);
    assert.deepEqual([await window.isOver('000000'), await window.isOver('000001')], [true, false]);
    const at = Math.floor(clock.now() / minute) % 60;
    await clock.advance(minute);
    assert.equal((await window.count('000000')).isOver, false);
    assert.deepEqual(asked, [
      [`000000|${at}`, 59],
      [`000000|${at}`, 59],
      [`000000|${(at + 1) % 60}`, 59],
    ]);
  });

  for (const per of [1000, 31 * minute, 60 * minute, 24 * 60 * minute])
    it(`of ${per / 1000} seconds turns, though the store never forgets, and is kept as long as it lasts`, async () => {
      const { window, clock, asked } = shared(per, 'port');
      for (let time = 0; time < 100; time += 1) {
        assert.equal((await window.count('a')).isOver, false);
        await clock.advance(per);
      }
      assert.ok(asked.every(([, seconds]) => seconds * 1000 >= per));
    });

  it('of a listener does not count with the one of all', async () => {
    const stored = new Map<string, number>();
    for (const place of ['joined', 'port', 0, 1] as const)
      assert.equal((await shared(minute, place, stored).window.count('a')).isOver, false);
  });
});

describe('a sliding window', () => {
  it('never has more than its limit in any stretch of its length, and no less than that for whoever waits', async () => {
    const gaps = fc.array(fc.constantFrom(0, 1, 300, 999, 1000, 4000, 29_999, 60_000, 61_000), {
      minLength: 30,
      maxLength: 80,
    });
    await fc.assert(
      fc.asyncProperty(gaps, async (some) => {
        const clock = new FakeClock();
        const window = new SlidingWindow({ requests: 5, per: minute }, clock);
        const through: number[] = [];
        for (const gap of some) {
          await clock.advance(gap);
          const now = clock.monotonic();
          const { isOver, resetMs } = window.count('a');
          const inWindow = through.filter((at) => at > now - minute).length;
          if (!isOver) assert.ok(inWindow < 5, `${inWindow} and one more`);
          // A sixtieth of the window counts twice.
          else assert.ok(through.filter((at) => at > now - minute - minute / 60).length >= 5);
          if (isOver) assert.ok(resetMs > 0 && resetMs <= minute + minute / 60, String(resetMs));
          if (!isOver) through.push(now);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('lets through again what it says it will, when it says so', async () => {
    const clock = new FakeClock();
    const window = new SlidingWindow({ requests: 2, per: minute }, clock);
    window.count('a');
    await clock.advance(10_000);
    window.count('a');
    const { isOver, resetMs } = window.count('a');
    assert.equal(isOver, true);
    await clock.advance(resetMs - 1);
    assert.equal(window.count('a').isOver, true);
    await clock.advance(1);
    assert.equal(window.count('a').isOver, false);
    assert.equal(window.count('a').isOver, true);
  });

  it('does not count what it refuses', async () => {
    const clock = new FakeClock();
    const window = new SlidingWindow({ requests: 1, per: minute }, clock);
    window.count('a');
    for (let second = 0; second < 61; second += 1) {
      await clock.advance(1000);
      if (!window.count('a').isOver) return;
    }
    assert.fail('whoever goes on asking is never let through');
  });
});

describe('a limiter', () => {
  const nobody = { id: undefined, address: '192.0.2.1' };
  const limiter = (
    more: Partial<RateLimitSettings> = {},
    count = (_: string): Allowance | undefined => undefined,
  ) =>
    new Limiter(
      { requests: 15, per: minute, window: 'sliding', by: 'client', onStoreError: 'allow', ...more },
      { count, isOver: (client) => count(client)?.isOver },
    );

  it('counts whom it is told to count', () => {
    const counted: string[] = [];
    const count = (client: string) => void counted.push(client);
    const ann = { id: 'ann', address: '2001:db8::1' };
    for (const by of ['client', 'user', 'address'] as const)
      for (const subject of [ann, nobody]) void limiter({ by }, count).take(subject);
    assert.deepEqual(counted, ['ann', '192.0.2.1', 'ann', '2001:db8:0:0::/64', '192.0.2.1']);
    // Nobody counts him.
    assert.deepEqual(limiter({ by: 'user' }, count).take(nobody), { headers: [], refusal: undefined });
  });

  it('says how much is left in every answer, and when there is more to whoever has none', async () => {
    const some = limiter({}, () => ({ isOver: false, remaining: 3, resetMs: 12_001 }));
    assert.deepEqual(await some.take(nobody), {
      headers: ['RateLimit-Limit', '15;w=60', 'RateLimit-Remaining', '3;w=60', 'RateLimit-Reset', '13'],
      refusal: undefined,
    });
    const none = limiter({}, () => ({ isOver: true, remaining: 0, resetMs: 5 }));
    const { refusal } = await none.take(nobody);
    assert.deepEqual(
      [refusal?.code, refusal?.status, refusal?.headers],
      ['TOOMANYREQUESTS', 429, { 'Retry-After': '1' }],
    );
  });

  it('refuses where nobody can count', async () => {
    const { refusal, headers } = await limiter().take(nobody);
    assert.deepEqual([refusal?.code, refusal?.status, headers], ['UNAVAILABLE', 503, []]);
    assert.deepEqual(refusal?.headers, { 'Retry-After': '1' });
    assert.throws(() => limiter().check(nobody), { status: 503 });
  });

  it('refuses before anything is counted where one more would be one too many', () => {
    const over = limiter({}, () => ({ isOver: true, remaining: 0, resetMs: 5 }));
    assert.throws(() => over.check(nobody), { status: 429, headers: { 'Retry-After': '1' } });
    const some = limiter({}, () => ({ isOver: false, remaining: 1, resetMs: 5 }));
    assert.equal(some.check(nobody), undefined);
    assert.equal(limiter({ by: 'user' }).check(nobody), undefined);
  });
});
