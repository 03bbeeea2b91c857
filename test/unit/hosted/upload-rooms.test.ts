import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UploadRooms } from '#src/hosted/upload-rooms.ts';
import { sweepUploads } from '#src/hosted/upload-sweep.ts';
import { sha256 } from '#src/oci/digest.ts';
import type { SentBytes } from '#src/oci/pushes.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import type { Reservation, StoreRoom } from '#src/storage/store-room.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { app, HostedUnderTest, sent } from '#test/fakes/hosted-under-test.ts';

/** A quota of so many bytes, in which nothing is stored. */
class Quota implements StoreRoom {
  readonly #most: number;
  readonly #held = new Set<{ bytes: number }>();

  constructor(most: number) {
    this.#most = most;
  }

  get used(): number {
    return [...this.#held].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  believes(): boolean {
    return true;
  }

  admits(_host: unknown, bytes = 0): boolean {
    return bytes <= this.#most;
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
    await hosted.sweep(86_400_001);
    assert.equal(quota.used, 0);
  });

  it('for whose bytes there is no room is over, and takes nothing from then on', async () => {
    const quota = new Quota(25);
    await using hosted = new HostedUnderTest({}, { room: quota });
    const { pushes, content } = hosted;
    for (const length of [10, 100, undefined]) {
      const { id } = await pushes.beginUpload(app);
      await pushes.append(app, id, sent(ten, ten));
      assert.equal(quota.used, 20);
      await assert.rejects(pushes.append(app, id, { ...sent(ten), length }), { status: 507 });
      assert.deepEqual([quota.used, content.used], [0, 0]);
      await assert.rejects(pushes.uploadState(app, id), { code: 'BLOB_UPLOAD_UNKNOWN' });
    }
  });

  it('for which the disk has no room is over, and leaves it what it had', async () => {
    const content = new MemoryBlobStore({ clock: new FakeClock(), capacity: 25 });
    const { uploads } = content;
    await using hosted = new HostedUnderTest({}, { content, spools: content, uploads });
    const { pushes } = hosted;
    const { id } = await pushes.beginUpload(app);
    await pushes.append(app, id, sent(ten, ten));
    await assert.rejects(pushes.append(app, id, sent(ten)), { code: 'UNAVAILABLE', status: 507 });
    assert.equal(content.used, 0);
    assert.deepEqual(await Array.fromAsync(uploads.list()), []);
    const large = Buffer.alloc(30);
    await assert.rejects(pushes.putBlob(app, sha256(large), sent(large)), { status: 507 });
    assert.equal(content.used, 0);
  });

  it('takes no more than has come, whatever its client says will come', async () => {
    const quota = new Quota(1000);
    await using hosted = new HostedUnderTest({}, { room: quota });
    const { pushes } = hosted;
    const { id } = await pushes.beginUpload(app);
    const over = Promise.withResolvers<void>();
    const slow = (length: number): SentBytes => ({
      length,
      chunks: (async function* () {
        yield ten;
        await over.promise;
      })(),
    });
    const appending = pushes.append(app, id, slow(900));
    const putting = pushes.putBlob(app, sha256(ten), slow(900));
    for (const cut of [appending, putting]) cut.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(quota.used, 40);
    await assert.rejects(pushes.putBlob(app, sha256(ten), slow(1001)), { status: 507 });
    over.resolve();
    for (const cut of [appending, putting]) await assert.rejects(cut, { code: 'SIZE_INVALID' });
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
