import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatRange, parseRange, resolveRange } from '#src/oci/range.ts';
import type { RangeSpec } from '#src/oci/registry.ts';

const spec: fc.Arbitrary<RangeSpec> = fc.oneof(
  fc.record({ first: fc.nat(), last: fc.nat() }, { noNullPrototype: true }),
  fc.record({ first: fc.nat() }, { noNullPrototype: true }),
  fc.record({ suffix: fc.nat() }, { noNullPrototype: true }),
);

describe('a Range header', () => {
  it('is read as it was written', () => {
    fc.assert(fc.property(spec, (one) => assert.deepEqual(parseRange(formatRange(one)), [one])));
  });

  it('may name several parts, in any spacing and case of its unit', () => {
    assert.deepEqual(parseRange('BYTES = 0-0 , ,5- ,\t-7'), [
      { first: 0, last: 0 },
      { first: 5 },
      { suffix: 7 },
    ]);
  });

  for (const header of [
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=,',
    'bytes=-',
    'bytes=a-b',
    'bytes=1-2-3',
    'items=0-5',
    'bytes=0-5,x',
    'bytes=0x1-5',
    'bytes=1.5-2',
    'bytes=9999999999999999-',
    '0-5',
  ]) {
    it(`is ignored where it is ${header ?? 'absent'}`, () => assert.equal(parseRange(header), undefined));
  }

  it('of more than 64 parts is ignored', () => {
    const parts = (count: number) => parseRange(`bytes=${Array(count).fill('0-1').join(',')}`);
    assert.equal(parts(64)?.length, 64);
    assert.equal(parts(65), undefined);
  });

  it('never makes the parser throw, and takes steps that grow with its length', () => {
    fc.assert(fc.property(fc.string(), (text) => parseRange(`bytes=${text}`)?.length !== 0));
    for (const piece of [' ', '-', '1', ',', '1-', ' ,']) {
      assert.equal(parseRange(`bytes=${piece.repeat(200_000)}x`), undefined);
    }
  });
});

describe('the part of a blob that a range means', () => {
  it('is what slicing gives, or nothing: 416 with the size', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.record({ first: fc.nat(30), last: fc.option(fc.nat(30), { nil: undefined }) }),
          fc.record({ suffix: fc.nat(30) }),
        ),
        fc.nat(20),
        (range, size) => {
          const bytes = Array.from({ length: size }, (_, at) => at);
          const want =
            'suffix' in range
              ? bytes.slice(Math.max(0, size - range.suffix))
              : bytes.slice(range.first, (range.last ?? size) + 1);
          if (want.length > 0) {
            const { first, last } = resolveRange(range, size);
            assert.deepEqual(bytes.slice(first, last + 1), want);
            assert.ok(first >= 0 && last < size);
          } else {
            assert.throws(() => resolveRange(range, size), {
              code: 'RANGE_INVALID',
              status: 416,
              headers: { 'Content-Range': `bytes */${size}` },
            });
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
