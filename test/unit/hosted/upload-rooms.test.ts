import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UploadRooms } from '#src/hosted/upload-rooms.ts';
import { sweepUploads } from '#src/hosted/upload-sweep.ts';
import type { Reservation, StoreRoom } from '#src/storage/store-room.ts';
import { app, HostedUnderTest, sent } from '#test/fakes/hosted-under-test.ts';

/** A quota of so many bytes, in which nothing is stored. */
class Quota implements Pick<StoreRoom, 'reserve'> {
  readonly #most: number;
  readonly #held = new Set<{ bytes: number }>();

  constructor(most: number) {
    this.#most = most;
  }

  get used(): number {
    return [...this.#held].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  readonly reserve: StoreRoom['reserve'] = async (_host, { bytes = 0 }): Promise<Reservation | undefined> => {
    const held = { bytes: 0 };
    this.#held.add(held);
    const grow = async (to: number): Promise<boolean> => {
      if (this.used - held.bytes + to > this.#most) return false;
      held.bytes = Math.max(held.bytes, to);
      return true;
    };
    const over = (): void => void this.#held.delete(held);
    if (!(await grow(bytes))) {
      over();
      return undefined;
    }
    return {
      get bytes() {
        return held.bytes;
      },
      grow,
      shrink: (to) => {
        held.bytes = Math.min(held.bytes, to);
      },
      settle: over,
      [Symbol.dispose]: over,
    };
  };
}

const ten = Buffer.alloc(10);

describe('an unfinished upload', () => {
  it('takes what lies there, and nothing when it has expired', async () => {
    const quota = new Quota(25);
    await using hosted = new HostedUnderTest({}, { room: quota });
    const { pushes } = hosted;
    const { id } = await pushes.beginUpload(app);
    await pushes.append(app, id, { ...sent(ten), length: 10 });
    await pushes.append(app, id, { ...sent(ten), length: 10 });
    assert.equal(quota.used, 20);
    await assert.rejects(pushes.append(app, id, { ...sent(ten), length: 10 }), { status: 507 });
    assert.equal(quota.used, 20);
    await hosted.sweep(86_400_001);
    assert.equal(quota.used, 0);
  });

  it('of an earlier process takes it too, until another has ended it', async () => {
    await using hosted = new HostedUnderTest();
    const { id } = await hosted.pushes.beginUpload(app);
    await hosted.pushes.append(app, id, sent(ten));
    const quota = new Quota(25);
    await using later = new HostedUnderTest(
      {},
      { ...hosted.parts, room: quota, uploadRooms: new UploadRooms(quota) },
    );
    await sweepUploads(later.parts);
    assert.equal(quota.used, 10);
    await hosted.pushes.cancel(app, id);
    await sweepUploads(later.parts);
    assert.equal(quota.used, 0);
  });
});
