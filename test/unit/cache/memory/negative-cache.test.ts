import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NegativeCache } from '#src/cache/memory/negative-cache.ts';
import { RegistryError } from '#src/oci/error.ts';
import { Wording } from '#src/oci/wording.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

function absent(detail: unknown = undefined): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', new Wording('not here', 'not there'), {
    detail,
    headers: { 'X-Of': 'upstream' },
    cause: new Error('of the first'),
  });
}

function checked(cache: NegativeCache, key: string): unknown {
  try {
    cache.check(key);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('what upstream does not have', () => {
  it('is told again in the same words, for as long as it is remembered', async () => {
    const clock = new FakeClock();
    const cache = new NegativeCache(clock);
    cache.note('a', absent('of it'), 1000);
    cache.note('b', new RegistryError('UNAVAILABLE', 'away'), 1000);
    cache.note('c', absent(), 0);
    const error = checked(cache, 'a');
    assert.ok(error instanceof RegistryError);
    const { code, status, message, forOperator, detail, headers } = error;
    assert.deepEqual(
      { code, status, message, forOperator, detail, headers },
      {
        ...{ code: 'BLOB_UNKNOWN', status: 404, message: 'not here', forOperator: 'not there' },
        ...{ detail: 'of it', headers: { 'X-Of': 'upstream' } },
      },
    );
    assert.deepEqual([checked(cache, 'b'), checked(cache, 'c')], [undefined, undefined]);
    await clock.advance(1000);
    assert.equal(checked(cache, 'a'), undefined);
  });

  it('takes a few megabytes at most, however much is said of each', () => {
    const cache = new NegativeCache(new FakeClock());
    const detail = 'x'.repeat(10_000);
    for (let at = 0; at < 1000; at += 1) cache.note(`${at}`, absent(detail), 1000);
    const kept = Array.from({ length: 1000 }, (_, at) => checked(cache, `${at}`)).filter(Boolean).length;
    assert.ok(kept > 100 && kept < 250, String(kept));
    assert.ok(checked(cache, '999') instanceof RegistryError);
  });
});
