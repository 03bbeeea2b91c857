import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sweepUploads } from '#src/hosted/upload-sweep.ts';
import { sha256 } from '#src/oci/digest.ts';
import type { UploadSpools } from '#src/storage/upload-spools.ts';
import { app, HostedUnderTest, sent } from '#test/fakes/hosted-under-test.ts';
import { indexThatWaits } from '#test/fakes/scripted-index.ts';

const layer = Buffer.from('layer');
const hour = 3_600_000;

describe('an upload', () => {
  it('that is about to end is told so to whoever asks for its end again, or sends more', async () => {
    const [ending, isOver] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const metadata = indexThatWaits('end upload', async () => {
      ending.resolve();
      await isOver.promise;
    });
    await using hosted = new HostedUnderTest({}, { metadata });
    const { pushes } = hosted;
    const { id } = await pushes.beginUpload(app);
    await pushes.append(app, id, sent(layer));
    const first = pushes.commit(app, id, sha256(layer), undefined);
    await ending.promise;
    await assert.rejects(pushes.commit(app, id, sha256(layer), undefined), { status: 409 });
    await assert.rejects(pushes.append(app, id, sent(layer)), { status: 409 });
    isOver.resolve();
    assert.equal((await first).digest, sha256(layer));
    await assert.rejects(pushes.commit(app, id, sha256(layer), undefined), { code: 'BLOB_UPLOAD_UNKNOWN' });
    assert.deepEqual(await Array.fromAsync(hosted.parts.uploads.list()), []);
  });

  it('that is being given up takes nothing more', async () => {
    const [ending, isOver] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const metadata = indexThatWaits('end upload', async () => {
      ending.resolve();
      await isOver.promise;
    });
    await using hosted = new HostedUnderTest({}, { metadata });
    const { pushes } = hosted;
    const { id } = await pushes.beginUpload(app);
    const cancelled = pushes.cancel(app, id);
    await ending.promise;
    await assert.rejects(pushes.append(app, id, sent(layer)), { status: 409 });
    isOver.resolve();
    await cancelled;
    assert.deepEqual(await Array.fromAsync(hosted.parts.uploads.list()), []);
  });

  it('to which the first bytes come while old ones are looked for stays', async () => {
    await using hosted = new HostedUnderTest();
    const { pushes, parts } = hosted;
    const { id } = await pushes.beginUpload(app);
    await hosted.clock.advance(hour - 1);
    const isLookedFor = Promise.withResolvers<void>();
    const { uploads } = parts;
    const slow = new Proxy<UploadSpools>(uploads, {
      get: (target, key) => {
        const member: unknown = Reflect.get(target, key);
        if (key !== 'list') return typeof member === 'function' ? member.bind(target) : member;
        return async function* () {
          yield* await Array.fromAsync(target.list());
          await isLookedFor.promise;
        };
      },
    });
    await hosted.clock.advance(2);
    const sweeping = sweepUploads({ ...parts, uploads: slow });
    await pushes.append(app, id, sent(layer));
    isLookedFor.resolve();
    await sweeping;
    assert.equal((await pushes.commit(app, id, sha256(layer), undefined)).digest, sha256(layer));
  });
});
