import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Allowance } from '#src/door/rate/rate-limit.ts';
import { ReachableCounter } from '#src/door/rate/reachable-counter.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { secret } from '#test/fakes/secrets.ts';

const allowance: Allowance = { isOver: false, remaining: 1, resetMs: 1 };

function made() {
  const state = { answer: async (): Promise<Allowance> => allowance, asked: 0 };
  const clock = new FakeClock();
  const log = new LogLines();
  const count = async (): Promise<Allowance> => {
    state.asked += 1;
    return await state.answer();
  };
  return { state, clock, log, counter: new ReachableCounter({ count }, { clock, log }) };
}

describe('a counter that somebody else has', () => {
  it('is told of once when it is away and once when it is back, and is not asked by everybody meanwhile', async () => {
    const { state, clock, log, counter } = made();
    assert.equal(await counter.count('a'), allowance);
    state.answer = async () =>
      await Promise.reject(
        Object.assign(new Error(`redis://x:${secret('its password')}@redis`), { code: 'ECONNREFUSED' }),
      );
    for (let time = 0; time < 100; time += 1) assert.equal(await counter.count('a'), undefined);
    assert.equal(state.asked, 2);
    await clock.advance(1000);
    assert.equal(await counter.count('a'), undefined);
    assert.equal(state.asked, 3);
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

  it('is not away where too many wait for it: one more is told so, and whoever waits is counted', async () => {
    const { state, clock, log, counter } = made();
    const answered = Promise.withResolvers<Allowance>();
    state.answer = async () => await answered.promise;
    const asking = Array.from({ length: 4000 }, async () => await counter.count('a'));
    assert.equal(await counter.count('a'), 'busy');
    assert.equal(state.asked, 4000);
    await clock.advance(299);
    answered.resolve(allowance);
    assert.ok((await Promise.all(asking)).every((one) => one === allowance));
    assert.equal(await counter.count('a'), allowance);
    assert.deepEqual(log.lines, []);
  });

  it('is waited for no longer than 300 ms where it says nothing, and once for all who asked', async () => {
    const { state, clock, counter } = made();
    state.answer = async () => await new Promise(() => {});
    const asking = [counter.count('a'), counter.count('b')];
    await clock.advance(299);
    const early = await Promise.race([...asking, Promise.resolve('waits')]);
    assert.equal(early, 'waits');
    await clock.advance(1);
    assert.deepEqual(await Promise.all(asking), [undefined, undefined]);
    assert.equal(await counter.count('c'), undefined);
    assert.equal(state.asked, 2);
  });
});
