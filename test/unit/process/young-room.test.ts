import assert from 'node:assert/strict';
import { it } from 'node:test';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { keepYoungRoom } from '#src/process/young-room.ts';

/** Bytes. */
const enough = 16 * 1024 * 1024;

/** Bytes. */
function youngRoom(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0;
}

/** Some of them live through a collection or two, which is when V8 gives them more room, if it may. */
function makeGarbage(objects: number): void {
  let kept: object[] = [];
  for (let made = 0; made < objects; made += 1) {
    kept.push({ made });
    if (kept.length > 50_000) kept = [];
  }
}

/** None of them lives through a collection. */
function makePassing(objects: number): void {
  let last: object = {};
  for (let made = 0; made < objects; made += 1) last = { made, last: Math.random() };
  assert.ok(last);
}

/** As V8 does it by itself in a process without work. */
function giveRoomBack(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

it('the room for young objects comes again with the work where V8 has given it back, and grows no further', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  makeGarbage(3_000_000);
  const atFirst = youngRoom();
  keepYoungRoom();
  giveRoomBack();
  assert.ok(youngRoom() < atFirst / 4, `${youngRoom()} of ${atFirst} bytes are left`);
  const work = (make: (objects: number) => void): void => {
    for (let look = 0; look < 10; look += 1) {
      // Enough to count as work, on a fast machine too.
      make(5_000_000);
      t.mock.timers.tick(250);
    }
  };
  // As requests do, whose objects are gone with them.
  work(makePassing);
  const again = youngRoom();
  assert.ok(again > Math.min(atFirst, enough) / 2, `${again} of ${atFirst} bytes came again`);
  work(makeGarbage);
  assert.ok(youngRoom() <= enough, `${atFirst} bytes became ${youngRoom()}`);
});

it('it comes again to what is enough, however much V8 collects between two looks', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  makeGarbage(3_000_000);
  keepYoungRoom();
  giveRoomBack();
  for (let look = 0; look < 4; look += 1) {
    // As much.
    makePassing(5_000_000);
    t.mock.timers.tick(250);
    makeGarbage(3_000_000);
  }
  assert.ok(youngRoom() <= enough, `${youngRoom()} bytes`);
});
