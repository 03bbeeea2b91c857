import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '#src/base/clock.ts';
import { RedisCounts } from '#src/door/rate/redis-counts.ts';
import { SharedFixedWindow, SharedSlidingWindow } from '#src/door/rate/shared-window.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';
import { needs } from '../setup/needs.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { Redis } from './support/redis.ts';
import { until } from './support/until.ts';

/** An answer to `GET /v2/` of a client that a proxy (ourselves) stands before. */
async function asked(server: { readonly url: string }, client: string): Promise<Response> {
  const response = await fetch(`${server.url}/v2/`, { headers: { 'X-Forwarded-For': client } });
  await response.arrayBuffer();
  return response;
}

function started(redis: Redis, rateLimit: object): Promise<Ociregistry> {
  const coordination = { kind: 'redis', urlFromEnv: 'REDIS' };
  const settings = { trustedProxies: ['127.0.0.1'], storage: { coordination }, rateLimit };
  return Ociregistry.start({ settings, env: { REDIS: redis.url } });
}

/** A server in this process whose time stands: it waits for Redis as long as that takes, on a busy machine too. */
async function standing(redis: Redis): Promise<AsyncDisposable & { readonly url: string }> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const clock = new FakeClock();
  const rateLimit = { requests: 15, per: '1h', window: 'fixed', onStoreError: 'deny' } as const;
  const urlFile = join(path, 'url');
  await writeFile(urlFile, redis.url, { mode: 0o600 });
  const coordination = { kind: 'redis', urlFile } as const;
  const settings = {
    imagePath: join(path, 'data'),
    trustedProxies: ['127.0.0.1'],
    storage: { coordination },
    rateLimit,
  };
  const { server } = stack.use(await runApp(settings, { clock }));
  await until('it counts', async () => {
    // Whoever was not reached is asked again a second later.
    await clock.advance(1000);
    return (await asked(server, '192.0.2.6')).headers.has('ratelimit-limit');
  });
  const kept = stack.move();
  return { url: server.url, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

/** Until the connection stands, and with `onStoreError: deny`, nobody is let in. */
async function counts(server: Ociregistry, client: string): Promise<void> {
  await until('it counts', async () => (await asked(server, client)).headers.has('ratelimit-limit'));
}

/** What it has said of whoever counts. */
function saidOfCounter(server: Ociregistry): readonly string[] {
  const lines = server.output.split('\n').filter((line) => line.includes('the counter of the rate limit'));
  return lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
}

describe('two servers that share one Redis', needs('redis-server'), () => {
  let redis: Redis;
  before(async () => {
    redis = await Redis.start(secret('redis'));
  });
  after(async () => await redis[Symbol.asyncDispose]());

  for (const window of ['sliding', 'fixed']) {
    it(`see one limit: ${window}`, async () => {
      // An hour: whenever the test runs, its window hardly turns.
      const rateLimit = { requests: 15, per: '1h', window, onStoreError: 'deny' };
      await using one = await started(redis, rateLimit);
      await using other = await started(redis, rateLimit);
      await counts(one, '192.0.2.1');
      await counts(other, '192.0.2.1');
      const client = window === 'fixed' ? '192.0.2.2' : '192.0.2.3';
      const statuses: number[] = [];
      for (let time = 0; time < 17; time += 1)
        statuses.push((await asked(time % 2 === 0 ? one : other, client)).status);
      assert.deepEqual(statuses, [...Array.from({ length: 15 }, () => 200), 429, 429]);
      assert.equal((await asked(one, '192.0.2.9')).status, 200);
    });
  }

  it('are told whether one more is one too many, which counts nothing', async () => {
    await using counts = new RedisCounts(redis.url);
    const settings = { requests: 3, per: 3_600_000 };
    const clock = systemClock;
    await until(
      'it is connected',
      async () =>
        await counts.read('none').then(
          () => true,
          () => false,
        ),
    );
    for (const window of [
      new SharedFixedWindow(settings, counts, { clock, place: 7 }),
      new SharedSlidingWindow(settings, counts, 7),
    ]) {
      for (let time = 0; time < 3; time += 1) {
        for (let look = 0; look < 3; look += 1) assert.equal(await window.isOver('a'), false);
        assert.partialDeepStrictEqual(await window.count('a'), { isOver: false, remaining: 2 - time });
      }
      assert.deepEqual([await window.isOver('a'), await window.isOver('b')], [true, false]);
    }
  });

  it('count each of a crowd that asks both at once', async () => {
    await using one = await standing(redis);
    await using other = await standing(redis);
    const crowd = Array.from(
      { length: 600 },
      async (_, at) => await asked(at % 2 === 0 ? one : other, '192.0.2.7'),
    );
    const statuses = (await Promise.all(crowd)).map(({ status }) => status);
    const times = (wanted: number): number => statuses.filter((status) => status === wanted).length;
    assert.deepEqual([times(200), times(429)], [15, 585]);
  });

  it('serve on while it is away, each by what it counts itself, and count together again when it is back; nothing of it is told but once', async () => {
    const rateLimit = { requests: 4, per: '1h' };
    await using server = await started(redis, rateLimit);
    await using other = await started(redis, rateLimit);
    await using strict = await started(redis, { requests: 1000, per: '1h', onStoreError: 'deny' });
    const client = '192.0.2.4';
    await counts(strict, '192.0.2.5');
    let probe = 100;
    await until('both count by it', async () => {
      probe += 1;
      await asked(server, `192.0.2.${probe}`);
      const { headers } = await asked(other, `192.0.2.${probe}`);
      return headers.get('ratelimit-remaining') === '2;w=3600';
    });
    assert.equal((await asked(server, client)).status, 200);
    for (let time = 0; time < 3; time += 1) assert.equal((await asked(other, client)).status, 200);
    for (const one of [server, other]) assert.equal((await asked(one, client)).status, 429);
    const over = new AbortController();
    const statuses = new Set<number>();
    const load = (async () => {
      while (!over.signal.aborted) statuses.add((await asked(server, client)).status);
    })();
    load.catch(() => undefined);
    const before = saidOfCounter(server).length;
    await redis.stop();
    await until('it is away', async () => saidOfCounter(server).length > before);
    const denied = await asked(strict, client);
    assert.deepEqual([denied.status, denied.headers.get('retry-after')], [503, '1']);
    // Of the four he had three there.
    assert.deepEqual([(await asked(other, client)).status, (await asked(other, client)).status], [200, 429]);
    assert.equal((await asked(other, '192.0.2.6')).status, 200);
    await redis.startAgain();
    await until('it is back', async () => saidOfCounter(server).length > before + 1);
    assert.deepEqual(saidOfCounter(server).slice(before), [
      'the counter of the rate limit cannot be reached: onStoreError decides',
      'the counter of the rate limit is back',
    ]);
    over.abort();
    await load;
    assert.deepEqual([...statuses].toSorted(), [200, 429]);
  });
});
