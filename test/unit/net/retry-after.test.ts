import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { retryAfterHeader, retryAfterMs } from '#src/net/retry-after.ts';

const now = Date.parse('Tue, 14 Nov 2023 22:13:20 GMT');

describe('a Retry-After header', () => {
  for (const [header, want] of [
    ['0', 0],
    [' 5 ', 5000],
    ['1.5', 1500],
    ['Tue, 14 Nov 2023 22:13:50 GMT', 30_000],
    ['Tue, 14 Nov 2023 22:13:00 GMT', 0],
    ['99999999', 300_000],
    ['21600', 21_600_000],
    ['Wed, 14 Nov 2035 22:13:50 GMT', 300_000],
    [undefined, undefined],
    ['', undefined],
    ['-5', undefined],
    ['soon', undefined],
    ['5 minutes', undefined],
    ['2023', 2_023_000],
    ['Monday', undefined],
  ] as const) {
    it(`of ${header === undefined ? 'nothing' : `"${header}"`} means ${want} ms`, () => {
      assert.equal(retryAfterMs(header, now), want);
    });
  }

  it('is at most six hours, and never throws', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const milliseconds = retryAfterMs(header, now) ?? 0;
        assert.ok(milliseconds >= 0 && milliseconds <= 21_600_000);
      }),
    );
  });

  it('is passed on in whole seconds, if it can be read', () => {
    assert.deepEqual(retryAfterHeader('1.2', now), { 'Retry-After': '2' });
    assert.deepEqual(retryAfterHeader('Tue, 14 Nov 2023 22:13:50 GMT', now), { 'Retry-After': '30' });
    assert.deepEqual(retryAfterHeader('soon', now), {});
  });
});
