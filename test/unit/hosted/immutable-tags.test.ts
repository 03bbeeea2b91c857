import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTag } from '#src/oci/reference.ts';
import { app, HostedUnderTest } from '#test/fakes/hosted-under-test.ts';

describe('a tag that is immutable', () => {
  it('is not put while the index is made anew: it may point elsewhere', async () => {
    let isBeingRestored = true;
    const parts = { isBeingRestored: () => isBeingRestored };
    await using hosted = new HostedUnderTest({ immutableTags: ['v*'] }, parts);
    const blob = await hosted.blob('layer');
    await assert.rejects(hosted.manifest('v1', [blob]), {
      code: 'UNAVAILABLE',
      status: 503,
      headers: { 'Retry-After': '10' },
    });
    assert.equal(await hosted.metadata.getTag(app, parseTag('v1')), undefined);
    await hosted.manifest('latest', [blob]);
    isBeingRestored = false;
    await hosted.manifest('v1', [blob]);
  });
});
