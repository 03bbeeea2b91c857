import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { RefreshingCredentials } from '#src/credentials/refreshing-credentials.ts';
import { RegistryError } from '#src/oci/error.ts';
import { NoAnswer } from '#src/oci/no-answer.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { type FetchScript, ScriptedSource, tokenCredential } from '#test/fakes/scripted-source.ts';

const minute = 60_000;
const hour = 60 * minute;

function refreshing(script?: FetchScript, settings: { expiryMs?: number; random?: () => number } = {}) {
  const clock = new FakeClock();
  const source = new ScriptedSource(script);
  const log = new LogLines();
  const credentials = new RefreshingCredentials({
    source,
    clock,
    log,
    expiryMs: 12 * hour,
    random: () => 0,
    ...settings,
  });
  const token = async () => {
    const { credential } = await credentials.get();
    return credential.kind === 'static' ? credential.authorization.replace('Basic ', '') : credential.kind;
  };
  return { clock, source, log, credentials, token };
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const outOfOrder = new RegistryError('UNAVAILABLE', 'the source is out of order', { status: 503 });

describe('credentials of a source', () => {
  it('that had no answer are no silence of the registry, and nothing that its next try may meet otherwise', async () => {
    const { credentials } = refreshing(() => {
      const cause = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
      const headers = { 'Retry-After': '2' };
      throw new NoAnswer(new URL('https://cloud.example'), 'host', 'no answer', {
        status: 503,
        headers,
        cause,
      });
    });
    await assert.rejects(credentials.get(), (error: unknown) => {
      assert.ok(error instanceof RegistryError && !(error instanceof NoAnswer));
      assert.deepEqual(
        [error.code, error.message, error.status, error.headers, error.cause],
        ['UNAVAILABLE', 'no answer', 503, { 'Retry-After': '2' }, undefined],
      );
      return true;
    });
    await credentials[Symbol.asyncDispose]();
  });

  it('are fetched when they are first wanted, not before', async () => {
    const { clock, source, token, credentials } = refreshing();
    await clock.advance(24 * hour);
    assert.equal(source.fetches, 0);
    assert.equal(await token(), 'token-1');
    await credentials[Symbol.asyncDispose]();
  });

  it('are fetched once for all who want them meanwhile, also when the first stops waiting', async () => {
    const { source, credentials } = refreshing();
    const leaving = new AbortController();
    const first = credentials.get({ signal: leaving.signal });
    const others = [credentials.get(), credentials.get()];
    leaving.abort(new Error('left'));
    await assert.rejects(first, /left/);
    const [one, other] = await Promise.all(others);
    assert.equal(one?.credential, other?.credential);
    assert.equal(source.fetches, 1);
    await credentials[Symbol.asyncDispose]();
  });

  it('are renewed in the background at the configured time, each time', async () => {
    const { clock, source, token, credentials } = refreshing(undefined, { expiryMs: hour });
    await token();
    await clock.advance(hour - 1);
    assert.equal(source.fetches, 1);
    for (const count of [2, 3, 4]) {
      await clock.advance(count === 2 ? 1 : hour);
      assert.equal(source.fetches, count);
      assert.equal(await token(), `token-${count}`);
    }
    assert.equal(source.fetches, 4);
    await credentials[Symbol.asyncDispose]();
  });

  const lives: [life: number, expiry: number, renewed: number, why: string][] = [
    [12 * hour, 6 * hour, 6 * hour, 'the configured time is earlier'],
    [12 * hour, 12 * hour, 10.8 * hour, 'a tenth before the end'],
    [hour, 12 * hour, 50 * minute, 'ten minutes before the end'],
    [10 * minute, 12 * hour, 5 * minute, 'half of a short life'],
    [30_000, 12 * hour, minute, 'not more often than each minute'],
    [-hour, 12 * hour, minute, 'an end that is past already'],
  ];
  for (const [life, expiryMs, renewed, why] of lives) {
    it(`that live ${life / minute} minutes are renewed after ${renewed / minute}: ${why}`, async () => {
      const { clock, source, token, credentials } = refreshing(() => ({ expiresAt: clock.now() + life }), {
        expiryMs,
      });
      await token();
      await clock.advance(renewed - 1);
      assert.equal(source.fetches, 1);
      await clock.advance(1);
      assert.equal(source.fetches, 2);
      await credentials[Symbol.asyncDispose]();
    });
  }

  it('that have always expired are asked for once a minute, and said so once', async () => {
    const { clock, source, token, log, credentials } = refreshing(() => ({
      expiresAt: Date.UTC(2015, 0, 1),
    }));
    for (let i = 0; i < 100; i++) {
      await token();
      await clock.advance(6000);
    }
    assert.equal(source.fetches, 11);
    assert.equal(log.at('warn').length, 1);
    assert.match(log.at('warn')[0] ?? '', /expired already.*2015-01-01/s);
    await credentials[Symbol.asyncDispose]();
  });

  it('are renewed a little earlier by chance, never later', async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), async (chance) => {
        const { clock, source, token, credentials } = refreshing(undefined, {
          expiryMs: hour,
          random: () => chance,
        });
        await token();
        await clock.advance(0.9 * hour - 1);
        assert.equal(source.fetches, 1);
        await clock.advance(0.1 * hour + 1);
        assert.equal(source.fetches, 2);
        await credentials[Symbol.asyncDispose]();
      }),
      { numRuns: 20 },
    );
  });

  it('stay the same object when the source gives the same again', async () => {
    const { clock, source, credentials } = refreshing(() => ({ credential: tokenCredential('same') }));
    const { credential } = await credentials.get();
    await clock.advance(12 * hour);
    assert.equal(source.fetches, 2);
    assert.equal((await credentials.get()).credential, credential);
    await credentials[Symbol.asyncDispose]();
  });
});

describe('a source that fails', () => {
  it('leaves the old credential in use until its end, and is asked with growing pauses', async () => {
    const { clock, source, token, log, credentials } = refreshing((count) => {
      if (count > 1) throw outOfOrder;
      return { expiresAt: clock.now() + hour };
    });
    await token();
    await clock.advance(50 * minute);
    assert.equal(source.fetches, 2);
    const pauses = [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
    for (const [index, pause] of pauses.entries()) {
      await clock.advance(pause - 1);
      assert.equal(source.fetches, 2 + index);
      await clock.advance(1);
      assert.equal(source.fetches, 3 + index);
      assert.equal(await token(), 'token-1');
    }
    assert.equal(log.at('warn').length, 1);
    await clock.advance(9 * minute);
    await assert.rejects(token(), outOfOrder);
    await credentials[Symbol.asyncDispose]();
  });

  it('is not asked again by each who wants a credential, but after a pause', async () => {
    const { clock, source, token, credentials } = refreshing((count) => {
      if (count === 1) throw outOfOrder;
      return {};
    });
    await assert.rejects(token(), outOfOrder);
    await assert.rejects(token(), outOfOrder);
    assert.equal(source.fetches, 1);
    await clock.advance(1000);
    assert.equal(await token(), 'token-2');
    await credentials[Symbol.asyncDispose]();
  });

  it('and recovers is back at its usual time', async () => {
    let broken = false;
    const { clock, source, token, log, credentials } = refreshing(
      () => {
        if (broken) throw outOfOrder;
        return {};
      },
      { expiryMs: hour },
    );
    await token();
    broken = true;
    await clock.advance(hour);
    broken = false;
    await clock.advance(1000);
    assert.equal(await token(), 'token-3');
    await clock.advance(hour - 1);
    assert.equal(source.fetches, 3);
    await clock.advance(1);
    assert.equal(source.fetches, 4);
    assert.equal(log.at('info').length, 1);
    await credentials[Symbol.asyncDispose]();
  });

  it('in a way that nobody expected tells nothing but its kind', async () => {
    const { token, log, credentials } = refreshing(() => {
      throw new TypeError('s3cret-in-tests-hunter2', { cause: new Error('s3cret-in-tests-hunter2') });
    });
    await assert.rejects(token(), (error: unknown) => {
      assert.ok(error instanceof RegistryError);
      assert.deepEqual([error.status, error.cause], [502, undefined]);
      assert.equal(error.message, 'no credentials from scripted: it failed with an unexpected TypeError');
      return true;
    });
    assert.doesNotMatch(log.lines.join('\n'), /s3cret-in-tests-hunter2/);
    await credentials[Symbol.asyncDispose]();
  });

  it('by not answering is given up after half a minute', async () => {
    const { clock, token, credentials } = refreshing((_, signal) => {
      const { promise, reject } = Promise.withResolvers<never>();
      signal.addEventListener('abort', () => reject(signal.reason));
      return promise;
    });
    const wanted = token();
    const checked = assert.rejects(wanted, {
      status: 504,
      message: 'no credentials from scripted within 30 s',
    });
    await clock.advance(30_000);
    await checked;
    await credentials[Symbol.asyncDispose]();
  });
});

describe('a credential that was refused', () => {
  it('is fetched anew, once for all whom it was refused', async () => {
    const { source, token, credentials } = refreshing();
    const { credential } = await credentials.get();
    const renewals = [
      credentials.renew(credential),
      credentials.renew(credential),
      credentials.renew(credential),
    ];
    assert.deepEqual(await Promise.all(renewals), [true, true, true]);
    assert.equal(source.fetches, 2);
    assert.equal(await token(), 'token-2');
    await credentials[Symbol.asyncDispose]();
  });

  it('is another by now for whom it was refused late, without asking the source', async () => {
    const { source, credentials } = refreshing();
    const { credential } = await credentials.get();
    await credentials.renew(credential);
    assert.equal(await credentials.renew(credential), true);
    assert.equal(source.fetches, 2);
    await credentials[Symbol.asyncDispose]();
  });

  it('is not fetched more often than once a minute', async () => {
    const { clock, source, credentials } = refreshing();
    const refuse = async () => await credentials.renew((await credentials.get()).credential);
    assert.equal(await refuse(), true);
    assert.equal(await refuse(), false);
    await clock.advance(minute - 1);
    assert.equal(await refuse(), false);
    assert.equal(source.fetches, 2);
    await clock.advance(1);
    assert.equal(await refuse(), true);
    assert.equal(source.fetches, 3);
    await credentials[Symbol.asyncDispose]();
  });

  it('stays what it is when the source gives the same again, or nothing', async () => {
    const { clock, credentials, source } = refreshing(() => ({ credential: tokenCredential('same') }));
    const { credential } = await credentials.get();
    assert.equal(await credentials.renew(credential), false);
    await clock.advance(minute);
    source.script = () => {
      throw outOfOrder;
    };
    assert.equal(await credentials.renew(credential), false);
    assert.equal((await credentials.get()).credential, credential);
    await credentials[Symbol.asyncDispose]();
  });
});

describe('disposing', () => {
  it('stops the timer, ends the source and gives nothing out any more that is not there', async () => {
    const { clock, source, token, credentials } = refreshing();
    await token();
    assert.equal(clock.sleeping, 1);
    await credentials[Symbol.asyncDispose]();
    assert.equal(clock.sleeping, 0);
    assert.equal(source.disposed, true);
    await clock.advance(24 * hour);
    assert.equal(source.fetches, 1);
  });

  it('ends a fetch under way', async () => {
    const { clock, source, token, credentials } = refreshing(() => Promise.withResolvers<never>().promise);
    const checked = assert.rejects(token(), { status: 503, message: 'the server is stopping' });
    await settle();
    await credentials[Symbol.asyncDispose]();
    await checked;
    assert.equal(clock.sleeping, 0);
    assert.equal(source.disposed, true);
  });
});
