import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Claim, reading } from '#src/base/claim.ts';
import { Room } from '#src/base/room.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const mebibyte = 1024 * 1024;
/** What counts for nothing. */
const free = 64 * 1024;

function made(most = 10 * mebibyte) {
  const clock = new FakeClock();
  const room = new Room({ clock, most, mostOfOne: most });
  return { clock, room, claim: new Claim('a', room) };
}

describe('the room that one answer takes', () => {
  it('is none for what is small, whoever waits', async () => {
    const { room, claim } = made();
    room.force('x', 10 * mebibyte);
    const waiting = new Claim('b', room).wait(mebibyte);
    using _ = claim.share();
    assert.ok(claim.cover(free));
    claim.settle(free);
    assert.deepEqual([claim.isSmall, room.taken, room.waiting], [true, 10 * mebibyte, 1]);
    room.giveBack('x', mebibyte);
    await waiting;
  });

  it('is taken once for all who have a share, and given back with the last', () => {
    const { room, claim } = made();
    const shares = [claim.share(), claim.share(), claim.share()];
    assert.ok(claim.cover(free + 4000));
    assert.ok(claim.cover(free + 4000));
    assert.equal(room.taken, 4000);
    claim.settle(free + 1000);
    assert.deepEqual([room.taken, claim.isSmall], [1000, false]);
    for (const share of [shares[0], shares[0], shares[1]]) share?.[Symbol.dispose]();
    assert.equal(room.taken, 1000);
    shares[2]?.[Symbol.dispose]();
    assert.equal(room.taken, 0);
  });

  it('is taken again when what is still here is sent again', () => {
    const { room, claim } = made();
    using reader = claim.share();
    claim.settle(free + 1000);
    reader[Symbol.dispose]();
    room.force('x', 10 * mebibyte);
    const again = claim.share();
    assert.equal(room.taken, 10 * mebibyte + 1000);
    again[Symbol.dispose]();
    assert.equal(room.taken, 10 * mebibyte);
  });

  it('grows beside what is here', async () => {
    const { room, claim } = made(2000);
    using _ = claim.share();
    claim.settle(free + 500);
    assert.ok(claim.cover(1000));
    claim.settle(free + 1200);
    assert.deepEqual([room.taken, claim.cover(1000)], [1200, true]);
    assert.equal(room.taken, 2200);
  });

  it('is not kept for somebody who has left while it was waited for', async () => {
    const { room, claim } = made();
    room.force('x', 10 * mebibyte);
    const share = claim.share();
    const waiting = claim.wait(mebibyte);
    share[Symbol.dispose]();
    room.giveBack('x', 10 * mebibyte);
    assert.deepEqual([await waiting, room.taken], [false, 0]);
  });

  it('stays taken after the reading until those who waited for it had their turn, and not longer', async () => {
    const { room, claim } = made();
    const read = reading(claim, async () => {
      claim.cover(free + 4000);
      claim.settle(free + 1000);
      claim.cover(3000);
      return 'list';
    });
    await read;
    assert.equal(room.taken, 1000);
    const share = claim.share();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(room.taken, 1000);
    share[Symbol.dispose]();
    assert.equal(room.taken, 0);
    await assert.rejects(
      reading(claim, async () => {
        claim.cover(4000);
        throw new Error('cut');
      }),
      /cut/,
    );
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(room.taken, 0);
  });
});
