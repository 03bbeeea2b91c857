import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Claim } from '#src/base/claim.ts';
import { Room } from '#src/base/room.ts';
import { TagWalk } from '#src/cache/memory/tag-walk.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseTag } from '#src/oci/reference.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

describe('a list of tags as far as it was read', () => {
  it('takes no more for what was read of a part that did not come, however often that is asked for', async () => {
    const room = new Claim('a', new Room({ clock: new FakeClock(), most: 1e9, mostOfOne: 1e9 }));
    let isDown = false;
    const walk = new TagWalk({
      ...{ after: undefined, startedAt: 0, room, onRead() {} },
      ask: async () => {
        const { settled } = room;
        room.settle(settled + 1e6);
        if (isDown) throw new RegistryError('UNAVAILABLE');
        return { tags: [parseTag(`v${settled}`)], hasMore: true };
      },
    });
    await walk.grow(1);
    isDown = true;
    for (let times = 0; times < 3; times += 1) await assert.rejects(walk.grow(1));
    assert.equal(room.settled, 1e6);
    isDown = false;
    await walk.grow(1);
    assert.equal(room.settled, 2e6);
  });
});
