import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Ranges } from '#src/storage/ranges.ts';

const size = 40;

/** Which of the first so many bytes are there. */
function bitmapOf(ranges: Ranges): boolean[] {
  return Array.from({ length: size }, (_, at) => ranges.missing(at, at + 1) === 0);
}

const somewhere = fc.tuple(fc.nat(size - 1), fc.nat(size)).map(([first, end]) => ({ first, end }));

describe('ranges', () => {
  it('are none at first', () => {
    const ranges = new Ranges();
    assert.equal(ranges.total, 0);
    assert.equal(ranges.endFrom(0), 0);
    assert.equal(ranges.nextFrom(0), Number.POSITIVE_INFINITY);
    assert.equal(ranges.missing(0, 1) === 0, false);
    assert.deepEqual([...ranges], []);
  });

  it('are one where they touch or overlap, whatever came first', () => {
    const ranges = new Ranges();
    ranges.add(10, 20);
    ranges.add(30, 40);
    ranges.add(0, 10);
    assert.deepEqual(
      [...ranges],
      [
        { first: 0, last: 19 },
        { first: 30, last: 39 },
      ],
    );
    ranges.add(15, 31);
    assert.deepEqual([...ranges], [{ first: 0, last: 39 }]);
  });

  it('touch no byte where there is none to add', () => {
    const ranges = new Ranges();
    ranges.add(5, 5);
    ranges.add(5, 3);
    assert.deepEqual([...ranges], []);
  });

  it('tell where the next hole and the next bytes are', () => {
    const ranges = new Ranges([{ first: 10, last: 19 }]);
    assert.deepEqual(
      [0, 10, 15, 20].map((at) => ranges.endFrom(at)),
      [0, 20, 20, 20],
    );
    assert.deepEqual(
      [0, 10, 15, 20].map((at) => ranges.nextFrom(at)),
      [10, 10, 15, Number.POSITIVE_INFINITY],
    );
    assert.equal(ranges.missing(10, 20), 0);
    assert.equal(ranges.missing(9, 22), 3);
  });

  it('are cut for themselves', () => {
    const ranges = new Ranges([
      { first: 0, last: 4 },
      { first: 10, last: 19 },
    ]);
    assert.deepEqual(
      [...ranges.upTo(15)],
      [
        { first: 0, last: 4 },
        { first: 10, last: 14 },
      ],
    );
    assert.deepEqual([...ranges.upTo(10)], [{ first: 0, last: 4 }]);
    assert.deepEqual([...ranges.upTo(0)], []);
    assert.equal(ranges.total, 15);
  });

  it('are what a bitmap says, however they are added', () => {
    fc.assert(
      fc.property(fc.array(somewhere, { maxLength: 12 }), fc.nat(size), (added, cut) => {
        const ranges = new Ranges();
        const bitmap = Array.from({ length: size }, () => false);
        for (const { first, end } of added) {
          ranges.add(first, end);
          if (first < end) bitmap.fill(true, first, end);
        }
        assert.deepEqual(bitmapOf(ranges), bitmap);
        assert.equal(ranges.total, bitmap.filter(Boolean).length);
        assert.equal(ranges.missing(0, size), size - ranges.total);
        const all = [...ranges];
        // In order, and no two that touch.
        for (const [at, { first, last }] of all.entries()) {
          assert.ok(first <= last);
          assert.ok(first > (all[at - 1]?.last ?? -2) + 1);
        }
        for (let at = 0; at < size; at += 1) {
          const [hole, next] = [bitmap.indexOf(false, at), bitmap.indexOf(true, at)];
          assert.equal(ranges.endFrom(at), hole === -1 ? size : hole);
          assert.equal(ranges.nextFrom(at), next === -1 ? Number.POSITIVE_INFINITY : next);
        }
        assert.deepEqual(
          bitmapOf(ranges.upTo(cut)),
          bitmap.map((isThere, at) => isThere && at < cut),
        );
        assert.deepEqual([...new Ranges(ranges)], all);
      }),
    );
  });
});
