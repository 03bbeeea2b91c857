import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTag } from '#src/oci/reference.ts';
import type { ImageGraph } from '#src/storage/image-graph.ts';
import { pinTag } from '#src/storage/operation.ts';
import { app, HostedUnderTest } from '#test/fakes/hosted-under-test.ts';

describe('a manifest that is deleted', () => {
  it('goes with all its tags, however many', async () => {
    await using hosted = new HostedUnderTest();
    const { pushes, metadata } = hosted;
    const blob = await hosted.blob('layer');
    const bytes = Buffer.from(JSON.stringify({ layers: [{ digest: blob, size: 5 }] }));
    const tags = Array.from({ length: 250 }, (_, at) => parseTag(`t${at}`));
    for (const tag of tags)
      await pushes.putManifest(app, tag, { bytes, contentType: 'application/x', tags: [] });
    const digest = (await metadata.getTag(app, parseTag('t0')))?.descriptor.digest;
    assert.ok(digest);
    await pushes.deleteManifest(app, digest);
    assert.deepEqual(await metadata.listTags(app), []);
    assert.equal(await metadata.getManifest(app, digest), undefined);
  });

  it('and that an index names stays with all its tags', async () => {
    await using hosted = new HostedUnderTest();
    const { pushes, metadata } = hosted;
    const blob = await hosted.blob('layer');
    const bytes = Buffer.from(JSON.stringify({ layers: [{ digest: blob, size: 5 }] }));
    const tags = Array.from({ length: 120 }, (_, at) => parseTag(`t${at}`)).toSorted();
    const put = { bytes, contentType: 'application/x', tags: [] };
    for (const tag of tags) await pushes.putManifest(app, tag, put);
    const { digest } = (await pushes.putManifest(app, tags[0] ?? parseTag('x'), put)).descriptor;
    const index = Buffer.from(JSON.stringify({ manifests: [{ digest, size: bytes.length }] }));
    await pushes.putManifest(app, parseTag('index'), { ...put, bytes: index });
    await assert.rejects(pushes.deleteManifest(app, digest), { code: 'UNSUPPORTED' });
    assert.deepEqual(await metadata.listTags(app), ['index', ...tags]);
  });

  it('goes with the tag that comes while it is deleted', async () => {
    await using hosted = new HostedUnderTest();
    const { metadata } = hosted;
    const blob = await hosted.blob('layer');
    const digest = await hosted.manifest('one', [blob]);
    const descriptor = await metadata.getManifest(app, digest);
    assert.ok(descriptor);
    const { graph } = metadata;
    let looks = 0;
    const raced: ImageGraph = Object.assign(Object.create(graph) as ImageGraph, {
      node: async (...given: Parameters<ImageGraph['node']>) => {
        const node = await graph.node(...given);
        looks += 1;
        const record = { tag: parseTag('two'), descriptor, checkedAt: 1 };
        if (looks === 2)
          await metadata.change([{ kind: 'put tag', repository: app, record, was: undefined }]);
        return node;
      },
    });
    const { pushes } = new HostedUnderTest({}, { ...hosted.parts, graph: raced });
    await pushes.deleteManifest(app, digest);
    assert.deepEqual(await metadata.listTags(app), []);
    assert.equal(looks, 3);
  });

  it('stays where somebody has pinned a tag of it, and so does the tag', async () => {
    await using hosted = new HostedUnderTest();
    const { pushes, metadata } = hosted;
    const [blob, tag] = [await hosted.blob('layer'), parseTag('one')];
    const digest = await hosted.manifest('one', [blob]);
    await metadata.change([pinTag(app, tag, true)]);
    await assert.rejects(pushes.deleteTag(app, tag), { code: 'DENIED', message: /pinned/ });
    await assert.rejects(pushes.deleteManifest(app, digest), { code: 'DENIED', message: /pinned/ });
    await metadata.change([pinTag(app, tag, false)]);
    await pushes.deleteTag(app, tag);
    await pushes.deleteManifest(app, digest);
  });
});
