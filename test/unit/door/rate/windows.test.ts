import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FixedWindow, windowOf } from '#src/door/rate/fixed-window.ts';
import { Limiter } from '#src/door/rate/limiter.ts';
import type { Allowance, RateLimitSettings } from '#src/door/rate/rate-limit.ts';
import { SharedFixedWindow } from '#src/door/rate/shared-window.ts';
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

  it('has the minute of the hour in its key, as others have it that count in the same store', () => {
    const at = (text: string) => windowOf('000000', minute, Date.parse(text)).key;
    assert.equal(at('2026-01-01T10:07:59Z'), '000000|7');
    assert.equal(at('2026-01-01T11:07:00Z'), '000000|7');
    assert.equal(at('2026-01-01T10:08:00Z'), '000000|8');
  });

  it('is counted by INCR and EXPIRE 59 where it is shared', async () => {
    const asked: [string, number][] = [];
    const clock = new FakeClock();
    let count = 0;
    const counts = {
      async increment(key: string, seconds: number) {
        asked.push([key, seconds]);
        return ++count;
      },
      run: async () => assert.fail('no script'),
    };
    const window = new SharedFixedWindow({ ...settings, requests: 1 }, counts, clock);
    assert.equal((await window.count('a')).isOver, false);
    assert.equal((await window.count('a')).isOver, true);
    const key = `a|${Math.floor(clock.now() / minute) % 60}`;
    assert.deepEqual(asked, [
      [key, 59],
      [key, 59],
    ]);
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
      { count },
    );

  it('counts whom it is told to count', () => {
    const counted: string[] = [];
    const count = (client: string) => void counted.push(client);
    const ann = { id: 'ann', address: '2001:db8::1' };
    for (const by of ['client', 'user', 'address'] as const)
      for (const subject of [ann, nobody]) void limiter({ by }, count).take(subject);
    assert.deepEqual(counted, ['ann', '192.0.2.1', 'ann', '2001:db8:0:0::/64', '192.0.2.1']);
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

  it('refuses where too many ask, whatever it is told for when nobody can count', async () => {
    const busy = new Limiter(
      { requests: 15, per: minute, window: 'sliding', by: 'client', onStoreError: 'allow' },
      { count: () => 'busy' },
    );
    const { refusal } = await busy.take(nobody);
    assert.deepEqual([refusal?.status, refusal?.headers], [503, { 'Retry-After': '1' }]);
  });

  it('does as it is told where nobody can count', async () => {
    assert.deepEqual(await limiter().take(nobody), { headers: [], refusal: undefined });
    const { refusal } = await limiter({ onStoreError: 'deny' }).take(nobody);
    assert.deepEqual([refusal?.code, refusal?.status], ['UNAVAILABLE', 503]);
  });
});
