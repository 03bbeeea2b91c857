import assert from 'node:assert/strict';
import { it } from 'node:test';
import { getHeapSpaceStatistics } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setUpV8 } from '#src/process/v8-settings.ts';

/** Bytes. */
function roomForYoungObjects(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0;
}

/** Some of them live through a collection or two, which is when V8 gives them more room. */
function makeGarbage(objects: number): void {
  let kept: object[] = [];
  for (let made = 0; made < objects; made += 1) {
    kept.push({ made });
    if (kept.length > 50_000) kept = [];
  }
}

it('the settings of V8 keep the room for young objects as it is, collect when the heap has grown, and leave no gc behind', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const atFirst = roomForYoungObjects();
  setUpV8();
  makeGarbage(5_000_000);
  // It grows by single pages all the same; left alone it is doubled again and again.
  assert.ok(roomForYoungObjects() < 6 * atFirst, `${atFirst} bytes became ${roomForYoungObjects()}`);
  const old: object[] = Array.from({ length: 500_000 }, (_, at) => ({ at }));
  const before = process.memoryUsage().heapUsed;
  old.length = 0;
  t.mock.timers.tick(2000);
  assert.ok(process.memoryUsage().heapUsed < before - 5_000_000);
  assert.equal(runInNewContext('globalThis.gc'), undefined);
});
