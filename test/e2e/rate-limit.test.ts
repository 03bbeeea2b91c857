import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { secret } from '#test/fakes/secrets.ts';
import { needs } from '../setup/needs.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { Redis } from './support/redis.ts';
import { until } from './support/until.ts';

/** An answer to `GET /v2/` of a client that a proxy (ourselves) stands before. */
async function asked(server: Ociregistry, client: string): Promise<Response> {
  const response = await fetch(`${server.url}/v2/`, { headers: { 'X-Forwarded-For': client } });
  await response.arrayBuffer();
  return response;
}

function started(redis: Redis, rateLimit: object): Promise<Ociregistry> {
  const coordination = { kind: 'redis', urlFromEnv: 'REDIS' };
  const settings = { trustedProxies: ['127.0.0.1'], storage: { coordination }, rateLimit };
  return Ociregistry.start({ settings, env: { REDIS: redis.url } });
}

/** Until the connection stands nothing is counted. */
async function counts(server: Ociregistry, client: string): Promise<void> {
  await until('it counts', async () => (await asked(server, client)).headers.has('ratelimit-limit'));
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
      const rateLimit = { requests: 15, per: '1h', window };
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

  it('count each of a crowd that asks at once', async () => {
    // On a busy machine an answer of Redis may be late: then none is let in for it.
    const rateLimit = { requests: 15, per: '1h', window: 'fixed', onStoreError: 'deny' };
    await using server = await started(redis, rateLimit);
    await counts(server, '192.0.2.6');
    const answers = await Promise.all(
      Array.from({ length: 600 }, async () => await asked(server, '192.0.2.7')),
    );
    const admitted = answers.filter(({ status }) => status === 200).length;
    assert.ok(admitted > 0 && admitted <= 15, `${admitted}`);
    assert.ok(answers.every(({ status }) => [200, 429, 503].includes(status)));
  });

  it('serve on while it is away, and count again when it is back; nothing of it is told but once', async () => {
    await using server = await started(redis, { requests: 2, per: '1h' });
    await using strict = await started(redis, { requests: 1000, per: '1h', onStoreError: 'deny' });
    const client = '192.0.2.4';
    await counts(server, '192.0.2.5');
    await counts(strict, '192.0.2.5');
    await asked(server, client);
    await asked(server, client);
    assert.equal((await asked(server, client)).status, 429);
    const over = new AbortController();
    const statuses = new Set<number>();
    const load = (async () => {
      while (!over.signal.aborted) statuses.add((await asked(server, client)).status);
    })();
    await redis.stop();
    await until('it is open', async () => (await asked(server, client)).status === 200);
    const denied = await asked(strict, client);
    assert.deepEqual([denied.status, denied.headers.get('retry-after')], [503, '1']);
    for (let time = 0; time < 20; time += 1) assert.equal((await asked(server, client)).status, 200);
    await redis.startAgain();
    await until('it counts again', async () => (await asked(server, client)).status === 429);
    over.abort();
    await load;
    assert.deepEqual([...statuses].toSorted(), [200, 429]);
    const said = server.output.split('\n').filter((line) => line.includes('the counter of the rate limit'));
    assert.deepEqual(
      said.map((line) => (JSON.parse(line) as { msg: string }).msg),
      [
        'the counter of the rate limit cannot be reached: onStoreError decides',
        'the counter of the rate limit is back',
      ],
    );
  });
});
