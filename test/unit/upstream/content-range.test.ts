import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseContentRange, parseLength } from '#src/net/content-range.ts';

describe('a Content-Range header', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.option(fc.nat(), { nil: undefined }), (first, more, rest) => {
        const last = first + more;
        const size = rest === undefined ? undefined : last + 1 + rest;
        assert.deepEqual(parseContentRange(`bytes ${first}-${last}/${size ?? '*'}`), { first, last, size });
      }),
    );
  });

  for (const header of [
    undefined,
    '',
    'bytes */100',
    'bytes 5-4/100',
    'bytes 0-100/100',
    'bytes 0-9',
    'items 0-9/10',
    'bytes 0-9/10, bytes 20-29/30',
    'bytes -1-9/10',
    'bytes 0-9999999999999999/*',
  ]) {
    it(`of ${header ?? 'nothing'} says nothing`, () => assert.equal(parseContentRange(header), undefined));
  }
});

describe('a Content-Length header', () => {
  it('is a number of digits alone', () => {
    assert.equal(parseLength('0'), 0);
    assert.equal(parseLength('10737418240'), 10_737_418_240);
    for (const header of [undefined, '', '-1', '1.5', '1e3', '10, 10', '9'.repeat(16)]) {
      assert.equal(parseLength(header), undefined);
    }
  });
});
