import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { delayed, on, stalledAfter } from '#test/fakes/upstream-faults.ts';

async function start(clock: FakeClock, settings: Parameters<typeof runApp>[0] = {}) {
  const stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const image = putImage(upstream.content, upstream.repository('a/b'), 'v1', [
    bytes(300_000, 1),
    bytes(300_000, 2),
  ]);
  const app = stack.use(
    await runApp(
      {
        imagePath: directory.path,
        registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
        cache: { complete: false },
        ...settings,
      },
      { clock, random: () => 0 },
    ),
  );
  return {
    upstream,
    image,
    get: async (path: string, method = 'GET') => await ask(app.server, `/v2/up/a/b/${path}`, { method }),
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

/** Lets what was sent arrive. */
async function arrived(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** How many sleep when no more come or go. */
async function settled(clock: FakeClock): Promise<number> {
  let { sleeping } = clock;
  for (let turns = 0; turns < 100; turns += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (clock.sleeping !== sleeping) [sleeping, turns] = [clock.sleeping, 0];
  }
  return sleeping;
}

describe('a client of a slow upstream', () => {
  it('has a status line after 20 s though pullTimeout is long, and the answer when it asks again', async () => {
    const clock = new FakeClock();
    await using test = await start(clock, { pullTimeout: '5m' });
    const held = gate();
    // The first try hangs, the second takes its time.
    test.upstream.faults.push(on('GET', delayed(held.wait)));
    const first = test.get('manifests/v1');
    await held.reached;
    await clock.advance(10_000);
    while (test.upstream.calls.length < 2) await clock.advance(0);
    await clock.advance(10_000);
    const late = await first;
    assert.deepEqual([late.status, late.headers['retry-after']], [503, '2']);
    await clock.advance(30_000);
    const again = test.get('manifests/v1');
    held.open();
    assert.equal((await again).status, 200);
    assert.equal(test.upstream.calls.length, 2);
  });

  it('whose request waits for its turn has one too, and its turn comes', async () => {
    const clock = new FakeClock();
    await using test = await start(clock, { upstream: { maxConcurrent: 1 } });
    const [one, two] = test.image.layers;
    assert.ok(one && two);
    const never = gate();
    test.upstream.faults.push(on(`GET /v2/a/b/blobs/${one.digest}`, stalledAfter(1000, never.wait)));
    const holding = test.get(`blobs/${one.digest}`);
    await never.reached;
    const sleeping = await settled(clock);
    const waiting = test.get(`blobs/${two.digest}`);
    await arrived(() => clock.sleeping > sleeping);
    await clock.advance(20_000);
    const late = await waiting;
    assert.deepEqual([late.status, late.headers['retry-after']], [503, '2']);
    assert.match(late.body.toString(), /still waiting for the blob/);
    const again = test.get(`blobs/${two.digest}`);
    never.open();
    assert.equal((await again).status, 200);
    assert.equal((await holding).status, 200);
    assert.equal(test.upstream.calls.filter((call) => call.includes(two.digest)).length, 1);
  });

  it('has what is stale before that, however long upstream might be waited for', async () => {
    const clock = new FakeClock();
    await using test = await start(clock, {
      cache: { complete: false, freshness: 'always', staleDeadline: '1m' },
    });
    assert.equal((await test.get('manifests/v1')).status, 200);
    const held = gate();
    test.upstream.faults.push(delayed(held.wait));
    const stale = test.get('manifests/v1');
    await held.reached;
    await clock.advance(16_000);
    const answer = await stale;
    assert.equal(answer.status, 200);
    assert.match(String(answer.headers['cache-status']), /stale/);
    held.open();
  });
});
