import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KnownTags } from '#src/cache/memory/known-tags.ts';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { parseTag, type Tag } from '#src/oci/reference.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes } from '#test/fakes/images.ts';

const alpine = repository('docker.io/library/alpine');
const v1 = parseTag('v1');
const [one, two] = [1, 2].map((seed) => ({
  mediaType: ociManifest,
  digest: sha256(bytes(9, seed)),
  size: 9,
}));
assert.ok(one !== undefined && two !== undefined);

function start() {
  const clock = new FakeClock();
  const tags = new KnownTags(clock);
  const record = (descriptor: Descriptor, tag: Tag = v1) => ({ tag, descriptor, checkedAt: clock.now() });
  return { clock, tags, record };
}

describe('what is known of tags', () => {
  it('is replaced by the answer to a later question only, though the clock was set back', () => {
    const { clock, tags, record } = start();
    const [early, late] = [tags.asking(), tags.asking()];
    clock.set(1);
    assert.equal(tags.point(alpine, record(two), late), true);
    assert.equal(tags.point(alpine, record(one), early), false);
    assert.equal(tags.point(alpine, record(one), late), false);
    assert.equal(tags.get(alpine, v1)?.descriptor, two);
    assert.equal(tags.point(alpine, record(one), tags.asking()), true);
  });

  it('is not replaced by what the store had when it was read', () => {
    const { tags, record } = start();
    assert.equal(tags.recall(alpine, record(one)).descriptor, one);
    tags.point(alpine, record(two), tags.asking());
    assert.equal(tags.recall(alpine, record(one)).descriptor, two);
    assert.equal(tags.get(alpine, v1)?.descriptor, two);
  });
});

describe('a tag that somebody else has moved', () => {
  it('is read of the store again, and what was asked before that which was known says nothing', () => {
    const { tags, record } = start();
    const early = tags.asking();
    const known = record(one);
    tags.point(alpine, known, tags.asking());
    tags.forget(alpine, known);
    assert.equal(tags.get(alpine, v1), undefined);
    assert.equal(tags.point(alpine, record(one), early), false);
    tags.announce(alpine, v1, one, early);
    assert.equal(tags.announced(alpine, v1), undefined);
    assert.equal(tags.recall(alpine, record(two)).descriptor, two);
    assert.equal(tags.point(alpine, record(one), early), false);
    assert.equal(tags.point(alpine, record(one), tags.asking()), true);
  });
});

describe('what is recalled of a tag', () => {
  it('is where it points, without what the manifest says of itself, which may be long', () => {
    const { tags, record } = start();
    const texts = { artifactType: 'application/x', annotations: { a: 'x'.repeat(60_000) } };
    const stored = record({ ...one, ...texts });
    assert.deepEqual(tags.recall(alpine, stored), record(one));
    assert.equal(tags.recall(alpine, stored), tags.get(alpine, v1));
  });
});

describe('the announcement of a digest', () => {
  it('is known by its tag and by its digest for an hour, whatever the clock on the wall says', async () => {
    const { clock, tags } = start();
    const asked = tags.asking();
    tags.announce(alpine, v1, one, asked);
    clock.set(1);
    await clock.advance(3_599_999);
    assert.equal(tags.announced(alpine, v1)?.descriptor, one);
    assert.deepEqual(
      tags.announcementsOf(alpine, one.digest).map((found) => [found.tag, found.asked]),
      [[v1, asked]],
    );
    await clock.advance(1);
    assert.equal(tags.announced(alpine, v1), undefined);
    assert.deepEqual(tags.announcementsOf(alpine, one.digest), []);
  });

  it('is over when the tag is known to point anywhere by then or later', () => {
    const { tags, record } = start();
    const early = tags.asking();
    tags.announce(alpine, v1, one, tags.asking());
    tags.point(alpine, record(two), early);
    assert.equal(tags.announced(alpine, v1)?.descriptor, one);
    tags.point(alpine, record(two), tags.asking());
    assert.equal(tags.announced(alpine, v1), undefined);
    assert.deepEqual(tags.announcementsOf(alpine, one.digest), []);
    tags.announce(alpine, v1, one, early);
    assert.equal(tags.announced(alpine, v1), undefined);
  });

  it('is replaced by a later one, not by an earlier one', () => {
    const { tags } = start();
    const [early, late] = [tags.asking(), tags.asking()];
    tags.announce(alpine, v1, two, late);
    tags.announce(alpine, v1, one, early);
    assert.equal(tags.announced(alpine, v1)?.descriptor, two);
    tags.announce(alpine, v1, one, tags.asking());
    assert.deepEqual(tags.announcementsOf(alpine, two.digest), []);
    assert.equal(tags.announcementsOf(alpine, one.digest).length, 1);
  });

  it('is one of at most 10,000', () => {
    const { tags } = start();
    for (let at = 0; at < 10_002; at += 1) tags.announce(alpine, parseTag(`v${at}`), one, tags.asking());
    assert.equal(tags.announced(alpine, v1), undefined);
    assert.equal(tags.announcementsOf(alpine, one.digest).length, 10_000);
  });
});
