import assert from 'node:assert/strict';
import { it } from 'node:test';
import { CountingHands } from '#src/retention/counting-hands.ts';
import { CachedImages } from '#test/fakes/cached-images.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { app } from '#test/fakes/limited-images.ts';

/** Each look at it takes a while. */
class SlowClock extends FakeClock {
  #looks = 0;

  override monotonic(): number {
    this.#looks += 1;
    return this.#looks;
  }
}

it('who works out what would go of an image of very many layers lets others have their turn', async () => {
  await using cache = new CachedImages();
  const layers = Array.from({ length: 200 }, (_, at) => `layer ${at}`);
  await cache.image(app, 'image', layers, ['v1']);
  const clock = new SlowClock();
  clock.set(cache.clock.now() + 3_600_000);
  const hands = new CountingHands({ graph: cache.store.graph, clock, graceMs: 0 });
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  const freed = await hands.discard(
    app,
    layers.map((layer) => cache.digest(layer)),
  );
  isOver = true;
  assert.equal(freed.length, layers.length);
  assert.ok(turns > 10, `${turns}`);
});
