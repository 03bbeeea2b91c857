import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Expiring } from '#src/base/expiring.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

describe('what is remembered for a while', () => {
  it('is forgotten when its own time is over, and not before', async () => {
    const clock = new FakeClock();
    const memory = new Expiring<string>(clock, 10);
    memory.set('short', 'a', 1000);
    memory.set('long', 'b', 2000);
    await clock.advance(999);
    assert.deepEqual([memory.get('short'), memory.get('long')], ['a', 'b']);
    await clock.advance(1);
    assert.deepEqual([memory.get('short'), memory.get('long')], [undefined, 'b']);
    memory.set('long', 'c', 1500);
    await clock.advance(1000);
    assert.equal(memory.get('long'), 'c');
  });

  it('is as much as was said: what was used longest ago goes', () => {
    const memory = new Expiring<number>(new FakeClock(), 2);
    memory.set('a', 1, 1000);
    memory.set('b', 2, 1000);
    memory.get('a');
    memory.set('c', 3, 1000);
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => memory.get(key)),
      [1, undefined, 3],
    );
  });

  it('goes on as long as time does, though the clock is set back', async () => {
    const clock = new FakeClock();
    const memory = new Expiring<string>(clock, 10);
    memory.set('a', 'a', 1000);
    clock.set(clock.now() - 3_600_000);
    await clock.advance(1000);
    assert.equal(memory.get('a'), undefined);
  });

  it('goes as others come when its time is over, and at once when it is asked for', async () => {
    const clock = new FakeClock();
    const memory = new Expiring<number>(clock, 1000);
    for (let at = 0; at < 100; at += 1) memory.set(`old ${at}`, at, 1000);
    await clock.advance(1000);
    assert.equal(memory.get('old 50'), undefined);
    assert.equal(memory.size, 99);
    for (let at = 0; at < 50; at += 1) memory.set(`new ${at}`, at, 1000);
    assert.equal(memory.size, 50);
  });

  it('weighs no more than was said', () => {
    const memory = new Expiring<string>(new FakeClock(), 1000, {
      most: 100,
      of: (value, key) => value.length + key.length,
    });
    memory.set('a', 'x'.repeat(49), 1000);
    memory.set('b', 'y'.repeat(49), 1000);
    assert.equal(memory.size, 2);
    memory.set('c', 'z', 1000);
    assert.deepEqual([memory.get('a'), memory.get('c')], [undefined, 'z']);
    memory.set('d', 'x'.repeat(100), 1000);
    assert.equal(memory.get('d'), undefined);
  });
});
