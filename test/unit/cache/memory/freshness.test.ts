import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { freshnessPolicy, isFresh } from '#src/cache/memory/freshness.ts';
import { parseRegistryHost, parseTag, repositoryName } from '#src/oci/reference.ts';

const repository = (text: string) =>
  repositoryName(parseRegistryHost(text.slice(0, text.indexOf('/'))), text.slice(text.indexOf('/') + 1));

describe('isFresh', () => {
  it('never lets an immutable answer grow old and never trusts one that is always asked', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1 }), fc.nat(), (checkedAt, now) => {
        assert.equal(isFresh('immutable', checkedAt, now), true);
        assert.equal(isFresh('always', checkedAt, now), false);
      }),
    );
  });

  it('is monotonic: what is stale does not become fresh again', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), fc.nat(), (ttl, checkedAt, now, later) => {
        const before = isFresh(ttl, checkedAt, checkedAt + now);
        const after = isFresh(ttl, checkedAt, checkedAt + now + later);
        assert.ok(before || !after);
      }),
    );
  });

  it('does not believe a check in the future, as after the clock was set back', () => {
    assert.equal(isFresh(60_000, 2000, 1000), false);
  });
});

describe('freshnessPolicy', () => {
  const policy = freshnessPolicy(
    [
      { pattern: '**:latest', freshness: 'always' },
      { pattern: 'docker.io/library/*', freshness: 60_000 },
      { pattern: 'localhost:5000/apps/**:v*', freshness: 'immutable' },
    ],
    1000,
  );

  it('takes the first rule that matches name and tag, else the default', () => {
    const of = (name: string, tag: string) => policy(repository(name), parseTag(tag));
    assert.equal(of('docker.io/library/alpine', 'latest'), 'always');
    assert.equal(of('docker.io/library/alpine', '3.20'), 60_000);
    assert.equal(of('docker.io/acme/alpine', '3.20'), 1000);
    assert.equal(of('localhost:5000/apps/a/b', 'v1'), 'immutable');
    assert.equal(of('localhost:5000/apps/a/b', 'w1'), 1000);
  });

  it('answers a hostile pattern at once', () => {
    const hostile = freshnessPolicy([{ pattern: `${'*a'.repeat(20)}*b`, freshness: 1 }], 2);
    assert.equal(hostile(repository(`docker.io/${'a'.repeat(200)}`), parseTag('t')), 2);
  });
});
