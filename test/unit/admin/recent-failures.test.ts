import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecentFailures } from '#src/admin/recent-failures.ts';
import { RegistryError } from '#src/oci/error.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

describe('recent failures', () => {
  it('are what the log warns of, with the cause, and pass through to it', () => {
    const clock = new FakeClock();
    const failures = new RecentFailures(clock);
    const lines = new LogLines();
    const log = failures.watching(lines);
    log.info({ upstream: 'a.example' }, 'nothing of it');
    log.warn({ status: 400, failure: 'NAME_INVALID' }, 'request');
    const cause = new Error('connect ECONNREFUSED');
    const err = new RegistryError('UNAVAILABLE', 'upstream cannot be reached', { cause });
    log.warn(
      { err, upstream: 'a.example', repository: 'a.example/app', other: { a: 1 } },
      'a fill has failed',
    );
    log.error({ status: 502, failure: 'UNAVAILABLE: away', url: '/v2/a' }, 'request');
    assert.equal(lines.lines.length, 4);
    assert.deepEqual(failures.latest, [
      {
        ...{ at: clock.now(), level: 'error', message: 'request', cause: 'UNAVAILABLE: away' },
        about: { url: '/v2/a' },
      },
      {
        ...{ at: clock.now(), level: 'warn', message: 'a fill has failed' },
        cause: 'upstream cannot be reached: connect ECONNREFUSED',
        about: { upstream: 'a.example', repository: 'a.example/app' },
      },
    ]);
  });

  it('are the last two hundred, and of each as much as tells what it was', () => {
    const failures = new RecentFailures(new FakeClock());
    const log = failures.watching(new LogLines());
    for (let at = 0; at < 1000; at += 1) log.warn({ failure: 'x'.repeat(10_000) }, `line ${at}`);
    assert.equal(failures.latest.length, 200);
    assert.deepEqual([failures.latest[0]?.message, failures.latest[0]?.cause?.length], ['line 999', 500]);
  });
});
