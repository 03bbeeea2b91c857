import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import { sweepAnnounced } from '#src/retention/announced-sweep.ts';
import { StoreFullError } from '#src/storage/content-store.ts';
import type { Operation } from '#src/storage/operation.ts';
import { app, HostedUnderTest, sent } from '#test/fakes/hosted-under-test.ts';

const layer = Buffer.from('layer');
const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, layers: [] }));

/** An index that takes no change in which one of these is. */
function fullFor(hosted: HostedUnderTest, kinds: readonly Operation['kind'][]) {
  const { metadata } = hosted;
  const index = new Proxy(metadata, {
    get: (target, key) => {
      const member: unknown = Reflect.get(target, key);
      if (key === 'change')
        return async (operations: readonly Operation[]) => {
          if (operations.some(({ kind }) => kinds.includes(kind))) throw new StoreFullError('no room');
          await target.change(operations);
        };
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  return new HostedUnderTest({}, { ...hosted.parts, metadata: index }).pushes;
}

describe('a push that finds no room in the index', () => {
  it('is answered so, and leaves nothing', async () => {
    await using hosted = new HostedUnderTest();
    const pushes = fullFor(hosted, ['announce content']);
    const { id } = await pushes.beginUpload(app);
    for (const push of [
      () => pushes.putBlob(app, sha256(layer), sent(layer)),
      () => pushes.commit(app, id, sha256(layer), sent(layer)),
      () => pushes.putManifest(app, parseTag('v1'), { bytes: manifest, contentType: ociManifest, tags: [] }),
    ])
      await assert.rejects(push(), { code: 'UNAVAILABLE', status: 507 });
    assert.equal(hosted.content.used, 0);
    await assert.rejects(pushes.uploadState(app, id), { code: 'BLOB_UPLOAD_UNKNOWN' });
  });

  it('when its bytes are stored leaves them for no longer than an hour, and shows them to nobody', async () => {
    await using hosted = new HostedUnderTest();
    const pushes = fullFor(hosted, ['link blob', 'put manifest']);
    for (const push of [
      () => pushes.putBlob(app, sha256(layer), sent(layer)),
      () => pushes.putManifest(app, parseTag('v1'), { bytes: manifest, contentType: ociManifest, tags: [] }),
    ])
      await assert.rejects(push(), { code: 'UNAVAILABLE', status: 507 });
    const { metadata, clock, parts } = hosted;
    assert.equal(await metadata.hasBlob(app, sha256(layer)), false);
    assert.equal(await metadata.getTag(app, parseTag('v1')), undefined);
    await clock.advance(3_600_001);
    const discarded = { list: async () => [], remove: async () => true, frees: async () => 0 };
    await sweepAnnounced({
      ...{ metadata, graph: metadata.graph, clock, discarded },
      ...{ graceMs: 600_000, changed: parts.told },
    });
    assert.equal(hosted.content.used, 0);
  });

  it('and one that found some has its bytes go as soon as nobody needs them', async () => {
    await using hosted = new HostedUnderTest({ uploadExpiry: 60_000 });
    const kept = await hosted.blob('layer');
    const image = await hosted.manifest('v1', [kept]);
    const gone = await hosted.blob('gone');
    await hosted.sweep(700_000);
    assert.deepEqual([await hosted.isHere(kept), await hosted.isHere(gone)], [true, false]);
    await hosted.pushes.deleteManifest(app, image);
    await hosted.sweep(700_000);
    assert.equal(hosted.content.used, 0);
  });
});
