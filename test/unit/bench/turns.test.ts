import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { turnsOf } from '../../bench/turns.ts';

const rounds = (all: string, count: number) =>
  Array.from({ length: count }, (_, round) => turnsOf([...all], round).join(''));

describe('the turns of a run', () => {
  it('begin with another contestant each round', () => {
    assert.deepEqual(rounds('ab', 4), ['ab', 'ba', 'ab', 'ba']);
    assert.deepEqual(rounds('abcd', 4), ['abcd', 'badc', 'cdab', 'dcba']);
  });

  it('are those of all orders that there are, where three take part', () => {
    assert.equal(new Set(rounds('abc', 6)).size, 6);
  });

  it('leave nobody out', () => {
    for (const order of rounds('abcde', 10)) assert.equal([...order].toSorted().join(''), 'abcde');
    assert.deepEqual(turnsOf(['a'], 3), ['a']);
    assert.deepEqual(turnsOf([], 3), []);
  });
});
