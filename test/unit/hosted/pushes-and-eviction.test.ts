import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import type { SentBytes } from '#src/oci/pushes.ts';
import { app, HostedUnderTest, sent } from '#test/fakes/hosted-under-test.ts';
import { kilobyte, limitedImages } from '#test/fakes/limited-images.ts';

/** Nothing comes of it, whatever it says. */
function promised(length: number): SentBytes & { readonly leave: () => void } {
  const left = Promise.withResolvers<never>();
  return {
    length,
    chunks: (async function* () {
      yield await left.promise;
    })(),
    leave: () => left.reject(new Error('the client has left')),
  };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('what is cached beside what is pushed', () => {
  it('does not give way to what is only said to come', async () => {
    const { cache, room } = await limitedImages({ maxSize: 10_500 });
    await using _ = cache;
    await using hosted = new HostedUnderTest({}, { room });
    const { pushes } = hosted;
    const { id } = await pushes.beginUpload(app);
    const all = [promised(9000), promised(9000), promised(9000)] as const;
    const running = [
      pushes.append(app, id, all[0]),
      pushes.commit(app, (await pushes.beginUpload(app)).id, sha256(Buffer.from('')), all[1]),
      pushes.putBlob(app, sha256(Buffer.from('')), all[2]),
    ];
    for (const each of running) each.catch(() => {});
    await turns();
    assert.equal((await cache.left()).length, 10);
    assert.equal(room.bytes, 0);
    for (const each of all) each.leave();
    for (const each of running) await assert.rejects(each, /has left/);
    // What could never be here is told so at once.
    await assert.rejects(pushes.putBlob(app, sha256(Buffer.from('')), promised(10_501)), { status: 507 });
  });

  it('gives way to what comes, and not for longer than it may be here', async () => {
    const { cache, room, evictor } = await limitedImages({ maxSize: 10_500 }, { pinned: ['quay.io/**'] });
    await using _ = cache;
    await using hosted = new HostedUnderTest({}, { room });
    const { pushes } = hosted;
    const some = Buffer.from(kilobyte.repeat(4));
    const { id } = await pushes.beginUpload(app);
    await pushes.append(app, id, sent(some));
    assert.ok((await cache.left()).length < 10);
    await assert.rejects(pushes.append(app, id, sent(some)), { status: 507 });
    await turns();
    assert.equal(evictor.isStuck, false);
    assert.equal(room.bytes, 0);
    await pushes.putBlob(app, sha256(some), sent(some));
  });
});
