import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatDuration, formatSize, parseDuration, parsePercent, parseSize } from '#src/values/units.ts';

describe('parseDuration', () => {
  const durations: [text: string, milliseconds: number][] = [
    ['0', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['5m5ms', 300_005],
    ['12h', 43_200_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['0.1h', 360_000],
  ];
  for (const [text, milliseconds] of durations) {
    it(`reads ${text}`, () => assert.equal(parseDuration(text), milliseconds));
  }

  const nonsense = [
    '',
    '5',
    's',
    '5 m',
    ' 5m',
    '5m ',
    '-5m',
    '+5m',
    '1,5h',
    '1h1h',
    '30m1h',
    '1h30',
    '5M',
    '5min',
    '.5h',
    '5.h',
    '0.5ms',
    '1e3s',
    '1w',
    '5m\n',
    '99999999999999999999d',
  ];
  for (const text of nonsense) {
    it(`does not guess at ${JSON.stringify(text)}`, () => assert.equal(parseDuration(text), undefined));
  }

  it('reads back what formatDuration writes', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (milliseconds) => {
        assert.equal(parseDuration(formatDuration(milliseconds)), milliseconds);
      }),
    );
  });

  it('never throws, and never answers anything but whole milliseconds', () => {
    const texts = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{0,5}[dhms]{0,2}[0-9.]{0,5}(ms|s|m)?$/));
    fc.assert(
      fc.property(texts, (text) => {
        const milliseconds = parseDuration(text);
        assert.ok(milliseconds === undefined || (Number.isSafeInteger(milliseconds) && milliseconds >= 0));
      }),
    );
  });
});

describe('formatDuration', () => {
  it('writes the shortest compound', () => {
    assert.equal(formatDuration(0), '0s');
    assert.equal(formatDuration(5_400_000), '1h30m');
    assert.equal(formatDuration(86_400_001), '1d1ms');
  });
});

describe('parseSize', () => {
  const sizes: [text: string, bytes: number][] = [
    ['0', 0],
    ['512', 512],
    ['64MiB', 67_108_864],
    ['200GiB', 214_748_364_800],
    ['10GB', 10_000_000_000],
    ['1.5KiB', 1536],
    ['1.1KB', 1100],
    ['2TiB', 2_199_023_255_552],
  ];
  for (const [text, bytes] of sizes) {
    it(`reads ${text}`, () => assert.equal(parseSize(text), bytes));
  }

  for (const text of [
    '',
    'GiB',
    '10Gi',
    '10G',
    '10gb',
    '10 GB',
    '1.5',
    '1.0001KB',
    '-1',
    '1e3',
    '5mbx',
    '99999999TiB',
  ]) {
    it(`does not guess at ${JSON.stringify(text)}`, () => assert.equal(parseSize(text), undefined));
  }

  it('reads back what formatSize writes', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        assert.equal(parseSize(formatSize(bytes)), bytes);
      }),
    );
  });
});

describe('formatSize', () => {
  it('takes the largest unit that divides', () => {
    assert.equal(formatSize(0), '0');
    assert.equal(formatSize(67_108_864), '64MiB');
    assert.equal(formatSize(10_000_000_000), '10GB');
    assert.equal(formatSize(513), '513');
  });
});

describe('parsePercent', () => {
  it('reads a share from nothing to all', () => {
    assert.equal(parsePercent('0%'), 0);
    assert.equal(parsePercent('2.5%'), 2.5);
    assert.equal(parsePercent('100%'), 100);
    for (const text of ['101%', '%', '5', '-5%', '5 %']) assert.equal(parsePercent(text), undefined);
  });
});
