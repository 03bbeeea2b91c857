import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { limitedMs, quotaIn } from '#src/upstream/limits/quota.ts';

function headers(limit: string, remaining: string) {
  return { 'ratelimit-limit': limit, 'ratelimit-remaining': remaining };
}

describe('the quota in the headers of an answer', () => {
  it('is what Docker Hub says', () => {
    assert.deepEqual(quotaIn(headers('100;w=21600', '76;w=21600')), {
      limit: 100,
      remaining: 76,
      windowMs: 21_600_000,
    });
    assert.equal(quotaIn(headers(' 200;w=60', '0;w=60 '))?.remaining, 0);
  });

  const nonsense: [limit: string, remaining: string][] = [
    ['100', '76'],
    ['100;w=21600', '76'],
    ['100;w=21600', '76;w=60'],
    ['100;w=21600', '101;w=21600'],
    ['0;w=21600', '0;w=21600'],
    ['100;w=0', '76;w=0'],
    ['100;w=99999999', '76;w=99999999'],
    ['-100;w=21600', '-76;w=21600'],
    ['1e2;w=21600', '76;w=21600'],
    ['100;w=21600, 100;w=21600', '76;w=21600, 76;w=21600'],
    ['100;w=21600;burst=1', '76;w=21600'],
    ['9999999999;w=21600', '76;w=21600'],
    ['', ''],
  ];
  for (const [limit, remaining] of nonsense) {
    it(`is not known from what makes no sense: "${limit}", "${remaining}"`, () => {
      assert.equal(quotaIn(headers(limit, remaining)), undefined);
    });
  }

  it('is not known from one header alone, or from none', () => {
    assert.equal(quotaIn({}), undefined);
    assert.equal(quotaIn({ 'ratelimit-limit': '100;w=21600' }), undefined);
    assert.equal(quotaIn({ 'ratelimit-remaining': '0;w=21600' }), undefined);
  });

  it('is possible, whatever the headers are', () => {
    const header = fc.oneof(
      fc.string(),
      fc
        .tuple(fc.integer({ min: -1, max: 20 }), fc.integer({ min: -1, max: 2 }))
        .map(([count, window]) => `${count};w=${window}`),
    );
    fc.assert(
      fc.property(header, header, (limit, remaining) => {
        const quota = quotaIn(headers(limit, remaining));
        if (quota === undefined) return;
        assert.ok(quota.limit > 0 && quota.remaining >= 0 && quota.remaining <= quota.limit);
        assert.ok(quota.windowMs > 0);
      }),
    );
  });
});

describe('how long a 429 asks to be left alone', () => {
  it('is its Retry-After, whatever the quota', () => {
    assert.equal(limitedMs({ ...headers('100;w=21600', '0;w=21600'), 'retry-after': '7' }, 0), 7000);
  });

  it('is five minutes when the quota is used up, or its window if that is shorter', () => {
    assert.equal(limitedMs(headers('100;w=21600', '0;w=21600'), 0), 300_000);
    assert.equal(limitedMs(headers('10;w=60', '0;w=60'), 0), 60_000);
  });

  it('is not said where there is quota left, or none is told: that is the limit against abuse', () => {
    assert.equal(limitedMs(headers('100;w=21600', '5;w=21600'), 0), undefined);
    assert.equal(limitedMs({}, 0), undefined);
  });
});
