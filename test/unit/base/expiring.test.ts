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
});
