import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FixedWindow } from '#src/door/rate/fixed-window.ts';
import type { Allowance, Counter } from '#src/door/rate/rate-limit.ts';
import { ReachableCounter } from '#src/door/rate/reachable-counter.ts';
import { SlidingWindow } from '#src/door/rate/sliding-window.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { secret } from '#test/fakes/secrets.ts';

const allowance: Allowance = { isOver: false, remaining: 1, resetMs: 1 };

function made(meanwhile?: Counter) {
  const state = { answer: async (): Promise<Allowance> => allowance, asked: 0 };
  const clock = new FakeClock();
  const log = new LogLines();
  const count = async (): Promise<Allowance> => {
    state.asked += 1;
    return await state.answer();
  };
  const isOver = async (): Promise<boolean> => (await count()).isOver;
  return { state, clock, log, counter: new ReachableCounter({ count, isOver }, { clock, log, meanwhile }) };
}

const refused = async (): Promise<never> =>
  await Promise.reject(Object.assign(new Error('x'), { code: 'ECONNREFUSED' }));
const never = async (): Promise<never> => await new Promise(() => {});

describe('a counter that somebody else has', () => {
  it('is told of once when it is away and once when it is back, and is not asked by everybody meanwhile', async () => {
    const { state, clock, log, counter } = made();
    assert.equal(await counter.count('a'), allowance);
    state.answer = async () =>
      await Promise.reject(
        Object.assign(new Error(`redis://x:${secret('its password')}@redis`), { code: 'ECONNREFUSED' }),
      );
    for (let time = 0; time < 100; time += 1) assert.equal(await counter.count('a'), undefined);
    // The third in a row.
    assert.equal(state.asked, 4);
    await clock.advance(1000);
    for (let time = 0; time < 10; time += 1) assert.equal(await counter.count('a'), undefined);
    assert.equal(state.asked, 5);
    state.answer = async () => allowance;
    await clock.advance(1000);
    assert.equal(await counter.count('a'), allowance);
    assert.equal(await counter.count('a'), allowance);
    assert.deepEqual(
      log.lines.map((line) => line.split(' ', 1)[0]),
      ['error', 'warn'],
    );
    assert.match(log.lines[0] ?? '', /ECONNREFUSED/);
  });

  it('is away for a reason that is told, and without the text that may have a secret', async () => {
    const password = secret('its password');
    const late = async (): Promise<never> => await new Promise(() => {});
    class SimpleError extends Error {}
    class ConnectionTimeoutError extends Error {}
    const of = (error: Error) => async (): Promise<never> => await Promise.reject(error);
    for (const [reason, answer] of [
      ['NOAUTH', of(new SimpleError(`NOAUTH Authentication required, not ${password}`))],
      ['WRONGPASS', of(new SimpleError('WRONGPASS invalid username-password pair'))],
      ['SimpleError', of(new SimpleError(`${password} WRONGPASS`))],
      ['ConnectionTimeoutError', of(new ConnectionTimeoutError(`redis://x:${password}@redis`))],
      ['LateAnswer', late],
    ] as const) {
      const { state, clock, log, counter } = made();
      state.answer = answer;
      for (let time = 0; time < 3; time += 1) {
        const asking = counter.count('a');
        if (answer === late) await clock.advance(300);
        assert.equal(await asking, undefined);
      }
      assert.equal(log.lines.length, 1);
      assert.match(log.lines[0] ?? '', new RegExp(`'${reason}'`));
    }
  });

  it('is not away for one answer that is late or wrong: the next request is counted by it', async () => {
    const { state, clock, log, counter } = made();
    for (let time = 0; time < 5; time += 1) {
      for (const answer of [refused, never]) {
        state.answer = answer;
        const asking = counter.count('a');
        await clock.advance(300);
        assert.equal(await asking, undefined);
      }
      state.answer = async () => allowance;
      assert.equal(await counter.count('a'), allowance);
    }
    assert.deepEqual(log.lines, []);
  });

  it('is not away where too many wait for it: one more is not counted by it, and whoever waits is', async () => {
    const { state, clock, log, counter } = made();
    const answered = Promise.withResolvers<Allowance>();
    state.answer = async () => await answered.promise;
    const asking = Array.from({ length: 4000 }, async () => await counter.count('a'));
    assert.equal(await counter.count('a'), undefined);
    assert.equal(state.asked, 4000);
    await clock.advance(299);
    answered.resolve(allowance);
    assert.ok((await Promise.all(asking)).every((one) => one === allowance));
    assert.equal(await counter.count('a'), allowance);
    assert.deepEqual(log.lines, []);
  });

  it('is waited for no longer than 300 ms where it says nothing, and by nobody when that was so three times', async () => {
    const { state, clock, counter } = made();
    state.answer = never;
    const asking = [counter.count('a'), counter.isOver('b'), counter.count('c')];
    await clock.advance(299);
    const early = await Promise.race([...asking, Promise.resolve('waits')]);
    assert.equal(early, 'waits');
    await clock.advance(1);
    assert.deepEqual(await Promise.all(asking), [undefined, undefined, undefined]);
    assert.equal(await counter.count('d'), undefined);
    assert.equal(await counter.isOver('d'), undefined);
    assert.equal(state.asked, 3);
  });
});

describe('what this process counts meanwhile', () => {
  it('begins with what it has let through, and lifts no limit for who makes the counter late', async () => {
    for (const Window of [FixedWindow, SlidingWindow]) {
      const own = new Window({ requests: 2, per: 3_600_000 }, new FakeClock());
      const { state, counter } = made(own);
      assert.equal((await counter.count('a'))?.isOver, false);
      assert.equal(await counter.isOver('a'), false);
      state.answer = refused;
      assert.equal((await counter.count('a'))?.isOver, false);
      for (let time = 0; time < 10; time += 1) {
        assert.equal(await counter.isOver('a'), true);
        assert.equal((await counter.count('a'))?.isOver, true);
      }
      assert.equal((await counter.count('b'))?.isOver, false);
    }
  });

  it('has nothing of what the counter has refused', async () => {
    const own = new SlidingWindow({ requests: 1, per: 60_000 }, new FakeClock());
    const { state, counter } = made(own);
    state.answer = async () => ({ ...allowance, isOver: true });
    for (let time = 0; time < 5; time += 1) assert.equal((await counter.count('a'))?.isOver, true);
    state.answer = refused;
    assert.equal((await counter.count('a'))?.isOver, false);
  });
});
