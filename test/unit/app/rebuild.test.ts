import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryPlan } from '#src/app/memory-plan.ts';
import { beginRebuild } from '#src/app/rebuild.ts';
import { restoringOf } from '#src/app/restoring.ts';
import { openStore } from '#src/app/store.ts';
import { loadConfig } from '#src/config/load.ts';
import { StoreFullError } from '#src/storage/content-store.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

/** A directory with an image, whose index is to be made anew and takes nothing as long as `isFull`. */
async function lost() {
  await using stack = new AsyncDisposableStack();
  const { path: imagePath } = stack.use(await temporaryDirectory());
  {
    await using upstream = await FakeUpstream.start();
    putImage(upstream.content, upstream.repository('team/app'), 'v1', [bytes(1000)]);
    const registries = [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }];
    await using app = await runApp({ imagePath, registries });
    assert.equal((await ask(app.server, '/v2/up/team/app/manifests/v1')).status, 200);
    await app.stop();
  }
  const [log, clock] = [new LogLines(), new FakeClock()];
  const settings = { memory: memoryPlan(), files: { writers: 10 }, log, says() {}, rebuilds: true };
  // With a clock of its own: of this one nobody else waits for anything.
  const store = stack.use(await openStore(imagePath, { ...settings, clock: new FakeClock() }));
  const fault = { isFull: true, met: 0 };
  const { change } = store.metadata;
  store.metadata.change = async (...asked) => {
    if (!fault.isFull) return await change.apply(store.metadata, asked);
    fault.met += 1;
    throw new StoreFullError('no room');
  };
  const { config } = await loadConfig({ flags: { imagePath }, env: {} });
  const rebuild = stack.use(beginRebuild({ store, changed() {} }, { config, clock, log }));
  const moved = stack.move();
  return {
    ...{ store, fault, clock, log, rebuild },
    isRestoring: restoringOf(store) ?? assert.fail(),
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

describe('an index that cannot be made anew', () => {
  it('is tried again at longer and longer intervals, told once, until it is known', async () => {
    await using it = await lost();
    await it.rebuild.isTried;
    assert.equal(await it.isRestoring(), true);
    for (const [at, pauseMs] of [10_000, 20_000, 40_000].entries()) {
      await it.clock.untilPausing();
      assert.equal(it.fault.met, at + 1);
      await it.clock.advance(pauseMs - 1);
      assert.equal(it.fault.met, at + 1);
      if (at === 2) it.fault.isFull = false;
      await it.clock.advance(1);
    }
    assert.equal(await it.rebuild.isKnown, true);
    assert.equal(await it.isRestoring(), false);
    assert.equal((await it.store.inventory.images({ limit: 10 })).length, 1);
    const told = it.log.at('error').filter((line) => line.includes('the index could not be made anew'));
    assert.equal(told.length, 1);
  });

  it('is left to the next start where this one stops', async () => {
    await using it = await lost();
    await it.rebuild.isTried;
    await it.rebuild[Symbol.asyncDispose]();
    assert.equal(await it.rebuild.isKnown, false);
    assert.equal(await it.isRestoring(), true);
  });
});
