import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OwnedEntries } from '#src/base/owned-entries.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

describe('entries that belong to somebody', () => {
  const made = (most: number, mostOfOne: number) => {
    const clock = new FakeClock();
    return { clock, entries: new OwnedEntries<number>({ clock, most, mostOfOne, lifeMs: 1000 }) };
  };

  it('give way to others of the same owner first', () => {
    const { entries } = made(10, 2);
    entries.add('b', 'bob', 0);
    for (const key of ['1', '2', '3']) entries.add(key, 'alice', Number(key));
    assert.deepEqual(
      ['b', '1', '2', '3'].map((key) => entries.get(key)),
      [0, undefined, 2, 3],
    );
    assert.deepEqual([entries.isFullFor('alice'), entries.isFullFor('bob')], [true, false]);
  });

  it('are so many, whoever they belong to', () => {
    const { entries } = made(3, 2);
    for (const key of ['1', '2', '3', '4', '5']) entries.add(key, key, Number(key));
    assert.equal(entries.size, 3);
    assert.deepEqual(
      ['1', '2', '3', '4', '5'].map((key) => entries.get(key)),
      [undefined, undefined, 3, 4, 5],
    );
    assert.equal(entries.isFullFor('nobody'), true);
  });

  it('end by their time, and make room by it', async () => {
    const { clock, entries } = made(2, 1);
    entries.add('1', 'alice', 1);
    await clock.advance(999);
    entries.add('2', 'bob', 2);
    assert.equal(entries.get('1'), 1);
    await clock.advance(1);
    assert.deepEqual([entries.get('1'), entries.isFullFor('alice'), entries.size], [undefined, false, 1]);
    entries.add('3', 'carol', 3);
    assert.deepEqual([entries.get('2'), entries.get('3')], [2, 3]);
  });

  it('are forgotten once, and then nobody’s', () => {
    const { entries } = made(2, 1);
    entries.add('1', 'alice', 1);
    entries.forget('1');
    entries.forget('1');
    assert.deepEqual([entries.get('1'), entries.size, entries.isFullFor('alice')], [undefined, 0, false]);
    entries.add('1', 'alice', 2);
    entries.add('1', 'bob', 3);
    assert.deepEqual(
      [entries.get('1'), entries.isFullFor('alice'), entries.isFullFor('bob')],
      [3, false, true],
    );
  });
});
