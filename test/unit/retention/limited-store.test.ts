import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { LimitedStore } from '#src/retention/limited-store.ts';
import type { ContentStore } from '#src/storage/content-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { NoRoomError, type Reservation, type RoomWish, type StoreRoom } from '#src/storage/store-room.ts';

const text = Buffer.from('x'.repeat(600));
const blob = verifyWhole(sha256(text), text);

/** Room for so many bytes, and what is held of it. */
function roomFor(most: number) {
  const room = {
    held: 0,
    settled: 0,
    async reserve(_: unknown, { bytes = 0 }: RoomWish): Promise<Reservation | undefined> {
      let its = 0;
      const grow = async (more: number): Promise<boolean> => {
        if (room.held + room.settled + more - its > most) return false;
        room.held += more - its;
        its = more;
        return true;
      };
      if (!(await grow(bytes))) return undefined;
      const giveBack = (): void => {
        room.held -= its;
        its = 0;
      };
      return {
        get bytes() {
          return its;
        },
        grow,
        shrink() {},
        settle: ({ size }) => {
          giveBack();
          room.settled += size;
        },
        [Symbol.dispose]: giveBack,
      };
    },
  };
  return room satisfies Pick<StoreRoom, 'reserve'>;
}

function limited(most: number) {
  const room = roomFor(most);
  const content = new MemoryBlobStore();
  const adopt: NonNullable<ContentStore['adopt']> = async (_, verify) => {
    const { digest, size } = await verify((async function* () {})());
    return { digest, size };
  };
  const store = new LimitedStore({ content: Object.assign(content, { adopt }), spools: content }, room);
  return { room, content, store };
}

describe('a store within limits', () => {
  it('takes what is written as far as there is room, asked for before it is', async () => {
    const { room, content, store } = limited(1500);
    {
      await using spool = await store.begin();
      await spool.write(0, text.subarray(0, 300));
      assert.equal(room.held, 600);
      await spool.write(300, text.subarray(300));
      await store.put(spool, blob);
    }
    assert.deepEqual([room.held, room.settled], [0, 600]);
    assert.equal((await content.stat(blob.digest))?.size, 600);
    {
      await using spool = await store.begin();
      await spool.write(0, text.subarray(0, 300));
      await assert.rejects(spool.write(300, text), NoRoomError);
    }
    assert.deepEqual([room.held, room.settled], [0, 600]);
  });

  it('keeps bytes of memory, and takes a second name for a file, where there is room for them', async () => {
    const { room, content, store } = limited(1300);
    await store.keep(blob, text);
    const stored = await store.adopt('/somewhere', async () => blob);
    assert.equal(stored?.digest, blob.digest);
    assert.deepEqual([room.held, room.settled], [0, 1200]);
    await assert.rejects(store.keep(blob, text), NoRoomError);
    await assert.rejects(
      store.adopt('/somewhere', async () => blob),
      NoRoomError,
    );
    assert.equal(room.held, 0);
    assert.equal((await content.stat(blob.digest))?.size, 600);
  });
});
